"""What a person wrote about one target, as values that know where they stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from midstream.ubi.subject import PythonLayout

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping
    from datetime import date

    from midstream.diagnostic import Place
    from midstream.source import Source


@dataclass(frozen=True, slots=True)
class Value:
    """A text, and where it was written."""

    text: str
    place: Place = field(repr=False)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Fragment:
    """Text to put in. It stands in a file of its own, or in the overlay itself (`inline`).

    `place` is where the overlay asks for it. A template's mistake is shown in `source`, or at
    `place` where the text is inline.
    """

    source: Source = field(repr=False)
    place: Place = field(repr=False)
    inline: bool

    @property
    def is_template(self) -> bool:
        """Whether anything is to be filled in; text without marks is taken as it is."""
        return any(mark in self.source.text for mark in ("{{", "{%", "{#"))


@dataclass(frozen=True, slots=True)
class Address:
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
    place: Place = field(repr=False)


@dataclass(frozen=True, slots=True)
class Replace:
    """`whole` takes the whole instruction, though a phrase addresses one command in it."""

    text: Fragment
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """`whole` as for `Replace`."""

    whole: bool = False


@dataclass(frozen=True, slots=True)
class Set:
    """Keys or `--flags` and their new values; None takes one out. The key "" is what `at` names."""

    values: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Args:
    """Options of one command and their new values; None takes one out, "" has no value."""

    values: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Swap:
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Before:
    fragments: tuple[Fragment, ...]


@dataclass(frozen=True, slots=True)
class After:
    fragments: tuple[Fragment, ...]


@dataclass(frozen=True, slots=True)
class End:
    fragments: tuple[Fragment, ...]


Verb = Replace | Drop | Set | Args | Swap | Before | After | End


@dataclass(frozen=True, slots=True)
class OverlayEdit:
    """One wanted change of upstream's text. `place` is that of the whole edit.

    `until` is the last day, by the upstream commit's date, on which the edit is made. `releases`
    limits it to some upstream releases (PEP 440).
    """

    id: str
    at: Address
    verb: Verb
    why: str
    expect: int
    place: Place = field(repr=False)
    until: date | None = None
    releases: str | None = None


@dataclass(frozen=True, slots=True)
class Upstream:
    """`file: vllm/rocm` is the target `rocm` of `upstream/vllm.yaml`."""

    project: str
    target: str
    releases: str | None
    place: Place = field(repr=False)


@dataclass(frozen=True, slots=True)
class ShipArgument:
    """A build argument that the image is built with. `value` is a template."""

    name: str
    value: Fragment
    why: str
    place: Place = field(repr=False)


@dataclass(frozen=True, slots=True)
class SetAside:
    """A build argument of upstream's release that ours is built without, and why."""

    name: str
    why: str
    place: Place = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ship:
    """What is built: a stage, the arguments, and the platforms (`linux/amd64`). `set_aside` are
    arguments of upstream's release build, by name or glob, that ours goes without."""

    stage: Value
    args: Mapping[str, ShipArgument] = field(default_factory=dict)
    platforms: tuple[Value, ...] = ()
    set_aside: Mapping[str, SetAside] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContextFile:
    """A file of the build context that ours takes the place of."""

    path: str
    text: Fragment
    why: str
    place: Place = field(repr=False)


class FactKind(StrEnum):
    """How a value is read from an upstream file."""

    ARG = "arg"  # the default of an ARG of a Dockerfile
    PIN = "pin"  # the version that a requirements file pins
    JSON = "json"  # a JSON pointer (RFC 6901)
    REGEX = "regex"  # the one group of a regular expression, which matches once


@dataclass(frozen=True, slots=True)
class FactRule:
    """A value that is read from upstream. `file` is None for the target's own Dockerfile."""

    name: str
    file: str | None
    kind: FactKind
    what: str
    place: Place = field(repr=False)


@dataclass(frozen=True, slots=True)
class Review:
    """What asks a person before something new there is carried."""

    at: Address
    why: str


@dataclass(frozen=True, slots=True)
class Promote:
    """Where the image goes. `tags` maps names of the person's choice to one or more tags."""

    repository: Value
    tags: Mapping[str, tuple[Value, ...]]
    place: Place = field(repr=False)


class Effect(StrEnum):
    """What an edit does to an upstream instruction."""

    EDITED = "edited"
    REPLACED = "replaced"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Waiver:
    """A finding that is accepted: `rule` is its code or name, `at` where, `until` how long."""

    rule: str
    why: str
    until: date | None
    at: Address | None
    place: Place = field(repr=False)


@dataclass(frozen=True, slots=True)
class Overlay:
    """One target's overlay for one range of releases, with everything it inherits.

    `sources` are all YAML files that it was read from, its own first. `template` makes the whole
    Dockerfile ours; `edits` is then empty.
    """

    target: str
    folder: str
    upstream: Upstream
    platform: Value
    ship: Ship
    sources: tuple[Source, ...] = field(repr=False)
    python: PythonLayout = field(default_factory=PythonLayout)
    repositories: tuple[Value, ...] = ()
    edits: tuple[OverlayEdit, ...] = ()
    files: Mapping[str, ContextFile] = field(default_factory=dict)
    facts: Mapping[str, FactRule] = field(default_factory=dict)
    review: tuple[Review, ...] = ()
    promote: Promote | None = None
    waivers: tuple[Waiver, ...] = ()
    labels: Mapping[str, Fragment] = field(default_factory=dict)
    template: Fragment | None = None

    @property
    def source(self) -> Source:
        return self.sources[0]
