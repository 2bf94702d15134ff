"""Requirements files as pip reads them: what each asks for, and which others it takes along; and
what the name of a wheel or a source archive says."""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.source import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from midstream.source import Source


_EXACTLY = re.compile(r"===?([^,*+]+)(?:\+[^,]*)?")
_JOINTS = re.compile(r"[-_.]+")
_HASHES = re.compile(r"\s--(?:hash|config-settings?)[=\s]\S+")


class Requirement(Struct, frozen=True):
    """`torch==2.9.0; marker`: `spec` is without blanks, empty where any version will do.

    An option that names an index is one too: its name is the option's. `key` tells apart what a
    file asks for under several markers.
    """

    name: str
    spec: str
    marker: str
    span: Span

    @property
    def key(self) -> tuple[str, str]:
        return normal(self.name), self.marker

    @property
    def version(self) -> str | None:
        """The one version that it takes, without the local part behind `+`: after `==`, or of the
        file or the tag that it names."""
        found = _EXACTLY.fullmatch(self.spec)
        if found or "://" not in self.spec:
            return found[1] if found else None
        file = next(files_in(self.spec, archives=True), None)
        tag = _TAG.search(self.spec)
        return file.version if file else tag["version"] if tag else None


class File(Struct, frozen=True):
    """A wheel or a source archive: the name as it is written, and the version without the local
    part behind `+`."""

    name: str
    version: str


_FILE = re.compile(r"[^/\s\"'=;,|()]+\.(?P<kind>whl|tar\.gz|zip)(?![\w.])")
_VARIABLE = re.compile(r"\$\{\w+(?:[/#%^,@][^{}$]*)?\}|\$\w+|\$\([^()]*\)")
_TAG = re.compile(r"^git\+[^#]+@(?:refs/tags/)?v?(?P<version>\d+(?:\.\w+)+)(?:#|$)")


def files_in(text: str, *, archives: bool) -> Iterator[File]:
    """The wheels that a text names, by path or URL, and with `archives` the source archives: a
    `.tar.gz` that nothing of Python's installs may be anything. The rule for the names is PEP 427's
    and PEP 625's; a name or a version that stands in a variable isn't known."""
    plain = _VARIABLE.sub("$", text) if ".whl" in text or archives else ""
    for found in _FILE.finditer(plain):
        if found["kind"] == "whl" or archives:
            read = _read_name(re.sub("%2b", "+", found[0], flags=re.IGNORECASE))
            if read is not None:
                yield read


def _read_name(file: str) -> File | None:
    from packaging.utils import (
        InvalidSdistFilename,
        InvalidWheelFilename,
        parse_sdist_filename,
        parse_wheel_filename,
    )

    try:
        if file.endswith(".whl"):
            name, version, tags = file.split("-", 2)
            tags = tags.replace("$", "x")  # which Python it is for plays no part
            return File(name, parse_wheel_filename(f"{name}-{version}-{tags}")[1].public)
        return File(file.rpartition("-")[0], parse_sdist_filename(file)[1].public)
    except (InvalidWheelFilename, InvalidSdistFilename, ValueError):
        return None


def normal(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return _JOINTS.sub("-", name).lower()


_LINE = re.compile(r"(?:[^\n\\]|\\[^\n]|\\\n)+")
_COMMENT = re.compile(r"(?:^|\s)#.*", re.DOTALL)
_ASKED = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*"
    r"(?:@\s*(?P<url>\S+)|\(?(?P<spec>(?:===?|~=|!=|>=|<=|<|>)[^;)]*)\)?)?\s*"
    r"(?:;\s*(?P<marker>.*))?",
    re.DOTALL,
)
_OPTION = re.compile(r"(?P<name>-[\w-]+)(?:[=\s]\s*|(?<=-\w))(?P<value>\S+)")
_INCLUDING = ("-r", "--requirement", "-c", "--constraint")
_INDEXES = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links")


@lru_cache(maxsize=256)
def read_requirements(source: Source) -> tuple[Requirement, ...]:
    """All that a file asks for itself, in its order."""
    found = []
    for text, span in _lines(source):
        option = _OPTION.match(text)
        if option and option["name"] in _INDEXES:
            found.append(Requirement(option["name"], option["value"], "", span))
        asked = None if text.startswith("-") else _ASKED.fullmatch(_without_hashes(text))
        if asked:
            spec = asked["url"] or "".join((asked["spec"] or "").split())
            marker = " ".join((asked["marker"] or "").split())
            found.append(Requirement(asked["name"], spec, marker, span))
    return tuple(found)


def with_included(paths: Iterable[str], find: Callable[[str], Source | None]) -> dict[str, Source]:
    """The files at these paths and all that they take along with `-r` and `-c`, in that order."""
    found: dict[str, Source] = {}
    waiting = list(paths)
    while waiting:
        path = waiting.pop(0)
        source = find(path) if path not in found else None
        if source is not None:
            found[path] = source
            waiting += _included(source)
    return found


@lru_cache(maxsize=256)
def _included(source: Source) -> tuple[str, ...]:
    options = (_OPTION.match(text) for text, _ in _lines(source))
    folder = posixpath.dirname(source.name)
    return tuple(
        posixpath.normpath(posixpath.join(folder, each["value"]))
        for each in options
        if each and each["name"] in _INCLUDING
    )


def _lines(source: Source) -> list[tuple[str, Span]]:
    """The logical lines that say something, comments taken off."""
    found = []
    for line in _LINE.finditer(source.text):
        text = _COMMENT.sub("", line[0].replace("\\\n", " ")).strip()
        if text:
            start = line.start() + len(line[0]) - len(line[0].lstrip())
            found.append((text, Span(start, start + len(line[0].strip()))))
    return found


def _without_hashes(text: str) -> str:
    return _HASHES.sub("", text).strip()
