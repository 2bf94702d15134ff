"""`overlays/<target>/overlay.yaml` to an `Overlay`: every mistake at its line, all at once."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from midstream.configuration import MISSING_KEY, ConfigurationError
from midstream.diagnostic import Diagnostic, Place, Rule, Severity
from midstream.overlay.choosing import Choices, NoOverlay, is_file
from midstream.overlay.fragments import OVERLAYS, Fragments, inside
from midstream.overlay.model import (
    Overlay,
    OverlayEdit,
    Ship,
    Value,
)
from midstream.overlay.sections import KEYS, SECTIONS, Layer
from midstream.source import Span
from midstream.ubi.subject import PythonLayout
from midstream.ubi.tables import image_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from midstream.configuration import Node, Record
    from midstream.overlay.choosing import Line
    from midstream.overlay.fragments import Folder

BAD_EXTENDS = Rule(
    "MS516",
    "extends",
    """\
What `extends:` names can't be inherited from: it isn't there, or it leads back to this file.

    extends: cuda                     # the overlay of another target, for the same release
    extends: _shared/serving.yaml     # a file under overlays/

Inherited edits are known by their `id`: an edit with the same `id` takes the other's place, and
`drop_edits: {ID: WHY}` leaves one out.
""",
)
NO_VERSION = Rule(
    "MS517",
    "version-unknown",
    """\
**What it says.** An overlay has `releases:`, and nothing tells which release the upstream text
comes after: it is a commit that is older than every release tag, or a file that belongs to nothing.

**Why it matters.** A range can't be compared. All of them are taken to hold the text, and edits
that are meant for other releases are made as well.

**The way out.** Of a commit: look at `git: tags:` of `upstream/<project>.yaml`, and lock it again
with `midstream track --to`, where the lock was written by a midstream that didn't record versions.
Of a file: name the release that it belongs to with `--release`.
""",
)
RULES = (BAD_EXTENDS, NO_VERSION)

_T = TypeVar("_T")


class Overlays:
    """The overlays of one tree, each read once for all the releases that it is for."""

    def __init__(self, folder: Folder) -> None:
        self._choices = Choices(folder)
        self._read: dict[tuple[str, Line], Overlay] = {}

    def of(self, target: str, release: str | None) -> Overlay:
        """As `load_overlay` gives it."""
        path = self._choices.choose(target, release)
        key = target, self._choices.line(path, release)
        if key not in self._read:
            self._read[key] = _load(self._choices, target, path, release)
        return self._read[key]

    def places(self, target: str) -> tuple[str, ...]:
        """The folders of a target's overlays, one for each range."""
        return tuple(posixpath.dirname(path) for path in self._choices.paths(target))


def load_overlay(folder: Folder, target: str, release: str | None) -> Overlay:
    """The overlay of a target that is for a release.

    A release of None is a text of which nothing tells which release it comes after: then the
    overlay in the target's own folder is taken, and `without_version` has to be asked. Raises
    `NoOverlay` and `ConfigurationError`.
    """
    return Overlays(folder).of(target, release)


def _load(choices: Choices, target: str, path: str, release: str | None) -> Overlay:
    layers = _Reader(choices, target, release).read_all(path)
    overlay = _joined(target, layers)
    found = [found for layer in layers for found in layer.root.mistakes.found]
    if found or overlay is None:
        raise ConfigurationError(layers[0].root.source, found)
    return overlay


def without_version(
    overlay: Overlay, label: str, project: str, *, is_commit: bool
) -> list[Diagnostic]:
    """The warning for ranges that can't be compared, since nothing tells which release a text comes
    after; none where the overlay has no range. Raises `NoOverlay` for a commit."""
    upstream = overlay.upstream
    ranges = [(upstream.releases, upstream.place)] if upstream.releases else []
    ranges += [(edit.releases, edit.place) for edit in overlay.edits if edit.releases]
    aside = overlay.ship.set_aside.values()
    ranges += [(each.releases, each.place) for each in aside if each.releases]
    if not ranges:
        return []
    text, place = ranges[0]
    more = f" and {len(ranges) - 1} more" if len(ranges) > 1 else ""
    found = Diagnostic(
        rule=NO_VERSION,
        severity=Severity.ERROR if is_commit else Severity.WARNING,
        message=f"nothing tells which release {label} comes after, so `{text}`{more} can't be "
        "compared with it",
        source=place.source,
        span=place.span,
        help=f"see `git: tags:` of upstream/{project}.yaml, and lock it again: midstream track --to"
        if is_commit
        else "every range is taken to hold it; name the release that it belongs to: --release",
    )
    if is_commit:
        raise NoOverlay(
            f"no overlay of `{overlay.target}` can be chosen for {label}", diagnostics=[found]
        )
    return [found]


# --- reading --------------------------------------------------------------------------------


