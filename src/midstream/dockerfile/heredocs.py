"""Where a logical line opens here-documents, by BuildKit's shell lexer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.dockerfile.joined import SPACE

if TYPE_CHECKING:
    from collections.abc import Iterator

# Words as BuildKit splits them: an escape takes the next character along, quotes hold blanks (but
# ${…} doesn't), and the blanks after `<<` belong to the word.
_WORD = re.compile(
    rf"""(?:\\.|'[^']*'|"(?:\\.|[^"\\])*"|<<[{SPACE}]*|[^{SPACE}'"\\]|\\\Z)+""", re.DOTALL
)
_BLANK = re.compile(rf"[{SPACE}]+")
_HEREDOC = re.compile(r"([0-9]*)<<(-?)[\t\n\f\r ]*([^<]*)", re.DOTALL)  # Go's \d and \s
_PART = re.compile(r"""\\(.)|'([^']*)'|"((?:\\.|[^"\\])*)"|([^\\'"]+)|\\\Z""", re.DOTALL)
_LITERAL = re.compile(r"\\.|'[^']*'", re.DOTALL)
# BuildKit expands the line to find its words, and sees no here-document at all on a line whose
# variables it can't expand: `${X^^}`, `${X[@]}`, `${#X}`, `${!X}` and whatever else bash alone has.
_REFUSED = re.compile(
    r"\$\{(?:[{}:]|\Z|(?:\d+|[@*#?$!-]|[^\W\d]\w*)(?![}:+?#%/-])|[^\w@*#?$!{}:-])|\$\{[^}]*\Z"
)
_OPEN_BRACE = re.compile(r"\$\{[^}]*\Z")
_ESCAPED = re.compile(r'\\(["$\\])')


class UnreadableHeredoc(ValueError):
    """A delimiter holds a quote or a brace that never closes."""


class Opener(Struct, frozen=True):
    """`3<<-"EOF"`: `start` and `end` are offsets in the logical line."""

    name: str
    file_descriptor: int
    expand: bool
    chomp: bool
    start: int
    end: int


def openers(line: str) -> list[Opener]:
    """The here-documents that a logical line opens, in order."""
    if "${" in line and _REFUSED.search(_LITERAL.sub("", line)):
        return []
    return [found for word, at in _words(line) if (found := _opener(word, at)) is not None]


def _words(line: str) -> Iterator[tuple[str, int]]:
    at = 0
    words = []
    while at < len(line):
        blank = _BLANK.match(line, at)
        if blank:
            at = blank.end()
            continue
        word = _WORD.match(line, at)
        if word is None:  # a quote that never closes: BuildKit then sees no word at all
            return
        words.append((word[0], at))
        at = word.end()
    yield from words


def _opener(word: str, at: int) -> Opener | None:
    found = _HEREDOC.fullmatch(word)
    if found is None or not found[3]:
        return None
    name = _unquoted(found[3])
    if name is None:
        return None
    quoted = "'" in found[3] or '"' in found[3]
    return Opener(
        name=name,
        file_descriptor=int(found[1] or 0),
        expand=not quoted,
        chomp=bool(found[2]),
        start=at,
        end=at + len(word),
    )


def _unquoted(text: str) -> str | None:
    """The delimiter without its quotes; None where it is more than one word."""
    if _OPEN_BRACE.search(_LITERAL.sub("", text)):
        raise UnreadableHeredoc(f"a brace in `<<{text}` never closes")
    parts = []
    at = 0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            raise UnreadableHeredoc(f"a quote in `<<{text}` never closes")
        plain = part[4]
        if plain is not None and _BLANK.search(plain):
            return None
        escaped, single, double = part[1], part[2], part[3]
        if double is not None:
            parts.append(_ESCAPED.sub(r"\1", double))
        else:
            parts.append(next((p for p in (escaped, single, plain) if p is not None), ""))
        at = part.end()
    return "".join(parts)
