"""A logical line as BuildKit joins it, with the way back to the places in the text."""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate

from msgspec import Struct

from midstream.source import Span

SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
"""What Go's `unicode.IsSpace` takes for white space: Python's `str.isspace` knows four more."""

COMMENT_OR_BLANK = re.compile(rf"[{SPACE}]*(?:#|\Z)")
"""A line that a continued instruction steps over."""


def continuation(line: str, escape: str) -> int | None:
    """Where the escape character stands that ends a line which goes on; None where it doesn't.

    The escape is not escaped itself, and only blanks and tabs stand behind it.
    """
    at = len(line.rstrip(" \t")) - 1
    if at < 0 or line[at] != escape or (at and line[at - 1] == escape):
        return None
    return at


class Joined(Struct, frozen=True):
    """`text` is `pieces` of the source put together; `pieces` are (start, end) offsets there."""

    text: str
    pieces: tuple[tuple[int, int], ...]
    ends: tuple[int, ...] = ()  # where each piece ends in `text`; not needed for one piece

    def at(self, offset: int) -> int:
        """Where the character at `offset` stands in the source."""
        if len(self.pieces) == 1:
            return self.pieces[0][0] + offset
        index = min(bisect_right(self.ends, offset), len(self.pieces) - 1)
        before = self.ends[index - 1] if index else 0
        return self.pieces[index][0] + offset - before

    def span(self, start: int, end: int) -> Span:
        """The place of a part: up to the end of its last character, not the next one's start."""
        if end <= start:
            at = self.at(start) if start < len(self.text) else self.end
            return Span(at, at)
        return Span(self.at(start), self.at(end - 1) + 1)

    @property
    def end(self) -> int:
        return self.pieces[-1][1] if self.pieces else 0


def join(text: str, span: Span, escape: str) -> Joined:
    """The part of a logical line that stands in `span`: continuations and comments taken out."""
    line_end = text.find("\n", span.start, span.end)
    if line_end == -1:  # most are one line
        return Joined(text[span.start : span.end], ((span.start, span.end),))
    pieces = []
    start = span.start
    first = True
    while start < span.end:
        line_end = text.find("\n", start, span.end)
        next_start = span.end if line_end == -1 else line_end + 1
        line = text[start:next_start].rstrip("\r\n")
        if first or not COMMENT_OR_BLANK.match(line):
            # The last line of a part may end in an escape that continues nothing.
            mark = continuation(line, escape) if line_end != -1 else None
            pieces.append((start, start + (len(line) if mark is None else mark)))
        first = False
        start = next_start
    ends = tuple(accumulate(end - start for start, end in pieces))
    return Joined("".join([text[s:e] for s, e in pieces]), tuple(pieces), ends)
