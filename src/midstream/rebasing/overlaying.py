"""An overlay's edits and the whole file: which stages are needed with them, and what conflicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from midstream.diagnostic import Diagnostic, Place, Rule, Severity
from midstream.dockerfile.graph import build_graph
from midstream.dockerfile.scan import parse
from midstream.edit import EditConflict
from midstream.overlay.model import After
from midstream.overlay.select import stages_of
from midstream.rebasing import assembly
from midstream.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from midstream.dockerfile.model import Dockerfile, Stage
    from midstream.edit import Edit
    from midstream.overlay.model import Overlay, OverlayEdit
    from midstream.overlay.verbs import Insertion, Wanted
    from midstream.rebasing.assembly import Assembled
    from midstream.ubi.subject import Subject

CONFLICT = Rule(
    "MS529",
    "edits-in-conflict",
    """\
**What it says.** Two edits of an overlay change the same text, or one changes a stage that another
makes superfluous.

**Why it matters.** Which of the two is meant, only a person can say.

**The way out.** Narrow the phrase of one, or make one edit of them.
""",
)
HALF_ADDED = Rule(
    "MS535",
    "base-added-to-once",
    """\
**What it says.** An edit puts something behind the `FROM` of one stage, and another stage stands on
the same image without it.

**Why it matters.** What follows a `FROM` mostly makes up for what our base lacks: a vendor's SDK, a
compiler. A stage that upstream adds on that image later would be built without it.

**The way out.** Give the other stage an edit of its own, or waive MS535 if it needs nothing of it.
""",
)
RULES = (CONFLICT, HALF_ADDED)


def together(
    overlay: Overlay,
    name: str,
    subject: Subject,
    edits: Sequence[Edit],
    insertions: Sequence[Insertion],
) -> Assembled:
    """Make every change at once. Raises `EditConflict`, with the place of the overlay's edit."""
    try:
        return assembly.assemble(name, subject.dockerfile.source.text, edits, insertions)
    except EditConflict as conflict:
        conflict.diagnostics = tuple(_conflict_as_findings(overlay, conflict))
        raise


def needed_stages(overlay: Overlay, subject: Subject, stage: Stage, wanted: Wanted) -> Subject:
    """The subject with the stages that are needed once the overlay's edits are made: without
    those that only a dropped instruction needed, with those that a text of ours uses."""
    if not _changes_needs(subject, wanted):
        return subject
    edited = together(overlay, "", subject, wanted.edits, wanted.insertions)
    scope = subject.graph.scope
    graph = build_graph(parse(edited.source), scope.arguments, scope.inherited)
    new = assembly.stages_kept(edited, subject.dockerfile, graph.dockerfile)
    if stage.index not in new:
        return subject  # the shipped stage is gone, which is found later
    needed = graph.closure(new[stage.index])
    return replace(subject, live=frozenset(old for old, now in new.items() if now in needed))


def _changes_needs(subject: Subject, wanted: Wanted) -> bool:
    """Whether the overlay's edits may change which stages are needed."""
    texts = [each.text for each in wanted.edits] + [each.text for each in wanted.insertions]
    if any("from" in text.lower() for text in texts):
        return True
    needs = [arrow.span for arrow in subject.graph.arrows if arrow.target is not None]
    return any(need.overlaps(span) for need in needs for span in wanted.claimed)


def dropped_stages(dockerfile: Dockerfile, wanted: Wanted) -> frozenset[int]:
    """The stages that the overlay takes out itself: a decision, other than `unreachable`."""
    spans = {Span(stage.lead, stage.span.end): stage.index for stage in dockerfile.stages}
    return frozenset(spans[span] for span in wanted.claimed if span in spans)


def _conflict_as_findings(overlay: Overlay, conflict: EditConflict) -> Iterator[Diagnostic]:
    """Where the edits stand that want the same text."""
    names = (conflict.first.rule, conflict.second.rule)
    edits = [edit for edit in overlay.edits if edit.id in names]
    for edit in edits[-1:]:
        message = f"`{names[0]}` and `{names[1]}` both change the same text"
        if assembly.UNREACHABLE in names:
            message = f"`{edit.id}` changes a stage that nothing shipped needs with these edits"
        other = edits[0].place if len(edits) > 1 else None
        yield Diagnostic(
            rule=CONFLICT,
            severity=Severity.ERROR,
            message=message,
            source=edit.place.source,
            span=edit.place.span,
            help="narrow one of the two, or make one edit of them",
            also=Place(other.source, other.span, "the other edit") if other else None,
        )


def half_added(
    overlay: Overlay, subject: Subject, ship: Stage, wanted: Wanted
) -> Iterator[Diagnostic]:
    """Each stage on an image that edits add something to in other stages alone."""
    made = frozenset(each.id for each in wanted.insertions)
    adding = {
        stage.index: edit
        for edit in overlay.edits
        if isinstance(edit.verb, After) and edit.at.kinds == ("FROM",) and edit.id in made
        for stage in stages_of(subject, ship, edit.at.stage)
    }
    images = {index: subject.graph.base(index).image for index in adding}
    for stage in subject.live_stages:
        image = subject.graph.base(stage.index).image
        if image is None or image == "scratch" or stage.index in adding:
            continue
        edit = next((adding[index] for index, other in images.items() if other == image), None)
        if edit is not None:
            yield _half_added(subject, stage, edit)


def _half_added(subject: Subject, stage: Stage, edit: OverlayEdit) -> Diagnostic:
    return Diagnostic(
        rule=HALF_ADDED,
        severity=Severity.ERROR,
        message=f"`{edit.id}` adds to what `{edit.at.stage}` is built on, and `{stage.label}` is "
        "built on the same image without it",
        source=subject.dockerfile.source,
        span=subject.graph.base(stage.index).span,
        help=f"write an edit at `{stage.label} / FROM` too, or waive MS535 if nothing is missing",
        context=f"stage {stage.label}",
        also=Place(edit.place.source, edit.place.span, "the edit"),
    )
