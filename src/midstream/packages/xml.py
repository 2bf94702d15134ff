"""XML as repositories publish it, read piece by piece, without entities.

A document type declaration is refused as a whole: what repositories publish has none, and the
entities in one can make gigabytes of a few bytes, or name files of this machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.parsers import expat

from midstream.adapters.http import BadReply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class BadMetadata(BadReply):
    """A repository's metadata isn't as its format says."""


class Kinds(dict[str, str]):
    """Names of elements without their prefix, each worked out once."""

    def __missing__(self, name: str) -> str:
        self[name] = kind = name.rpartition(":")[2]
        return kind


def parser(what: str) -> expat.XMLParserType:
    """A parser of one document. `what` is for messages."""
    made = expat.ParserCreate()

    def refuse(*_: Any) -> None:
        raise BadMetadata(f"{what} has a document type declaration, which is refused")

    made.StartDoctypeDeclHandler = refuse
    made.buffer_text = True
    return made


def feed(made: expat.XMLParserType, chunks: Iterable[bytes], what: str) -> None:
    """Read a document to its end. Raises `BadMetadata`."""
    try:
        for chunk in chunks:
            made.Parse(chunk, False)
        made.Parse(b"", True)
    except expat.ExpatError as error:
        said = expat.errors.messages[error.code]
        raise BadMetadata(f"{what} is no XML: {said}, line {error.lineno}") from None


def walk(data: bytes, what: str, element: Callable[[str, dict[str, str], str], None]) -> None:
    """Tell of each element of a small document when it ends: its name, attributes, and text."""
    kinds = Kinds()
    open_ones: list[tuple[str, dict[str, str], list[str]]] = []
    made = parser(what)

    def start(name: str, attributes: dict[str, str]) -> None:
        open_ones.append((kinds[name], attributes, []))

    def text(data: str) -> None:
        open_ones[-1][2].append(data)

    def end(_name: str) -> None:
        kind, attributes, texts = open_ones.pop()
        element(kind, attributes, "".join(texts).strip())

    made.StartElementHandler, made.EndElementHandler = start, end
    made.CharacterDataHandler = text
    feed(made, [data], what)
