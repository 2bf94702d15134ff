"""What a check looks at: a result, with the stage that ships and what the overlay says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.diagnostic import Diagnostic, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Rule
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.source import Span
    from midstream.ubi.subject import Subject

COMMUNITY, REDHAT = "community", "redhat"


class View(Struct, frozen=True):
    """`declared_upstream` are the variables that upstream's own file declares, so that one which
    got lost on the way is told from one that upstream never had."""

    subject: Subject
    ship: Stage
    profile: str = COMMUNITY
    declared_upstream: frozenset[str] = frozenset()

    def lineage(self) -> tuple[Stage, ...]:
        """The shipped stage and what it is FROM, the farthest first."""
        stages = self.subject.dockerfile.stages
        return tuple(stages[i] for i in reversed(self.subject.graph.lineage(self.ship.index)))

    def shipped(self) -> Iterator[tuple[Stage, Instruction]]:
        """The instructions that make the shipped image, in the order they are run."""
        for stage in self.lineage():
            for instruction in stage.instructions:
                yield stage, instruction

    def finding(
        self,
        rule: Rule,
        span: Span,
        message: str,
        help: str,
        *,
        stage: Stage | None = None,
        severity: Severity = Severity.ERROR,
    ) -> Diagnostic:
        return Diagnostic(
            rule=rule,
            severity=severity,
            message=message,
            source=self.subject.dockerfile.source,
            span=span,
            help=help,
            context=f"stage {stage.label}" if stage else "",
        )
