"""What a person wrote about one target, as values that know where they stand."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct, field

from midstream.overlay.releases import holds
from midstream.ubi.subject import PythonLayout

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping
    from datetime import date

    from midstream.diagnostic import Place
    from midstream.source import Source
    from midstream.ubi.tables import ImageRule


class Value(Struct, frozen=True):
    """A text, and where it was written."""

    text: str
    place: Place

    def __str__(self) -> str:
        return self.text


class Fragment(Struct, frozen=True):
    """Text to put in. It stands in a file of its own, or in the overlay itself (`inline`).

    `place` is where the overlay asks for it. A template's mistake is shown in `source`, or at
    `place` where the text is inline.
    """

    source: Source
    place: Place
    inline: bool

    @property
    def is_template(self) -> bool:
        """Whether anything is to be filled in; text without marks is taken as it is."""
        return any(mark in self.source.text for mark in ("{{", "{%", "{#"))


class Address(Struct, frozen=True):
    """`stage / KIND / phrase`, as written in `text`.

    `kinds` is empty for `*` and where only a stage is named: `whole_stage` tells the two apart.
    `phrase` are the words to find; `pattern` the regular expression where the phrase starts with
    `~`. At most one of the two is there.
    """

    text: str
    stage: str
    kinds: tuple[str, ...]
    phrase: tuple[str, ...]
    pattern: re.Pattern[str] | None
    whole_stage: bool
    place: Place


class Replace(Struct, frozen=True):
    """`whole` takes the whole instruction, though a phrase addresses one command in it."""

    text: Fragment
    whole: bool = False


class Drop(Struct, frozen=True):
    """`whole` as for `Replace`."""

    whole: bool = False


class Set(Struct, frozen=True):
    """Keys or `--flags` and their new values; None takes one out. The key "" is what `at` names."""

    values: Mapping[str, str | None]


class Args(Struct, frozen=True):
    """Options of one command and their new values; None takes one out, "" has no value."""

    values: Mapping[str, str | None]


class Swap(Struct, frozen=True):
    old: str
    new: str


class Before(Struct, frozen=True):
    fragments: tuple[Fragment, ...]


class After(Struct, frozen=True):
    fragments: tuple[Fragment, ...]


class End(Struct, frozen=True):
    fragments: tuple[Fragment, ...]


Verb = Replace | Drop | Set | Args | Swap | Before | After | End


class OverlayEdit(Struct, frozen=True):
    """One wanted change of upstream's text. `place` is that of the whole edit.

    `until` is the last day, by the upstream commit's date, on which the edit is made. `releases`
    limits it to some upstream releases (PEP 440).
    """

    id: str
    at: Address
    verb: Verb
    why: str
    expect: int
    place: Place
    until: date | None = None
    releases: str | None = None


class Upstream(Struct, frozen=True):
    """`file: vllm/rocm` is the target `rocm` of `upstream/vllm.yaml`."""

    project: str
    target: str
    releases: str | None
    place: Place


class ShipArgument(Struct, frozen=True):
    """A build argument that the image is built with. `value` is a template."""

    name: str
    value: Fragment
    why: str
    place: Place


class SetAside(Struct, frozen=True):
    """A build argument of upstream's release that ours is built without, and why. `releases` limits
    it to some upstream releases (PEP 440)."""

    name: str
    why: str
    place: Place
    releases: str | None = None


class Ship(Struct, frozen=True):
    """What is built: a stage, the arguments, and the platforms (`linux/amd64`). `set_aside` are
    arguments of upstream's release build, by name or glob, that ours goes without."""

    stage: Value
    args: Mapping[str, ShipArgument] = field(default_factory=dict)
    platforms: tuple[Value, ...] = ()
    set_aside: Mapping[str, SetAside] = field(default_factory=dict)

    def set_aside_at(self, release: str | None) -> Mapping[str, SetAside]:
        """What is set aside at a release; where that isn't known, all. Raises `UsageError`."""
        entries = self.set_aside.items()
        return {name: each for name, each in entries if holds(each.releases, release)}


class ContextFile(Struct, frozen=True):
    """A file of the build context that ours takes the place of: `text`, or upstream's own with the
    `swaps` made in it, old text for new."""

    path: str
    text: Fragment | None
    why: str
    place: Place
    swaps: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """What the ledger and the lock call the replacement."""
        return f"files:{self.path}"


class FactKind(StrEnum):
    """How a value is read from an upstream file."""

    ARG = "arg"  # the default of an ARG of a Dockerfile
    PIN = "pin"  # the version that a requirements file pins
    JSON = "json"  # a JSON pointer (RFC 6901)
    REGEX = "regex"  # the one group of a regular expression, which matches once


class FactRule(Struct, frozen=True):
    """A value that is read from upstream. `file` is None for the target's own Dockerfile."""

    name: str
    file: str | None
    kind: FactKind
    what: str
    place: Place


class Review(Struct, frozen=True):
    """What asks a person before something new there is carried."""

    at: Address
    why: str


class Promote(Struct, frozen=True):
    """Where the image goes. `tags` maps names of the person's choice to one or more tags."""

    repository: Value
    tags: Mapping[str, tuple[Value, ...]]
    place: Place


class Effect(StrEnum):
    """What an edit does to an upstream instruction."""

    EDITED = "edited"
    REPLACED = "replaced"
    DROPPED = "dropped"


class Waiver(Struct, frozen=True):
    """A finding that is accepted: `rule` is its code or name, `at` where, `until` how long."""

    rule: str
    why: str
    until: date | None
    at: Address | None
    place: Place


class Overlay(Struct, frozen=True):
    """One target's overlay for one range of releases, with everything it inherits.

    `sources` are all YAML files that it was read from, its own first. `template` makes the whole
    Dockerfile ours; `edits` is then empty.
    """

    target: str
    folder: str
    upstream: Upstream
    platform: Value
    ship: Ship
    sources: tuple[Source, ...]
    python: PythonLayout = field(default_factory=PythonLayout)
    repositories: tuple[Value, ...] = ()
    edits: tuple[OverlayEdit, ...] = ()
    files: Mapping[str, ContextFile] = field(default_factory=dict)
    images: tuple[ImageRule, ...] = ()
    facts: Mapping[str, FactRule] = field(default_factory=dict)
    review: tuple[Review, ...] = ()
    promote: Promote | None = None
    waivers: tuple[Waiver, ...] = ()
    labels: Mapping[str, Fragment] = field(default_factory=dict)
    template: Fragment | None = None

    @property
    def source(self) -> Source:
        return self.sources[0]
