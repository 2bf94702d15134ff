"""Here-documents inside shell text, set aside before the grammar sees them.

The grammar loses what follows `<<EOF` on its line. Here the opener becomes a plain redirection of
the same length and the lines of the document become blank, so that every place stays the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(
    r"""\\. | '[^']*' | "(?:\\.|[^"\\])*" | (?<![^\s;&|(]) \#[^\n]* | <<<
      | << (?P<chomp>-?) [ \t]* (?P<name>(?:\\.|'[^'\n]*'|"[^"\n]*"|[A-Za-z_][\w.-]*)+)
      | (?P<line_end>\n)""",
    re.VERBOSE | re.DOTALL,
)
_QUOTES = re.compile(r"\\(.)|['\"]")


class Aside(Struct, frozen=True):
    """One document: `opener`, `body` and `end` (after its closing line) are offsets in the text."""

    opener: int
    opener_end: int
    body: int
    body_end: int
    end: int
    expand: bool


def set_aside(text: str) -> tuple[str, tuple[Aside, ...]]:
    """The text without its documents, same length, and the documents.

    One that never closes stays as it is.
    """
    if "<<" not in text:
        return text, ()
    found: list[Aside] = []
    waiting: list[re.Match[str]] = []
    at = 0
    while match := _TOKEN.search(text, at):
        at = match.end()
        if match["name"]:
            waiting.append(match)
        elif match["line_end"] and waiting:
            documents, at = _documents(text, waiting, at)
            found += documents
            waiting = []
    for each in found:
        text = _masked(text, each)
    return text, tuple(found)


def _documents(text: str, openers: list[re.Match[str]], at: int) -> tuple[list[Aside], int]:
    found = []
    for opener in openers:
        name = _QUOTES.sub(lambda quote: quote[1] or "", opener["name"])
        for start, end in _lines(text, at):
            line = text[start:end].rstrip("\n")
            if (line.lstrip("\t") if opener["chomp"] else line).rstrip("\r") == name:
                plain = not _QUOTES.search(opener["name"])
                found.append(Aside(opener.start(), opener.end(), at, start, end, plain))
                at = end
                break
    return found, at


def _lines(text: str, at: int) -> Iterator[tuple[int, int]]:
    while at < len(text):
        line_end = text.find("\n", at)
        end = len(text) if line_end == -1 else line_end + 1
        yield at, end
        at = end


def plain_redirection(opener: str) -> str:
    """`3<<-EOF` as a redirection of the same length that the grammar reads: `3<  EOF`."""
    before, _, name = opener.partition("<<")
    return f"{before}< {' ' + name[1:] if name.startswith('-') else name}"


def _masked(text: str, each: Aside) -> str:
    opener = plain_redirection(text[each.opener : each.opener_end])
    blank = re.sub(r"[^\n]", " ", text[each.body : each.end])
    return (
        text[: each.opener] + opener + text[each.opener_end : each.body] + blank + text[each.end :]
    )


_SUBSTITUTION = re.compile(r"\\.|\$\(\(|\$\(|`(?P<ticks>(?:\\.|[^`\\])*)`", re.DOTALL)
_PARENTHESIS = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*"|[()]""", re.DOTALL)


def substitutions(body: str) -> tuple[tuple[int, int], ...]:
    """The insides of `$(…)` and backticks that the shell runs to fill in an unquoted document."""
    found = []
    at = 0
    while match := _SUBSTITUTION.search(body, at):
        at = match.end()
        if match["ticks"] is not None:
            found.append(match.span("ticks"))
        elif match[0] == "$(":
            end = _closing(body, at)
            found.append((at, end))
            at = end
    return tuple(found)


def _closing(body: str, at: int) -> int:
    depth = 1
    for match in _PARENTHESIS.finditer(body, at):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if not depth:
            return match.start()
    return len(body)
