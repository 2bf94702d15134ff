"""Finding the texts that an overlay puts in: files beside it, shared ones, or inline."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from midstream.diagnostic import Rule
from midstream.overlay.model import Fragment
from midstream.source import Source

if TYPE_CHECKING:
    from midstream.configuration import Node

NO_FRAGMENT = Rule(
    "MS515",
    "missing-fragment",
    """\
A fragment isn't there. It is looked for beside the YAML file that names it, then in the target's
folder, then in `overlays/_shared/fragments`, then in `overlays/_shared`.

A text of one word that ends in `.j2` is the name of a file. Anything else is the text itself.
`{file: NAME}` and `{text: TEXT}` say it outright.
""",
)
RULES = (NO_FRAGMENT,)

OVERLAYS = "overlays"


class Folder(Protocol):
    """The tree that `overlays/` stands in. Paths have `/` between their parts."""

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where there is none."""

    def names(self, folder: str) -> tuple[str, ...]:
        """The names in a folder, sorted; none where there is no such folder."""


class Fragments(Struct, frozen=True):
    """Finds the fragments that a YAML file names."""

    folder: Folder
    path: str
    target: str

    def read(self, node: Node) -> Fragment | None:
        """A file's name, a text, `{file: NAME}` or `{text: TEXT}`."""
        if not node.is_mapping:
            text = node.text()
            return self._file(node, text) if _is_file_name(text) else self._inline(node, text)
        record = node.record(optional=("file", "text"))
        if len(record.values) != 1:
            node.wrong("expected either `file` or `text`")
            return None
        ((key, value),) = record.values.items()
        return self._file(value, value.text()) if key == "file" else inline(value, value.text())

    def read_many(self, node: Node) -> tuple[Fragment, ...]:
        nodes = node.items() if node.is_sequence else [node]
        return tuple(found for each in nodes if (found := self.read(each)) is not None)

    def file(self, node: Node) -> Fragment | None:
        return self._file(node, node.text())

    def _inline(self, node: Node, text: str) -> Fragment | None:
        if len(text.split()) == 1 and self._find(text) is not None:
            node.wrong(
                f"`{text}` may be a text, or the file of that name",
                help=f"write `{{file: {text}}}` or `{{text: {text}}}`",
            )
            return None
        return inline(node, text)

    def _file(self, node: Node, name: str) -> Fragment | None:
        found = self._find(name)
        if found is None:
            tried = ", ".join(self._places())
            node.wrong(
                f"there is no fragment `{name}`", help=f"looked in {tried}", rule=NO_FRAGMENT
            )
            return None
        return Fragment(found, node.place, inline=False)

    def _find(self, name: str) -> Source | None:
        for place in self._places():
            path = inside(place, name)
            data = self.folder.read(path) if path else None
            if path and data is not None:
                return Source.from_bytes(path, data)
        return None

    def _places(self) -> tuple[str, ...]:
        places = (
            posixpath.dirname(self.path),
            posixpath.join(OVERLAYS, self.target),
            posixpath.join(OVERLAYS, "_shared", "fragments"),
            posixpath.join(OVERLAYS, "_shared"),
        )
        return tuple(dict.fromkeys(places))


def _is_file_name(text: str) -> bool:
    return len(text.split()) == 1 and text.endswith(".j2")


def inline(node: Node, text: str) -> Fragment:
    return Fragment(Source(node.source.name, text), node.place, inline=True)


def inside(folder: str, name: str) -> str | None:
    """The path of a name in a folder, unless it leads out of the overlays."""
    path = posixpath.normpath(posixpath.join(folder, name))
    return path if path.startswith(f"{OVERLAYS}/") and "\0" not in path else None
