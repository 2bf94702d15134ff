"""Which stage needs which: FROM, COPY --from, mounts; and what one shipped stage pulls in."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.diagnostic import Diagnostic, Place, Rule, Severity
from midstream.dockerfile.arguments import mounts
from midstream.dockerfile.variables import Scope, expand

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from midstream.dockerfile.model import Dockerfile, Instruction, Stage
    from midstream.source import Span

CIRCLE = Rule(
    "MS120",
    "circular-stages",
    """\
**What it says.** Stages need each other in a circle: each waits for the next.

**Why it matters.** BuildKit refuses the file: "circular dependency detected on stage".

**The way out.** Take one of the COPY --from or mounts of the circle out.
""",
)
NO_SUCH_STAGE = Rule(
    "MS121",
    "no-such-stage",
    """\
**What it says.** A COPY --from names a stage by a number that no stage has, or a mount names one
by a number at all: BuildKit finds the stage of a mount by its name alone.

**The way out.** Name the stage instead; a number changes whenever a stage is added above.
""",
)
NO_VALUE = Rule(
    "MS122",
    "from-without-value",
    """\
**What it says.** A FROM names nothing, since what it holds has no value.

**Why it matters.** Which stage or image is meant can't be told, so neither can what the shipped
stage needs.

**The way out.** Give it a default with ARG before the first FROM, or a value under `ship: args:`.
""",
)
VARIABLE = Rule(
    "MS123",
    "variable-in-copy-from",
    """\
**What it says.** A COPY --from or a mount names its stage with a variable.

**Why it matters.** BuildKit fills in variables in FROM alone, and refuses them here.

