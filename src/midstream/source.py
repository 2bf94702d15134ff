"""A text as it was read, and places in it.

Every text is kept so that its bytes come back exactly: bytes that are no UTF-8 become lone
surrogates (PEP 383) and go out as the bytes they were. Offsets count characters of `text`;
`byte_offset` says which byte that is.

Of places and words there are hundreds of thousands. They are made of texts and numbers, or of each
other, and can stand in no circle: `gc=False` keeps them from Python's search for those.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from typing import Self

from msgspec import Struct


class Span(Struct, frozen=True, gc=False, order=True):
    """The characters from `start` up to, and not including, `end`."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    def __contains__(self, other: Span) -> bool:
        """Whether `other` lies wholly within this span."""
        return self.start <= other.start and other.end <= self.end

    def overlaps(self, other: Span) -> bool:
        """Whether the two share a character; an empty span overlaps what it stands strictly in."""
        return self.start < other.end and other.start < self.end


class Position(Struct, frozen=True, gc=False):
    """A line and a column, both counted from one, as editors count them."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


class Source(Struct, frozen=True, dict=True):
    """One file: the name people know it by, and its text, character for character."""

    name: str
    text: str

    @classmethod
    def from_bytes(cls, name: str, data: bytes) -> Self:
        return cls(name, data.decode("utf-8", "surrogateescape"))

    @property
    def data(self) -> bytes:
        """The bytes that were read."""
        return self.text.encode("utf-8", "surrogateescape")

    @cached_property
    def _line_starts(self) -> list[int]:
        # Only "\n" ends a line in a Dockerfile; str.splitlines knows nine more.
        starts = [0]
        find = self.text.find
        at = find("\n")
        while at != -1:
            starts.append(at + 1)
            at = find("\n", at + 1)
        return starts

    def line_at(self, offset: int) -> int:
        """The line, counted from one, that a character stands in."""
        return bisect_right(self._line_starts, offset)

    def position(self, offset: int) -> Position:
        line = self.line_at(offset)
        return Position(line, offset - self._line_starts[line - 1] + 1)

    def offset(self, line: int) -> int:
        """Where a line, counted from one, starts."""
        return self._line_starts[line - 1]

    @property
    def newline(self) -> str:
        """How its lines end, for a line that is added."""
        return "\r\n" if "\r\n" in self.text[:500] else "\n"

    @property
    def line_count(self) -> int:
        return len(self._line_starts)

    def line(self, number: int) -> str:
        """The text of a line, without its line ending."""
        start, end = [*self._line_starts, len(self.text)][number - 1 : number + 1]
        return self.text[start:end].rstrip("\r\n")

    def byte_offset(self, offset: int) -> int:
        """How many bytes of the file stand before the character at `offset`."""
        return len(self.text[:offset].encode("utf-8", "surrogateescape"))

    def __getitem__(self, span: Span) -> str:
        return self.text[span.start : span.end]
