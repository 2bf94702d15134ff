"""What is asked of the repositories, and what they answer: as dnf resolves an argument of install.

A name of a package first, alone or with its version and architecture; then what packages provide;
then a file (https://dnf.readthedocs.io/en/latest/command_ref.html#specifying-packages).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.packages.evr import newest
from midstream.packages.primary import Asked
from midstream.ubi.metadata import ARCHES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from midstream.packages.modules import Modules
    from midstream.packages.primary import Kept, Rpm

_VARIABLE = re.compile(r"\$\{[^}]*\}|\$\w+")
_VERSION = r"\d[\w.]*(?:-\d[\w.]*)*"  # what a variable in a package's name stands for: 3.12, 13-0
_ARCH = re.compile(rf"(.+)\.({'|'.join((*ARCHES, 'noarch'))})")


class Sighting(Struct, frozen=True, omit_defaults=True):
    """A package that answers: in which repository, and `by` what of it: name, provides or file.

    `streams` are those of modules, one of which has to be enabled first; none where dnf sees it.
    """

    repository: str  # "ubi/appstream"
    name: str
    evr: str
    by: str = "name"
    streams: tuple[str, ...] = ()

    @property
    def row(self) -> str:
        """The name of the repository's row in repositories.yaml."""
        return self.repository.partition("/")[0]


class State(Struct, frozen=True):
    """A repository as it was read: the SHA-256 of its repomd.xml, and the revision in that."""

    repomd: str
    revision: str


class Answers(Struct, frozen=True):
    """What the repositories of one platform and architecture have of what was asked.

    `unread` are those that could not be read, by their rows' names.
    """

    platform: str
    arch: str
    repositories: Mapping[str, State]
    packages: Mapping[str, tuple[Sighting, ...]]
    unread: frozenset[str] = frozenset()

    def find(self, wanted: str) -> tuple[Sighting, ...] | None:
        """Who answers to it; None where that was never asked.

        A name that was found for another question is known as well: `cuda-nvcc-13-0`, where the
        table asks for `cuda-nvcc-${VERSION}`.
        """
        found = self.packages.get(wanted)
        if found is not None or _is_shape(wanted):
            return found
        every = (each for several in self.packages.values() for each in several)
        same = tuple(dict.fromkeys(each for each in every if each.name == wanted))
        return same or None


def is_known(wanted: str) -> bool:
    """Whether an argument names something that can be asked for: `${PACKAGES}` doesn't."""
    return re.search(r"[A-Za-z]", _VARIABLE.sub("", wanted)) is not None


def unnamed(wanted: str) -> str:
    """An argument with its variables as mere marks, whatever each is called: `*`."""
    return _VARIABLE.sub("*", wanted)


def asked_for(wanted: Iterable[str]) -> Asked:
    """All that has to be looked for to answer these arguments of install."""
    names: set[str] = set()
    capabilities: set[str] = set()
    files: set[str] = set()
    shapes: set[str] = set()
    for each in wanted:
        if _is_shape(each):
            shapes.add(_shape(each))
            continue
        names.update(name for name, _ in _splits(each))
        capabilities.add(each.split()[0])
        if each.startswith("/"):
            files.add(each)
    return Asked(frozenset(names), frozenset(capabilities), frozenset(files), frozenset(shapes))


def answer(wanted: str, repository: str, kept: Kept, modules: Modules) -> tuple[Sighting, ...]:
    """What one repository answers to an argument of install."""
    for by, rpms in _found(wanted, kept):
        if rpms:
            return tuple(_best(repository, rpms, by, modules))
    return ()


def _found(wanted: str, kept: Kept) -> Iterator[tuple[str, list[Rpm]]]:
    if _is_shape(wanted):
        shape = re.compile(_shape(wanted))
        named = [rpms for name, rpms in kept.by_name.items() if shape.fullmatch(name)]
        yield "name", [rpm for rpms in named for rpm in rpms]
        return
    for name, rest in _splits(wanted):
        yield "name", [rpm for rpm in kept.by_name.get(name, ()) if _fits(rpm, rest)]
    yield "provides", list(kept.by_capability.get(wanted.split()[0], ()))
    yield "file", list(kept.by_file.get(wanted, ()))


def _splits(wanted: str) -> Iterator[tuple[str, str]]:
    """A name and what is left for version, release and architecture, in the order of dnf's forms:
    the name alone, with an architecture, with version and release, with a version."""
    yield wanted, ""
    found = _ARCH.fullmatch(wanted)
    if found is not None:
        yield found[1], f".{found[2]}"
    for dash in re.finditer(r"-(?=\d)", wanted):
        yield wanted[: dash.start()], wanted[dash.start() :]


def _fits(rpm: Rpm, rest: str) -> bool:
    version, release = rpm.evr.version, rpm.evr.release
    forms = (version, f"{version}-{release}", f"{rpm.evr.epoch or 0}:{version}-{release}")
    ends = ("", f".{rpm.arch}")
    return rest in ends or rest in {f"-{form}{end}" for form in forms for end in ends}


def _best(repository: str, rpms: Iterable[Rpm], by: str, modules: Modules) -> Iterator[Sighting]:
    """The newest of each name that dnf sees; where it sees none, the newest that is there."""
    by_name: dict[str, list[Rpm]] = {}
    for rpm in rpms:
        by_name.setdefault(rpm.name, []).append(rpm)
    for name, several in sorted(by_name.items()):
        seen = [rpm for rpm in several if not modules.hiding(rpm)]
        evr = newest(rpm.evr for rpm in seen or several)
        streams = () if seen else {s for rpm in several for s in modules.hiding(rpm)}
        yield Sighting(repository, name, str(evr), by, tuple(sorted(streams)))


def _is_shape(wanted: str) -> bool:
    return "*" in wanted or _VARIABLE.search(wanted) is not None


def _shape(wanted: str) -> str:
    """A regular expression on whole names: a variable stands for a version, `*` for anything."""
    parts = re.split(rf"({_VARIABLE.pattern}|\*)", wanted)
    texts = [re.escape(part) for part in parts[::2]]
    marks = [".*" if mark == "*" else _VERSION for mark in parts[1::2]]
    return "".join(text + mark for text, mark in zip(texts, (*marks, ""), strict=True))