class _Reader(Struct, frozen=True):
    choices: Choices
    target: str
    release: str | None

    def read_all(self, path: str) -> list[Layer]:
        """The file and all that it extends, each once, the file itself first."""
        layers: dict[str, Layer] = {}
        self._read_into(layers, path, ())
        return list(layers.values())

    def _read_into(self, layers: dict[str, Layer], path: str, above: tuple[str, ...]) -> Layer:
        if path in layers:
            return layers[path]
        layer = layers[path] = self._layer(path, is_top=not above)
        named = layer.values.get("extends")
        if named is not None:
            for node in [named] if named.is_scalar else named.items():
                other = self._extended(node, (*above, path))
                if other is not None:
                    layer.parents.append(self._read_into(layers, other, (*above, path)))
        return layer

    def _extended(self, node: Node, above: tuple[str, ...]) -> str | None:
        path = self._extended_path(node)
        if path is not None and path in above:
            chain = " -> ".join((*above[above.index(path) :], path))
            node.wrong(f"`extends` goes round in a circle: {chain}", rule=BAD_EXTENDS)
            return None
        return path

    def _extended_path(self, node: Node) -> str | None:
        name = node.text()
        if is_file(name):
            path = inside(OVERLAYS, name)
            if path is None or self.choices.folder.read(path) is None:
                node.wrong(f"there is no `{OVERLAYS}/{name}`", rule=BAD_EXTENDS)
                return None
            return path
        try:
            return self.choices.choose(name, self.release)
        except NoOverlay as error:
            node.wrong(error.message, help=error.help, rule=BAD_EXTENDS)
            return None

    def _layer(self, path: str, *, is_top: bool) -> Layer:
        root = self.choices.root(path)
        values = root.record(required=("target",) if is_top else (), optional=KEYS)
        layer = Layer(root, path, values)
        if is_top:
            _check_target(values, self.target)
        fragments = Fragments(self.choices.folder, path, self.target)
        for key, read in SECTIONS.items():
            node = values.get(key)
            if node is not None:
                read(layer, node, fragments)
        return layer


def _check_target(values: Record, target: str) -> None:
    node = values.get("target")
    if node is not None and node.text() != target:
        node.wrong(f"this is the overlay of `{target}`, since it stands in its folder")


# --- joining --------------------------------------------------------------------------------


def _joined(target: str, layers: list[Layer]) -> Overlay | None:
    """The overlay that layers make, the nearest first: it wins over what it extends."""
    top = layers[0]
    platform = _first(layer.platform for layer in layers)
    stage = _first(layer.stage for layer in layers)
    _require(top, {"upstream": top.upstream, "platform": platform, "ship": stage})
    edits = _edits_of(top)
    if top.upstream is None or platform is None or stage is None:
        return None
    return Overlay(
        target=target,
        folder=posixpath.dirname(top.path),
        upstream=top.upstream,
        platform=platform,
        ship=Ship(
            stage,
            _by_name(layer.args for layer in layers),
            _first(layer.platforms for layer in layers) or (),
            _by_name(layer.set_aside for layer in layers),
        ),
        sources=tuple(layer.root.source for layer in layers),
        python=_first(layer.python for layer in layers) or PythonLayout(),
        repositories=_once(value for layer in reversed(layers) for value in layer.repositories),
        edits=tuple(edits.values()),
        files=_by_name(layer.files for layer in layers),
        images=image_rules((row for layer in layers for row in layer.images), platform.text),
        facts=_by_name(layer.facts for layer in layers),
        review=tuple(each for layer in reversed(layers) for each in layer.review),
        promote=top.promote,
        waivers=tuple(each for layer in reversed(layers) for each in layer.waivers),
        labels=_by_name(layer.labels for layer in layers),
        template=top.template,
    )


def _require(top: Layer, wanted: Mapping[str, object]) -> None:
    for key, value in wanted.items():
        if value is None and key != "ship" and key not in top.values:
            top.root.mistakes.add(MISSING_KEY, f"`{key}` is missing", Span(0, 0))
        if value is None and key == "ship":
            at = top.values.get(key) or top.root
            start = Span(at.span.start, at.span.start)
            top.root.mistakes.add(MISSING_KEY, "`ship: {stage: …}` is missing", start)


def _edits_of(layer: Layer) -> dict[str, OverlayEdit]:
    """Its own edits, in the places of those that they replace, and those that it inherits."""
    edits: dict[str, OverlayEdit] = {}
    for parent in layer.parents:
        for name, edit in _edits_of(parent).items():
            if name in edits and edits[name] is not edit and not _answers(layer, name):
                _two_parents(layer, edits[name], edit)
            edits.setdefault(name, edit)
    for name, key in layer.dropped.items():
        if edits.pop(name, None) is None:
            key.wrong(f"no edit `{name}` is inherited", rule=BAD_EXTENDS)
    return edits | layer.edits


def _answers(layer: Layer, name: str) -> bool:
    return name in layer.edits or name in layer.dropped


def _two_parents(layer: Layer, first: OverlayEdit, second: OverlayEdit) -> None:
    node = layer.values.values["extends"]
    layer.root.mistakes.add(
        BAD_EXTENDS,
        f"`{first.id}` is inherited from `{first.place.source.name}` and from "
        f"`{second.place.source.name}`",
        node.span,
        help=f"write an edit `{first.id}` here, or leave it out with `drop_edits`",
        also=Place(second.place.source, second.place.span, "the second one"),
    )


def _first(values: Iterable[_T | None]) -> _T | None:
    return next((value for value in values if value is not None), None)


def _by_name(layers: Iterable[Mapping[str, _T]]) -> dict[str, _T]:
    joined: dict[str, _T] = {}
    for layer in reversed(list(layers)):
        joined.update(layer)
    return joined


def _once(values: Iterable[Value]) -> tuple[Value, ...]:
    return tuple({value.text: value for value in values}.values())
