"""Which stage needs which: FROM, COPY --from, mounts; and what one shipped stage pulls in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midstream.dockerfile.model import Dockerfile, Instruction, Stage
    from midstream.dockerfile.variables import Scope
    from midstream.source import Span


class Need(StrEnum):
    BASE = "from"
    COPY = "copy"
    MOUNT = "mount"


@dataclass(frozen=True, slots=True)
class Arrow:
    """`stage` needs `target` (a stage's index) or `image` (an external one), for `need`.

    `reference` is as written, `image` with the variables filled in; `span` is the reference's.
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


@dataclass(frozen=True)
class Graph:
    """All arrows of a Dockerfile, for one set of build arguments."""

    dockerfile: Dockerfile
    scope: Scope
    arrows: tuple[Arrow, ...]

    def base(self, stage: int) -> Arrow:
        """What a stage is FROM."""
        raise NotImplementedError

    def lineage(self, stage: int) -> tuple[int, ...]:
        """A stage and what it is FROM, nearest first, as far as there are stages."""
        raise NotImplementedError

    def root(self, stage: int) -> Arrow:
        """The arrow at the end of the lineage: to an external image or `scratch`."""
        raise NotImplementedError

    def closure(self, stage: int) -> frozenset[int]:
        """The stages that building `stage` needs, itself included."""
        raise NotImplementedError

    def find(self, name: str) -> Stage | None:
        """A stage by its name (any case, as BuildKit compares) or number."""
        raise NotImplementedError


def build_graph(dockerfile: Dockerfile, arguments: Mapping[str, str] | None = None) -> Graph:
    """Resolve every reference. Circles and references to nothing are the caller's to report."""
    raise NotImplementedError
