"""A logical line as BuildKit joins it, with the way back to the places in the text."""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.source import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
"""What Go's `unicode.IsSpace` takes for white space: Python's `str.isspace` knows four more."""

COMMENT_OR_BLANK = re.compile(rf"[{SPACE}]*(?:#|\Z)")
"""A line that a continued instruction steps over."""


def continuation(text: str, start: int, end: int, escape: str) -> int | None:
    """Where the escape character stands that ends a line which goes on; None where it doesn't.

    The line stands from `start` to `end` of the text, without its line ending. The escape is not
    escaped itself, and only blanks and tabs stand behind it.
    """
    at = end - 1
    while at > start and text[at] in " \t":
        at -= 1
    if at < start or text[at] != escape or (at > start and text[at - 1] == escape):
        return None
    return at


def end_of_line(text: str, start: int, limit: int) -> tuple[int, int]:
    """Where the line that starts there ends, without its line ending, and where the next starts:
    both at most at `limit`."""
    end = text.find("\n", start, limit)
    following = end + 1
    if end == -1:
        end = following = limit
    while end > start and text[end - 1] == "\r":
        end -= 1
    return end, following


class Joined(Struct, frozen=True, gc=False):
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
        if len(self.pieces) == 1:  # most are one line
            at = self.pieces[0][0]
            return Span(at + start, at + end)
        return Span(self.at(start), self.at(end - 1) + 1)

    @property
    def end(self) -> int:
        return self.pieces[-1][1] if self.pieces else 0


def put_together(text: str, pieces: Sequence[tuple[int, int]]) -> Joined:
    """A logical line out of its pieces."""
    if len(pieces) == 1:
        return Joined(text[slice(*pieces[0])], tuple(pieces))
    ends = tuple(accumulate(end - start for start, end in pieces))
    return Joined("".join([text[start:end] for start, end in pieces]), tuple(pieces), ends)


def join(text: str, span: Span, escape: str) -> Joined:
    """The part of a logical line that stands in `span`: continuations and comments taken out."""
    last = text.rfind("\n", span.start, span.end) + 1
    if not last:  # most are one line
        return Joined(text[span.start : span.end], ((span.start, span.end),))
    pieces = []
    start = span.start
    while start < span.end:
        end, following = end_of_line(text, start, span.end)
        if start == span.start or not COMMENT_OR_BLANK.match(text, start, end):
            # The last line of a part may end in an escape that continues nothing.
            mark = continuation(text, start, end, escape) if start < last else None
            pieces.append((start, end if mark is None else mark))
        start = following
    return put_together(text, pieces)
