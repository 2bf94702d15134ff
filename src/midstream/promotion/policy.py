"""`overlays/promotion.yaml`: which image goes where, under which names, and what it must be.

Read with every mistake at its line. What an image leaves out is its overlay's: the repository and
the tags of `promote:`, and the platforms of `ship:`.
"""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct, field

from midstream import configuration
from midstream.configuration import MISSING_KEY, ConfigurationError
from midstream.diagnostic import Diagnostic, Place, Rule, Severity
from midstream.errors import MidstreamError, UsageError
from midstream.promotion.plan import Kind, Pacing
from midstream.promotion.reference import InvalidReference, Repository, Tag, parse_tag, tag_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from midstream.configuration import Node, Record
    from midstream.overlay.model import Overlay
    from midstream.source import Source

PATH = "overlays/promotion.yaml"
_FIELD = re.compile(r"\{([a-z][a-z0-9_-]*)(?::([0-9]{1,3}))?\}")
_AGE = re.compile(r"([0-9]+)([dh])")
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+(?:/[a-z0-9]+)?")
_IMAGE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


class Profile(StrEnum):
    """Which rules of `gates` an image is held to."""

    NONE = "none"
    COMMUNITY = "community"
    REDHAT = "redhat"


class Template(Struct, frozen=True):
    """A text with `{version}` or `{commit:12}` in it: the value, or its first characters."""

    text: str
    place: Place

    def render(self, values: Mapping[str, str]) -> str:
        """Raises `NoValue` where a value is not known."""

        def value(found: re.Match[str]) -> str:
            name, length = found.groups()
            if not values.get(name):
                raise NoValue(name, self.place)
            return values[name][: int(length)] if length else values[name]

        return _FIELD.sub(value, self.text)

    def tag(self, values: Mapping[str, str]) -> Tag:
        """As a tag; a `+` becomes a `_`. Raises `NoValue`, and `InvalidReference`."""
        return tag_of(self.render(values))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(found[1] for found in _FIELD.finditer(self.text))


class Origin(Struct, frozen=True):
    """Where the tested image is. `expires`: how long the repository keeps an image."""

    repository: Repository
    tag: Template | None
    expires: timedelta | None


class Labels(Struct, frozen=True):
    """`require`: label -> the value it must have, or None where any will do."""

    require: Mapping[str, Template | None] = field(default_factory=dict)
    refuse: tuple[str, ...] = ()


class ImagePolicy(Struct, frozen=True):
    """One image's way. `target` names the overlay whose locked rebase it must come from."""

    name: str
    target: str | None
    origin: Origin
    destination: Repository
    platforms: tuple[str, ...]
    tags: Mapping[Kind, tuple[Template, ...]]
    labels: Labels
    max_age: timedelta | None
    profile: Profile
    attachments: tuple[str, ...] | None  # artifact types; empty: all, None: don't carry any
    place: Place


class Group(Struct, frozen=True):
    """Images whose floating tags move together, or not at all."""

    name: str
    images: tuple[str, ...]


class Policy(Struct, frozen=True):
    images: Mapping[str, ImagePolicy]
    groups: Mapping[str, Group]
    registries: Mapping[str, Pacing]

    def group_of(self, name: str) -> Group:
        """The group that an image is in; one of its own where it is in none."""
        return next(
            (each for each in self.groups.values() if name in each.images), Group(name, (name,))
        )


class NoValue(UsageError):
    """A template wants a value that nobody has given."""

    def __init__(self, name: str, place: Place) -> None:
        found = Diagnostic(
            rule=NO_VALUE,
            severity=Severity.ERROR,
            message=f"there is no value for `{{{name}}}`",
            source=place.source,
            span=place.span,
            help=f"give it with `--set {name}=…`, or lock an upstream release with it",
        )
        super().__init__(f"there is no value for `{{{name}}}`", diagnostics=[found])


def read(source: Source, overlay_of: Callable[[str], Overlay]) -> Policy:
    """Raises `ConfigurationError` with all mistakes at once.

    `overlay_of` loads a target's overlay, and is asked only where an image leaves something to it.
    """
    root, mistakes = configuration.load(source)
    record = root.record(required=("images",), optional=("defaults", "groups", "registries"))
    defaults = record.get("defaults")
    above = _Common()
    if defaults is not None:
        above = _common(defaults.record(optional=_COMMON_KEYS), above)
    reader = _Reader(above, overlay_of)
    images = {}
    names = []
    for key, node in record.entries("images"):
        names.append(key.text())
        image = reader.image(key, node)
        if image is not None:
            images[key.text()] = image
    groups = _groups(record, names)
    registries = {key.text(): _pacing(node) for key, node in record.entries("registries")}
    mistakes.raise_if_any()
    return Policy(images, groups, registries)