**The way out.** Give the stage a name of its own: `FROM name-${X} AS source`, and copy from that.
""",
)
RULES = (CIRCLE, NO_SUCH_STAGE, NO_VALUE, VARIABLE)


class Need(StrEnum):
    BASE = "from"
    COPY = "copy"
    MOUNT = "mount"


class Arrow(Struct, frozen=True):
    """`stage` needs `target` (a stage's index) or `image` (an external one), for `need`.

    `reference` is as written, `image` with the variables filled in; `span` is the reference's.
    Neither is there where the reference names a context that the builder is given.
    `unresolved` names variables without a value in the reference.
    """

    stage: int
    need: Need
    instruction: Instruction
    reference: str
    span: Span
    target: int | None
    image: str | None
    unresolved: tuple[str, ...] = ()


class Graph(Struct, frozen=True, dict=True):
    """All arrows of a Dockerfile, for one set of build arguments."""

    dockerfile: Dockerfile
    scope: Scope
    arrows: tuple[Arrow, ...]

    @cached_property
    def _by_stage(self) -> Mapping[int, tuple[Arrow, ...]]:
        found: dict[int, list[Arrow]] = {stage.index: [] for stage in self.dockerfile.stages}
        for arrow in self.arrows:
            found[arrow.stage].append(arrow)
        return {stage: tuple(arrows) for stage, arrows in found.items()}

    def needs(self, stage: int) -> tuple[Arrow, ...]:
        """Everything a stage needs itself, its base first."""
        return self._by_stage[stage]

    def base(self, stage: int) -> Arrow:
        """What a stage is FROM."""
        return self._by_stage[stage][0]

    def lineage(self, stage: int) -> tuple[int, ...]:
        """A stage and what it is FROM, nearest first, as far as there are stages."""
        line = [stage]
        while (parent := self.base(line[-1]).target) is not None:
            line.append(parent)
        return tuple(line)

    def root(self, stage: int) -> Arrow:
        """The arrow at the end of the lineage: to an external image or `scratch`."""
        return self.base(self.lineage(stage)[-1])

    def closure(self, stage: int) -> frozenset[int]:
        """The stages that building `stage` needs, itself included."""
        found = {stage}
        waiting = [stage]
        while waiting:
            for arrow in self._by_stage[waiting.pop()]:
                if arrow.target is not None and arrow.target not in found:
                    found.add(arrow.target)
                    waiting.append(arrow.target)
        return frozenset(found)

    def find(self, name: str) -> Stage | None:
        """A stage by its name (any case, as BuildKit compares) or number; the last of that name."""
        wanted = name.lower()
        for stage in reversed(self.dockerfile.stages):
            if stage.name is not None and self.name(stage).lower() == wanted:
                return stage
        if name.isdecimal() and int(name) < len(self.dockerfile.stages):
            return self.dockerfile.stages[int(name)]
        return None

    def name(self, stage: Stage) -> str:
        """A stage's label with the variables in its name filled in."""
        if stage.name is None:
            return str(stage.index)
        return self.scope.expand_global(stage.name).text

    def check(self) -> tuple[Diagnostic, ...]:
        """What BuildKit would refuse: circles, and references to nothing."""
        return (*self._circles(), *self._dangling())

    def _dangling(self) -> Iterator[Diagnostic]:
        for arrow in self.arrows:
            if arrow.need is not Need.BASE:
                yield from self._dangling_import(arrow)
            elif not arrow.image and arrow.target is None:
                what = f"`{arrow.unresolved[0]}` has no value" if arrow.unresolved else "no image"
                name = arrow.unresolved[0] if arrow.unresolved else "NAME"
                yield self._finding(
                    arrow, NO_VALUE, f"{what} in `{arrow.reference}`",
                    f"give it a default: ARG {name}=… before the first FROM",
                )  # fmt: skip

    def _dangling_import(self, arrow: Arrow) -> Iterator[Diagnostic]:
        if "$" in arrow.reference:
            yield self._finding(
                arrow, VARIABLE, f"BuildKit fills in no variable in `{arrow.reference}`",
                f"write FROM {arrow.reference} AS <name> above, and use that name",
            )  # fmt: skip
        elif arrow.target is None and arrow.image is not None and arrow.image.isdecimal():
            lack = f"there is no stage number {arrow.image}"
            if arrow.need is Need.MOUNT:
                lack = f"a mount can't name a stage by its number, as `{arrow.image}` does"
            advice = "give the stage a name with AS, and use that"
            yield self._finding(arrow, NO_SUCH_STAGE, lack, advice)

    def _circles(self) -> Iterator[Diagnostic]:
        done: set[int] = set()
        for stage in self.dockerfile.stages:
            circle = self._circle(stage.index, done)
            if circle:
                names = " -> ".join(self.dockerfile.stages[a.stage].label for a in circle)
                first = circle[0]
                yield self._finding(
                    first, CIRCLE,
                    f"these stages need each other: {names} -> {stage.label}",
                    "take one of these references out",
                    Place(self.dockerfile.source, circle[-1].span, "and back here"),
                )  # fmt: skip
                return

    def _circle(self, start: int, done: set[int]) -> list[Arrow]:
        """A path of arrows from `start` back to it, found without recursion."""
        came_by: dict[int, Arrow] = {}
        waiting = [start]
        while waiting:
            for arrow in self._by_stage[waiting.pop()]:
                if arrow.target == start:
                    return _path(came_by, arrow, start)
                if arrow.target is None or arrow.target in came_by or arrow.target in done:
                    continue
                came_by[arrow.target] = arrow
                waiting.append(arrow.target)
        done.add(start)
        return []

    def _finding(
        self, arrow: Arrow, rule: Rule, message: str, help: str, also: Place | None = None
    ) -> Diagnostic:
        return Diagnostic(
            rule=rule,
            severity=Severity.ERROR,
            message=message,
            source=self.dockerfile.source,
            span=arrow.span,
            help=help,
            context=f"stage {self.dockerfile.stages[arrow.stage].label}",
            also=also,
        )


def _path(came_by: Mapping[int, Arrow], last: Arrow, start: int) -> list[Arrow]:
    path = [last]
    while path[0].stage != start:
        path.insert(0, came_by[path[0].stage])
    return path


def build_graph(
    dockerfile: Dockerfile,
    arguments: Mapping[str, str] | None = None,
    inherited: Mapping[str, Mapping[str, str]] | None = None,
    contexts: frozenset[str] = frozenset(),
) -> Graph:
    """Resolve every reference, for these build arguments. `Graph.check` says what is wrong.

    A FROM sees the stages above it; COPY --from and mounts see all, as BuildKit resolves them.
    `contexts` are names that the builder is given folders for (`--build-context`).
    """
    scope = Scope(dockerfile, arguments, inherited)
    arrows: list[Arrow] = []
    names: dict[str, int] = {}
    for stage in dockerfile.stages:
        arrows.append(_base(scope, stage, names))
        if stage.name is not None:
            names[scope.expand_global(stage.name).text.lower()] = stage.index
    for stage in dockerfile.stages:
        arrows += _imports(dockerfile, scope, stage, names, contexts)
    return Graph(dockerfile, scope, tuple(arrows))


def _base(scope: Scope, stage: Stage, names: Mapping[str, int]) -> Arrow:
    expanded = scope.expand_global(stage.image)
    target = names.get(expanded.text.lower())
    return Arrow(
        stage=stage.index,
        need=Need.BASE,
        instruction=stage.origin,
        reference=stage.image,
        span=stage.image_span,
        target=target,
        image=None if target is not None else expanded.text,
        unresolved=expanded.missing,
    )


def _imports(
    dockerfile: Dockerfile,
    scope: Scope,
    stage: Stage,
    names: Mapping[str, int],
    contexts: frozenset[str],
) -> Iterator[Arrow]:
    for outer in stage.instructions:
        # What an ONBUILD carries is resolved in the stage that is FROM this one; BuildKit looks
        # for the same stages there.
        instruction = outer.trigger or outer
        for need, reference, span in _references(dockerfile, instruction):
            expanded = expand(reference, scope.at(outer), dockerfile.escape)
            name = expanded.text.lower()
            target = names.get(name)
            counted = need is Need.COPY and name.isdecimal()
            if target is None and counted and int(name) < len(dockerfile.stages):
                target = int(name)
            external = target is None and name not in contexts
            yield Arrow(
                stage=stage.index,
                need=need,
                instruction=outer,
                reference=reference,
                span=span,
                target=target,
                image=expanded.text if external else None,
                unresolved=expanded.missing,
            )


def _references(
    dockerfile: Dockerfile, instruction: Instruction
) -> Iterator[tuple[Need, str, Span]]:
    if instruction.keyword in ("COPY", "ADD"):
        flag = instruction.flag("from")
        if flag is not None and flag.value:
            yield Need.COPY, flag.value, flag.span
    elif instruction.keyword == "RUN":
        for mount in mounts(dockerfile, instruction):
            option = mount.option("from")
            if option is not None and option.value:
                yield Need.MOUNT, option.value, option.span
