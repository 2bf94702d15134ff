"""What a target ships: its stage, its build arguments, and how they compare with upstream's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from midstream.diagnostic import Diagnostic, Place, Rule, Severity
from midstream.dockerfile.arguments import pairs
from midstream.dockerfile.variables import PROXIES, expand
from midstream.overlay.template import render
from midstream.ubi.tables import glob
from midstream.upstream.release_arguments import (
    PIPELINE,
    passed_to,
    span_of_line,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from midstream.dockerfile.model import Dockerfile, Stage
    from midstream.overlay.model import Overlay, Ship
    from midstream.upstream.origin import Origin
    from midstream.upstream.release_arguments import ReleaseArgument, ReleaseBuild

LOST_ARGUMENT = Rule(
    "MS240",
    "argument-without-arg",
    """\
**What it says.** `ship: args:` gives a build argument that no ARG of the shipped stages declares.

**Why it matters.** BuildKit ignores it with a warning, and the image is built with something else.
Upstream has renamed the argument, or taken it out.

**The way out.** Look for what it is called now, or take the entry out.
""",
)
RELEASE_ARGUMENT = Rule(
    "MS241",
    "release-argument",
    """\
**What it says.** Upstream's release build passes a build argument of which the overlay says
nothing.

**Why it matters.** What upstream tests and ships is built with it. Without it ours is another
image: a feature is off, another version is in.

**The way out.** Give it under `ship: args:` with the value and the reason, or set it aside:
`ship: {set_aside: {NAME: why}}`. A glob such as `SCCACHE_*` stands for several.

**Source.** `.buildkite/release-pipeline.yaml` in upstream's source release.
""",
)
OTHER_VALUE = Rule(
    "MS242",
    "other-value",
    """\
**What it says.** Upstream's release build passes another value than the default in its Dockerfile,
and the overlay doesn't give the argument.

**The way out.** As for MS241: give it, or set it aside.
""",
)
NO_BUILDS = Rule(
    "MS245",
    "no-release-builds",
    """\
**What it says.** Upstream's release pipeline is there, and no `docker build` can be read in it.

**Why it matters.** The arguments that upstream releases with are compared with ours. Without them a
new one would be missed.

**The way out.** Look how upstream builds its releases now; until midstream reads that, compare by
hand.
""",
)
NOTHING_SET_ASIDE = Rule(
    "MS243",
    "nothing-to-set-aside",
    """\
**What it says.** An entry under `ship: set_aside:` stands for an argument that upstream's release
build doesn't pass any more.

**The way out.** Take the entry out, or where other releases of the range have the argument, say for
which the entry is: `{why: …, releases: "<0.20"}`.
""",
)
RULES = (LOST_ARGUMENT, RELEASE_ARGUMENT, OTHER_VALUE, NO_BUILDS, NOTHING_SET_ASIDE)


class Argument(Struct, frozen=True):
    """A build argument that ours is built with, and why."""

    name: str
    value: str
    why: str


class Shipping(Struct, frozen=True):
    """The arguments that the overlay gives, and those that upstream's release build passes."""

    arguments: tuple[Argument, ...]
    upstream: Mapping[str, tuple[ReleaseArgument, ...]]
    found: tuple[Diagnostic, ...] = ()
    platform: str = ""

    @property
    def seen(self) -> dict[str, str]:
        """All that the build sees: the overlay's arguments, and what the builder says of the
        platform itself (of the first, where there are several)."""
        system, _, rest = self.platform.partition("/")
        architecture, _, variant = rest.partition("/")
        told = {
            "TARGETPLATFORM": self.platform,
            "TARGETOS": system,
            "TARGETARCH": architecture,
            "TARGETVARIANT": variant,
        }
        return {**(told if self.platform else {}), **self.values}

    @property
    def values(self) -> dict[str, str]:
        return {each.name: each.value for each in self.arguments}


def given_arguments(ship: Ship, names: Mapping[str, Any]) -> tuple[Argument, ...]:
    """The overlay's arguments with their templates filled in. Raises `BadTemplate`."""
    return tuple(
        Argument(name, render(each.value, names).strip("\n"), each.why)
        for name, each in ship.args.items()
    )


