"""primary.xml: a repository's packages. Only what was asked for is kept while it goes by."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from msgspec import Struct, field

from midstream.packages.evr import Evr
from midstream.packages.xml import BadMetadata, Kinds, feed, parser

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from xml.parsers.expat import XMLParserType


class Rpm(Struct, frozen=True):
    """One package of a repository."""

    name: str
    arch: str
    evr: Evr

    @property
    def nevra(self) -> str:
        """As modules write it: always with the epoch."""
        evr = self.evr
        return f"{self.name}-{evr.epoch or '0'}:{evr.version}-{evr.release}.{self.arch}"


class Asked(Struct, frozen=True):
    """What to look for: names of packages, what is provided, files, and shapes of names."""

    names: frozenset[str] = frozenset()
    capabilities: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    shapes: frozenset[str] = frozenset()  # regular expressions on the whole name


class Kept(Struct, frozen=True):
    """The packages that a primary.xml has of what was asked, and how many it has in all."""

    count: int = 0
    by_name: Mapping[str, list[Rpm]] = field(default_factory=dict)
    by_capability: Mapping[str, list[Rpm]] = field(default_factory=dict)
    by_file: Mapping[str, list[Rpm]] = field(default_factory=dict)


def read_primary(chunks: Iterable[bytes], asked: Asked, arches: frozenset[str], what: str) -> Kept:
    """Raises `BadMetadata`.

    Of other architectures, and of source packages, nothing is kept: dnf doesn't install them by
    their name alone. Of files it knows those that primary.xml lists, the ones in `bin` and /etc.
    """
    made = parser(what)
    reader = _Reader(asked, arches, made)
    feed(made, chunks, what)
    reader.finish()
    if reader.root != "metadata":
        raise BadMetadata(f"{what} is no list of packages")
    return Kept(
        reader.count, dict(reader.by_name), dict(reader.by_capability), dict(reader.by_file)
    )


class _Reader:
    """What is known between two elements.

    A large file has a million elements, so only starts are listened to, at half the price: a text
    ends where the next element starts, and a package where the next one does.
    """

    def __init__(self, asked: Asked, arches: frozenset[str], made: XMLParserType) -> None:
        self._asked = asked
        self._capabilities = asked.capabilities
        self._arches = arches
        self._shape = re.compile("|".join(sorted(asked.shapes))) if asked.shapes else None
        self._kinds = Kinds()
        self._texts = frozenset(("name", "arch", *(("file",) if asked.files else ())))
        self._made = made
        self._heard: list[str] = []  # the text so far, in pieces
        self._hearing = ""  # the element that it belongs to
        self._provides = False
        self._begin()
        self.root = ""
        self.count = 0
        self.by_name: defaultdict[str, list[Rpm]] = defaultdict(list)
        self.by_capability: defaultdict[str, list[Rpm]] = defaultdict(list)
        self.by_file: defaultdict[str, list[Rpm]] = defaultdict(list)
        made.StartElementHandler = self._start

    def _begin(self) -> None:
        self._name = self._arch = ""
        self._evr = Evr("", "", "")
        self._provided: set[str] = set()
        self._files: set[str] = set()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._hearing:
            self._take_text()
        kind = self._kinds[name]
        if kind == "entry":
            if self._provides and attributes.get("name") in self._capabilities:
                self._provided.add(attributes["name"])
        elif kind in self._texts:
            self._hearing = kind
            self._made.CharacterDataHandler = self._heard.append
        else:
            self._other(kind, attributes)

    def _other(self, kind: str, attributes: dict[str, str]) -> None:
        self._provides = kind == "provides"
        if kind == "version":
            self._evr = Evr(*(attributes.get(each, "") for each in ("epoch", "ver", "rel")))
        elif kind == "package":
            self.finish()
            self.count += 1
        elif not self.root:
            self.root = kind

    def _take_text(self) -> None:
        text = "".join(self._heard).strip()
        if self._hearing == "name":
            self._name = text
        elif self._hearing == "arch":
            self._arch = text
        elif text in self._asked.files:
            self._files.add(text)
        self._heard.clear()
        self._hearing = ""
        self._made.CharacterDataHandler = None

    def finish(self) -> None:
        """Keep the last package, if anything of it was asked for."""
        if self._hearing:
            self._take_text()
        if self._arch in self._arches:
            rpm = Rpm(self._name, self._arch, self._evr)
            if self._name in self._asked.names or (
                self._shape is not None and self._shape.fullmatch(self._name)
            ):
                self.by_name[self._name].append(rpm)
            for each in self._provided:
                self.by_capability[each].append(rpm)
            for each in self._files:
                self.by_file[each].append(rpm)
        self._begin()