class _Common(Struct, frozen=True):
    """What `defaults:` and an image can both say. `platforms` of None: the overlay's."""

    platforms: tuple[str, ...] | None = None
    labels: Labels = field(default_factory=Labels)
    max_age: timedelta | None = None
    profile: Profile = Profile.COMMUNITY
    attachments: tuple[str, ...] | None = ()


class _Reader(Struct, frozen=True):
    above: _Common
    overlay_of: Callable[[str], Overlay]

    def image(self, key: Node, node: Node) -> ImagePolicy | None:
        if not _IMAGE_NAME.fullmatch(key.text()):
            key.wrong("an image's name is lower case, with digits, `-` and `_`")
        record = node.record(required=("source",), optional=_IMAGE_KEYS)
        common = _common(record, self.above)
        origin = _origin(record.get("source"))
        target = record.get("target")
        overlay = self._overlay(target, record)
        destination = _destination(record, overlay)
        tags = _tags_or_those_of(record, overlay)
        if origin is None or destination is None:
            return None
        ships = tuple(str(each.text) for each in overlay.ship.platforms) if overlay else ()
        return ImagePolicy(
            name=key.text(),
            target=target.text() if target else None,
            origin=origin,
            destination=destination,
            platforms=ships if common.platforms is None else common.platforms,
            tags=tags,
            labels=common.labels,
            max_age=common.max_age,
            profile=common.profile,
            attachments=common.attachments,
            place=key.place,
        )

    def _overlay(self, target: Node | None, record: Record) -> Overlay | None:
        if target is None or {"repository", "tags", "platforms"} <= set(record.values):
            return None
        try:
            return self.overlay_of(target.text())
        except ConfigurationError:
            raise
        except MidstreamError as error:
            target.wrong(f"no overlay to take the rest from: {error.message}", help=error.help)
            return None


def _common(record: Record, above: _Common) -> _Common:
    platforms, attachments = record.get("platforms"), record.get("attachments")
    return _Common(
        _platforms(platforms) if platforms else above.platforms,
        _labels(record.get("labels"), above.labels),
        _age(record.get("max-age")) or above.max_age,
        _profile(record.get("profile"), above.profile),
        _attachments(attachments) if attachments else above.attachments,
    )


def _destination(record: Record, overlay: Overlay | None) -> Repository | None:
    node = record.get("repository")
    if node is not None:
        return _repository(node)
    if overlay is not None and overlay.promote is not None:
        try:
            return Repository.parse(overlay.promote.repository.text)
        except InvalidReference as error:
            record.node.wrong(f"the overlay's `promote:`: {error.message}")
            return None
    record.node.wrong("`repository` is missing, and no overlay names one", rule=MISSING_KEY)
    return None


def _tags_or_those_of(
    record: Record, overlay: Overlay | None
) -> Mapping[Kind, tuple[Template, ...]]:
    node = record.get("tags")
    if node is not None:
        found = _tags(node)
    elif overlay is not None and overlay.promote is not None and overlay.promote.tags:
        found = {
            Kind(kind): tuple(Template(each.text, each.place) for each in values)
            for kind, values in overlay.promote.tags.items()
            if kind in set(Kind)
        }
    else:
        record.node.wrong("`tags` is missing, and no overlay has them", rule=MISSING_KEY)
        return {}
    if not found.get(Kind.UNIQUE):
        (node or record.node).wrong(
            "there is no `unique` tag: some registries drop a digest that has none",
            help='unique: "{version}-{commit:12}"',
            rule=MISSING_KEY,
        )
    return found


def _platforms(node: Node) -> tuple[str, ...]:
    for each in [node] if node.is_scalar else node.items():
        if not _PLATFORM.fullmatch(each.text()):
            each.wrong(f"`{each.text()}` is no platform", help="like linux/amd64")
    return node.texts()


def parse_age(text: str) -> timedelta | None:
    """`14d` or `36h`; None where it is neither."""
    found = _AGE.fullmatch(text)
    if found is None:
        return None
    number = int(found[1])
    return timedelta(days=number) if found[2] == "d" else timedelta(hours=number)


def _origin(node: Node | None) -> Origin | None:
    if node is None:
        return None
    record = node.record(required=("repository",), optional=("tag", "expires"))
    repository = _repository(record.get("repository"))
    tag, expires = record.get("tag"), _age(record.get("expires"))
    if repository is None:
        return None
    return Origin(repository, _template(tag) if tag else None, expires)


