"""What a conversion, an assumption or a check is given to look at."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct, field

from midstream.dockerfile.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from midstream.dockerfile.graph import Graph
    from midstream.dockerfile.model import Dockerfile, Instruction, Stage
    from midstream.dockerfile.shell import Script
    from midstream.source import Source, Span
    from midstream.ubi.tables import ImageTable, PackageTable, Platform


class PythonLayout(Struct, frozen=True):
    """Where Python packages go: `system`, or a `venv` at `path`. `version` is e.g. 3.12."""

    layout: str = "system"
    path: str = ""
    version: str = ""


class Sibling(Struct, frozen=True):
    """Another target that this one is FROM: the image's name, its platform base, and its ENV."""

    target: str
    image: str
    manager: str
    environment: Mapping[str, str]
    tools: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    repositories: frozenset[str] = frozenset()


class Footing(Struct, frozen=True):
    """`manager` is dnf or microdnf, or None where the stage keeps an image that isn't UBI, or
    stands on nothing. `tools` are the programs that are there before the first instruction."""

    image: str | None
    manager: str | None
    tools: frozenset[str]
    kept: bool = False
    sibling: bool = False


class Subject(Struct, frozen=True, dict=True):
    """A Dockerfile with all that is known about it.

    `live` are the stages to look at; text in others is nobody's business. `claimed` are spans that
    an overlay edit owns: conversions leave them alone. `context` holds the files of the build
    context that are at hand, by path. `siblings` maps an image reference to the target it is.
    `scripts` remembers what was read, for every subject that it is handed on to.
    """

    dockerfile: Dockerfile
    graph: Graph
    platform: Platform
    packages: PackageTable
    images: ImageTable
    live: frozenset[int]
    claimed: tuple[Span, ...] = ()
    python: PythonLayout = PythonLayout()
    repositories: tuple[str, ...] = ()
    siblings: Mapping[str, Sibling] = field(default_factory=dict)
    context: Mapping[str, Source] = field(default_factory=dict)
    scripts: Scripts = field(default_factory=Scripts)
    footings: dict[int, Footing] = field(default_factory=dict)  # as far as `survey` was asked

    @cached_property
    def live_stages(self) -> tuple[Stage, ...]:
        return tuple(s for s in self.dockerfile.stages if s.index in self.live)

    def live_instructions(self) -> Iterator[tuple[Stage | None, Instruction]]:
        """Global instructions, then those of each live stage, with their stage."""
        for instruction in self.dockerfile.preamble:
            yield None, instruction
        for stage in self.live_stages:
            for instruction in stage.instructions:
                yield stage, instruction

    def lineage(self, stage: Stage) -> Iterator[Instruction]:
        """The instructions of a stage, then those of the stages that it is FROM, nearest first."""
        for index in self.graph.lineage(stage.index):
            yield from self.dockerfile.stages[index].instructions

    def script(self, instruction: Instruction) -> Script:
        """What an instruction runs; read once for a Dockerfile."""
        known = self.dockerfile.scripts_read
        found = known.get(instruction.span.start)
        if found is None:
            found = known[instruction.span.start] = self.scripts.of(self.dockerfile, instruction)
        return found

    def is_claimed(self, span: Span) -> bool:
        """Whether an overlay edit owns any of this text."""
        if not self.claimed:  # a result's
            return False
        return any(span.overlaps(other) or other in span for other in self.claimed)
