"""Which overlay of a target is for a release: the one whose range holds it."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.configuration import Mistakes, Node, load
from midstream.diagnostic import Diagnostic, Place, Rule, Severity
from midstream.errors import UsageError
from midstream.overlay.fragments import OVERLAYS, inside
from midstream.overlay.releases import holds, is_range
from midstream.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midstream.overlay.fragments import Folder

NO_RANGE = Rule(
    "MS510",
    "no-release-range",
    """\
No overlay of the target is for this upstream release, or more than one is.

`upstream: {releases: ">=0.33"}` in `overlays/<target>/overlay.yaml`, or in
`overlays/<target>/<any name>/overlay.yaml`, says which releases an overlay is for (PEP 440).
Two designs of one target stand in two folders whose ranges share no release.
""",
)
RULES = (NO_RANGE,)


class NoOverlay(UsageError):
    """No overlay of the target is for this release, or more than one is."""


Line = tuple[tuple[str, tuple[str, ...]], ...]
"""The files that an overlay is made of, each with those that it extends itself."""


class Head(Struct, frozen=True):
    """What is read of an overlay to choose among them: its range, where that stands, and the names
    of what it extends. What is wrong with them is said when all of it is read."""

    releases: str | None
    place: Place
    extends: tuple[str, ...]


class Choices:
    """Chooses among the overlays of a tree, for any number of releases: each file is read once."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._paths: dict[str, tuple[str, ...]] = {}
        self._roots: dict[str, Node] = {}
        self._heads: dict[str, Head] = {}

    def paths(self, target: str) -> tuple[str, ...]:
        """The overlays of a target, that in its own folder first."""
        if target not in self._paths:
            self._paths[target] = _candidates(self.folder, target)
        return self._paths[target]

    def choose(self, target: str, release: str | None) -> str:
        """The path of the overlay that is for a release; of the first one where that is None.
        Raises `NoOverlay`, and `ConfigurationError` where one is no YAML."""
        paths = self.paths(target)
        if not paths:
            known = ", ".join(f"`{name}`" for name in targets(self.folder))
            advice = f"there are {known}" if known else "write overlays/<target>/overlay.yaml"
            raise NoOverlay(f"no overlay for `{target}`", help=advice)
        if release is None:
            return paths[0]
        heads = {path: self._head(path) for path in paths}
        fitting = [path for path, head in heads.items() if holds(head.releases, release)]
        if len(fitting) != 1:
            raise _no_range(target, release, heads, fitting)
        return fitting[0]

    def line(self, path: str, release: str | None) -> Line:
        """An overlay and all that it extends at a release. What can't be found is left out: to
        read the overlay says so. Raises `ConfigurationError`."""
        found: dict[str, tuple[str, ...]] = {}
        waiting = [path]
        while waiting:
            each = waiting.pop()
            if each not in found:
                extends = (self._extended(name, release) for name in self._head(each).extends)
                found[each] = tuple(path for path in extends if path is not None)
                waiting += found[each]
        return tuple(found.items())

    def root(self, path: str) -> Node:
        """The whole of an overlay's file, with nothing noted of it yet. Raises
        `ConfigurationError` where it is no YAML."""
        if path not in self._roots:
            source = Source.from_bytes(path, self.folder.read(path) or b"")
            self._roots[path] = load(source)[0]
        known = self._roots[path]
        return Node(known.raw, Mistakes(known.source))

    def _head(self, path: str) -> Head:
        if path not in self._heads:
            self._heads[path] = _read_head(self.root(path))
        return self._heads[path]

    def _extended(self, name: str, release: str | None) -> str | None:
        if is_file(name):
            path = inside(OVERLAYS, name)
            return path if path is not None and self.folder.read(path) is not None else None
        try:
            return self.choose(name, release)
        except NoOverlay:
            return None


def targets(folder: Folder) -> tuple[str, ...]:
    """The targets that have an overlay."""
    names = (name for name in folder.names(OVERLAYS) if not name.startswith(("_", ".")))
    return tuple(name for name in names if _candidates(folder, name))


def is_file(name: str) -> bool:
    """Whether what `extends:` names is a file under overlays/, and not a target."""
    return name.endswith((".yaml", ".yml"))


def _candidates(folder: Folder, target: str) -> tuple[str, ...]:
    top = posixpath.join(OVERLAYS, target)
    inner = [posixpath.join(top, name) for name in folder.names(top)]
    paths = [posixpath.join(place, "overlay.yaml") for place in (top, *inner)]
    return tuple(path for path in paths if folder.read(path) is not None)


def _read_head(root: Node) -> Head:
    """What is wrong with it is noted where nobody looks: it is said when the file is read."""
    values = {key.text(): value for key, value in root.entries()}
    releases, place = _range_of(values.get("upstream")) or (None, Place(root.source, Span(0, 0)))
    named = values.get("extends")
    return Head(releases, place, named.texts() if named is not None else ())


def _range_of(upstream: Node | None) -> tuple[str, Place] | None:
    if upstream is not None and upstream.is_mapping:
        for key, value in upstream.entries():
            if key.text() == "releases" and value.is_scalar and is_range(value.text()):
                return value.text(), value.place
    return None


def _no_range(
    target: str, release: str, heads: Mapping[str, Head], fitting: list[str]
) -> NoOverlay:
    what = "every release" if fitting else "other releases"
    shown = fitting or list(heads)
    found = tuple(
        Diagnostic(
            rule=NO_RANGE,
            severity=Severity.ERROR,
            message=f"this overlay is for `{heads[path].releases}`"
            if heads[path].releases
            else f"this overlay is for {what}",
            source=heads[path].place.source,
            span=heads[path].place.span,
        )
        for path in shown
    )
    listed = ", ".join(f"`{heads[path].releases or 'every release'}` ({path})" for path in shown)
    if fitting:
        return NoOverlay(
            f"{len(fitting)} overlays of `{target}` are for {release}: {listed}",
            help="narrow `upstream: {releases: …}` so that one is left",
            diagnostics=found,
        )
    return NoOverlay(
        f"no overlay of `{target}` is for {release}; there are {listed}",
        help=f"widen a range, or write overlays/{target}/<folder>/overlay.yaml for this release",
        diagnostics=found,
    )