def _repository(node: Node | None) -> Repository | None:
    if node is None:
        return None
    try:
        return Repository.parse(node.text())
    except InvalidReference as error:
        node.wrong(error.message, help="like quay.io/vllm/vllm-rocm")
        return None


def _tags(node: Node) -> dict[Kind, tuple[Template, ...]]:
    record = node.record(optional=[str(each) for each in Kind])
    found: dict[Kind, tuple[Template, ...]] = {}
    seen: dict[str, Node] = {}
    for kind in Kind:
        value = record.get(kind)
        if value is None:
            continue
        each_node = [value] if value.is_scalar else value.items()
        for each in each_node:
            if each.text() in seen:
                each.wrong(f"`{each.text()}` stands here twice")
            seen[each.text()] = each
        found[kind] = tuple(_template(each) for each in each_node)
    return found


def _template(node: Node) -> Template:
    """A tag's template: with any value put in, it has to be one."""
    text = node.text()
    bare = _FIELD.sub("0", text)
    if "{" in bare or "}" in bare:
        node.wrong(
            f"`{text}` is no template", help="a value is `{name}`, or `{name:12}` for its beginning"
        )
    else:
        try:
            parse_tag(bare.replace("+", "_"))
        except InvalidReference as error:
            node.wrong(error.message)
    return Template(text, node.place)


def _labels(node: Node | None, above: Labels) -> Labels:
    """An image's labels with those of `defaults:`, which it can change but not take away."""
    if node is None:
        return above
    record = node.record(optional=("require", "refuse"))
    wanted = record.get("require")
    require: dict[str, Template | None] = {}
    if wanted is not None and wanted.is_mapping:
        for key, value in wanted.entries():
            require[key.text()] = None if value.is_null else Template(value.text(), value.place)
    elif wanted is not None:
        require = dict.fromkeys(wanted.texts())
    refuse = dict.fromkeys((*above.refuse, *record.texts("refuse")))
    return Labels({**above.require, **require}, tuple(refuse))


def _age(node: Node | None) -> timedelta | None:
    if node is None:
        return None
    found = parse_age(node.text())
    if found is None:
        node.wrong(f"`{node.text()}` is no age", help="like 14d or 36h")
    return found


def _profile(node: Node | None, above: Profile) -> Profile:
    if node is None:
        return above
    if node.text() not in set(Profile):
        node.wrong(f"there is no profile `{node.text()}`", help=f"known: {', '.join(Profile)}")
        return above
    return Profile(node.text())


def _attachments(node: Node) -> tuple[str, ...] | None:
    if node.is_scalar and node.text() == "all":
        return ()
    if node.is_scalar and node.text() == "none":
        return None
    if node.is_scalar:
        node.wrong("expected `all`, `none`, or a list of artifact types")
    return node.texts()


def _groups(record: Record, images: Iterable[str]) -> dict[str, Group]:
    """An image in two groups would wait behind two barriers, or behind neither."""
    known = set(images)
    groups: dict[str, Group] = {}
    member_of: dict[str, str] = {}
    for key, node in record.entries("groups"):
        for each in [node] if node.is_scalar else node.items():
            name = each.text()
            if name not in known:
                advice = f"known: {', '.join(sorted(known))}"
                each.wrong(f"there is no image `{name}`", help=advice)
            if name in member_of:
                each.wrong(f"`{name}` is in the group `{member_of[name]}`, too")
            member_of[name] = key.text()
        groups[key.text()] = Group(key.text(), node.texts())
    return groups


def _pacing(node: Node) -> Pacing:
    record = node.record(optional=("in-flight", "per-second"))
    pacing = Pacing(record.number("in-flight", 8), float(record.number("per-second", 0)))
    if pacing.in_flight < 1 or pacing.per_second < 0:
        node.wrong("`in-flight` is at least 1, and `per-second` not below 0")
        return Pacing()
    return pacing


_COMMON_KEYS = ("platforms", "labels", "max-age", "profile", "attachments")
_IMAGE_KEYS = ("target", "repository", "tags", *_COMMON_KEYS)

NO_VALUE = Rule(
    "MS401",
    "no-value",
    """\
A tag's template in `overlays/promotion.yaml` names a value that is not known.

The values are `version`, `minor` (0.33), `major` and `commit` of the locked upstream release,
`digest` (of the source, without `sha256:`), and whatever `--set NAME=VALUE` gives.

    unique: "{version}-{commit:12}"

**Way out.** `midstream promote plan --set commit=4f1c0e…`, or lock the release with
`midstream track`.
""",
)
RULES = (NO_VALUE,)
