"""Upstream then and now: what changed since a target's lock was made, and what that means here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from midstream.diagnostic import Diagnostic, Place, Rule, Severity, counted
from midstream.dockerfile import fingerprint
from midstream.dockerfile.graph import build_graph
from midstream.dockerfile.scan import parse
from midstream.history.became import explained
from midstream.history.decisions import Kind, Question
from midstream.history.identity import other_predecessor
from midstream.history.movement import answered, movements
from midstream.overlay.select import ship_stage
from midstream.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from midstream.dockerfile.model import Dockerfile, Stage
    from midstream.history.decisions import Decisions
    from midstream.history.movement import Change
    from midstream.ledger import Ledger
    from midstream.overlay.model import OverlayEdit
    from midstream.source import Source
    from midstream.ubi.subject import Subject
    from midstream.upstream.origin import Earlier

SWAPPED = Rule(
    "MS223",
    "another-predecessor",
    """\
**What it says.** The Dockerfile at a target's path resembles what another path held before more
than what its own path held.

**Why it matters.** Upstream gave the path to another file: the overlay's edits were written for
something else, and those that still match may be wrong.

The counts of what changed are against what the path held, which is what the image was made of;
the difference that is shown with the question is to the file that the text comes from.

**The way out.** Look at both files. Follow the file to its new path in `upstream/*.yaml`, or write
an overlay for the new one in a folder with its own `releases:`, and accept.
""",
)
RULES = (SWAPPED,)

IDENTITY = "@file"


class Past(Struct, frozen=True):
    """Upstream as it was, resolved with the arguments of today."""

    subject: Subject
    stage: Stage | None
    earlier: Earlier


def past(earlier: Earlier, old: Dockerfile, subject: Subject, stage: Stage) -> Past:
    """Upstream as it was. `old` is its Dockerfile as read."""
    graph = build_graph(old, subject.graph.scope.arguments, subject.graph.scope.inherited)
    ship = ship_stage(old.stages, stage.label)
    live = graph.closure(ship.index) if ship else frozenset()
    then = replace(subject, dockerfile=old, graph=graph, live=live, claimed=(), footings={})
    return Past(then, ship, earlier)


def changes(
    before: Past | None, subject: Subject, ledger: Ledger, questions: Iterable[Question]
) -> tuple[Change, ...]:
    """What upstream changed since then, each change with its answer."""
    if before is None:
        return ()
    was_built = frozenset(each.span.start for _, each in before.subject.live_instructions())
    source = subject.dockerfile.source
    asked = {q.finding.span.start: q.id for q in questions if q.finding.source is source}
    moved = movements(before.subject.dockerfile, subject.dockerfile)
    return answered(moved, ledger.by_start(), was_built, asked)


def with_what_became(
    before: Past | None,
    found: Iterable[Diagnostic],
    edits: Iterable[OverlayEdit],
    subject: Subject,
) -> list[Diagnostic]:
    """The findings; those about edits that find nothing say what their target turned into."""
    if before is None or before.stage is None:
        return list(found)
    return list(explained(found, edits, before.subject, subject, before.stage))


def _predecessor(then: Source, now: Source) -> Place:
    """The file whose text this is, and how far apart the two are: what upstream changed in it is
    less than what changes here, where another file was carried."""
    changed = counted(len(movements(parse(then), parse(now))), "instruction")
    return Place(then, Span(0, 0), f"what it resembles, with {changed} changed")


def identity_question(
    earlier: Earlier | None, source: Source, blob: str, known: Decisions | None
) -> list[Question]:
    """The question that is open where upstream gave the path to another file."""
    if earlier is None or known is None:
        return []
    other = other_predecessor(source, earlier.dockerfile, earlier.others)
    mark = fingerprint.of_text(blob)
    if other is None or known.review.get(IDENTITY) == mark:
        return []
    finding = Diagnostic(
        rule=SWAPPED,
        severity=Severity.ERROR,
        message=f"this file resembles what `{other}` was more than what `{source.name}` was",
        source=source,
        span=Span(0, min(len(source.text), len(source.line(1)))),
        help=f"follow the file in upstream/*.yaml, or write an overlay for the new one, and run: "
        f"midstream decide --target {known.target} {IDENTITY} --accept --why …",
        context=f"at {known.label}",
        also=_predecessor(earlier.others[other], source),
    )
    return [Question(IDENTITY, finding, mark, (Kind.ACCEPT,))]