def upstreams_arguments(
    origin: Origin, dockerfile: Dockerfile, stage: Stage
) -> Mapping[str, tuple[ReleaseArgument, ...]]:
    """What upstream's release builds of a stage pass; nothing where no pipeline is at hand."""
    if origin.snapshot is None:
        return {}
    return passed_to(origin.snapshot.release_builds, dockerfile, stage.label)


def compare(
    overlay: Overlay,
    origin: Origin,
    dockerfile: Dockerfile,
    given: Mapping[str, str],
    upstream: Mapping[str, tuple[ReleaseArgument, ...]],
) -> Iterator[Diagnostic]:
    """Every argument of upstream's release build that the overlay doesn't answer."""
    aside = overlay.ship.set_aside_at(origin.counts_as)
    used: set[str] = set()
    defaults = _defaults(dockerfile)
    pipeline = origin.find(PIPELINE)
    if pipeline is not None and not _builds(origin):
        yield Diagnostic(
            rule=NO_BUILDS,
            severity=Severity.WARNING,
            message="no `docker build` can be read in upstream's release pipeline",
            source=pipeline,
            span=span_of_line(pipeline, 1),
            help="look how upstream builds its releases now, and compare the arguments by hand",
            context=origin.label,
        )
    for name, values in upstream.items():
        matching = [each for each in aside if glob(each).fullmatch(name)]
        used.update(matching)
        if name in given or matching or name in PROXIES or pipeline is None:
            continue
        told = values[0]
        if len(values) == 1 and told.certain and defaults.get(name) == told.value:
            continue  # the default says the same
        default = defaults.get(name)
        said = " or ".join(f"`{each.value}`" for each in values)
        yield Diagnostic(
            rule=RELEASE_ARGUMENT if default is None else OTHER_VALUE,
            severity=Severity.ERROR,
            message=f"upstream's release build passes {name}={said}"
            + (f", and the default is `{default}`" if default else ""),
            source=pipeline,
            span=span_of_line(pipeline, told.line),
            help=f"in {overlay.source.name}, give it: args: {{{name}: {{value: …, why: …}}}}, "
            f"or set it aside: set_aside: {{{name}: why}}",
            context=origin.label,
            also=_default_of(dockerfile, name),
        )
    for name, entry in aside.items():
        if upstream and name not in used:
            yield Diagnostic(
                rule=NOTHING_SET_ASIDE,
                severity=Severity.WARNING,
                message=f"upstream's release build passes nothing like `{name}`",
                source=entry.place.source,
                span=entry.place.span,
                help="take the entry out, or limit it: {why: …, releases: …}",
            )


def _builds(origin: Origin) -> tuple[ReleaseBuild, ...]:
    return origin.snapshot.release_builds if origin.snapshot is not None else ()


def _defaults(dockerfile: Dockerfile) -> dict[str, str]:
    """The default of each ARG: the global one where there is one."""
    found: dict[str, str] = {}
    for instruction in dockerfile.instructions:
        if instruction.keyword == "ARG":
            for pair in pairs(dockerfile, instruction):
                if pair.value is not None:
                    value = expand(pair.value, found, dockerfile.escape).text
                    found.setdefault(pair.name, value)
    return found


def _default_of(dockerfile: Dockerfile, name: str) -> Place | None:
    """Where the Dockerfile gives an ARG its first default."""
    for instruction in dockerfile.instructions:
        for pair in pairs(dockerfile, instruction) if instruction.keyword == "ARG" else ():
            if pair.name == name and pair.value_span is not None:
                return Place(dockerfile.source, pair.value_span, "the default")
    return None


def lost_arguments(overlay: Overlay, names: tuple[str, ...]) -> Iterator[Diagnostic]:
    """A finding for each given argument that nothing declares."""
    for name in names:
        place: Place = overlay.ship.args[name].place
        yield Diagnostic(
            rule=LOST_ARGUMENT,
            severity=Severity.ERROR,
            message=f"no ARG of the shipped stages declares `{name}`",
            source=place.source,
            span=place.span,
            help="look for what upstream calls it now, or take the entry out",
        )
