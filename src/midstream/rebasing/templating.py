"""A template of one's own: the whole result is ours, and upstream is read into it as values.

`upstream.arg`, `.env` and `.pin` are values, `upstream.stage` a converted stage whole. What was
read is remembered, so that every instruction that upstream needs still has a fate: carried in a
stage that is placed, a fact, dropped by an edit with its reason, or undecided, which is an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from midstream.diagnostic import Diagnostic, Place, Rule, Severity
from midstream.dockerfile.arguments import pairs
from midstream.dockerfile.scan import parse
from midstream.edit import Edit
from midstream.errors import UsageError
from midstream.ledger import Claim, Fate
from midstream.overlay.facts import argument_values, pinned
from midstream.overlay.model import FactKind
from midstream.overlay.template import render
from midstream.rebasing.assembly import Assembled, Piece, assemble, header, stages_kept
from midstream.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from midstream.dockerfile.graph import Graph
    from midstream.dockerfile.model import Dockerfile, Instruction, Stage
    from midstream.overlay.model import Overlay
    from midstream.overlay.verbs import Wanted
    from midstream.ubi.subject import Subject
    from midstream.upstream.origin import Origin

NO_FATE = Rule(
    "MS264",
    "no-fate",
    """\
**What it says.** An instruction that upstream's shipped stage needs has no part in a result that a
template of our own makes: no value of it is read, its stage isn't placed, and no edit drops it.

**Why it matters.** Upstream may do something new there. Without an answer the result would lack it,
and nobody would know.

**The way out.** Read it (`upstream.arg('NAME')`, `upstream.env('stage', 'NAME')`), place its stage
(`upstream.stage('stage')`), or drop it with the reason:
`{id: …, at: stage / RUN / words, drop: true, why: …}`.
""",
)
NOT_WHOLE = Rule(
    "MS265",
    "stage-not-whole",
    """\
**What it says.** A stage that a template asked for with `upstream.stage` isn't in the result as it
was given: a filter changed it, it stands inside other text, or it was never put in.

**Why it matters.** The ledger says of its instructions that they are carried.

**The way out.** Put `{{ upstream.stage('name') }}` on a line of its own, without a filter. What is
to be different in the stage belongs into an edit of the overlay.
""",
)
RULES = (NO_FATE, NOT_WHOLE)

TEMPLATE = "template"

_Found = TypeVar("_Found", Diagnostic, Edit)


@dataclass
class Readings:
    """What templates read of upstream. `graph` and `texts` are told as soon as they are known."""

    origin: Origin
    dockerfile: Dockerfile
    graph: Graph | None = None
    texts: dict[int, str] | None = None
    read: dict[int, str] = field(default_factory=dict)
    placed: dict[int, str] = field(default_factory=dict)

    def note(self, instruction: Instruction, what: str) -> None:
        self.read.setdefault(instruction.span.start, what)

    def find(self, name: str) -> tuple[Graph, Stage]:
        """A stage, and the graph it is in. Raises `UsageError`."""
        if self.graph is None:
            raise UsageError(
                f"the stage `{name}` can't be read here, where it isn't known yet what is built",
                help="only a fragment, or a template of the overlay's own, reads stages",
            )
        stage = self.graph.find(name)
        if stage is None:
            labels = ", ".join(each.label for each in self.dockerfile.stages)
            raise UsageError(
                f"{self.dockerfile.source.name} has no stage `{name}`", help=f"it has {labels}"
            )
        return self.graph, stage


class Upstream(Struct, frozen=True):
    """What templates see as `upstream`: values of the release, read and never typed twice."""

    _readings: Readings

    @property
    def release(self) -> str:
        return self._readings.origin.release or ""

    @property
    def commit(self) -> str:
        return self._readings.origin.commit

    def arg(self, name: str) -> str:
        """The default of an ARG. Raises `UsageError` where there is none, or several."""
        dockerfile = self._readings.dockerfile
        value = _only(argument_values(dockerfile, name), f"`{name}`", "default", dockerfile.source)
        for instruction in _declaring(dockerfile, name):
            self._readings.note(instruction, f"the default of `{name}`")
        return value

    def env(self, stage: str, name: str) -> str:
        """What an environment variable is at a stage's end. Raises `UsageError`."""
        graph, found = self._readings.find(stage)
        value = graph.scope.environment(found.index).get(name)
        if value is None:
            raise UsageError(f"`{name}` isn't in the environment of the stage `{stage}`")
        for index in graph.lineage(found.index):
            for instruction in self._readings.dockerfile.stages[index].instructions:
                if instruction.keyword == "ENV" and _names(graph.dockerfile, instruction, name):
                    self._readings.note(instruction, f"`{name}`")
        return value

    def pin(self, name: str, file: str | None = None) -> str:
        """The version that a requirements file pins: the one that is named, or all of upstream's.
        Raises `UsageError` where none does, or two differ."""
        origin = self._readings.origin
        paths = [file] if file else origin.requirements()
        values = [each for path in paths for each in pinned(origin.file(path).text, name)]
        return _only(values, f"`{name}`", "pinned version", None, where=file or "requirements/")

    def stage(self, name: str) -> str:
        """A converted stage, whole. Only the overlay's own template places stages."""
        _, found = self._readings.find(name)
        texts = self._readings.texts
        if texts is None:
            raise UsageError(
                f"the stage `{name}` can't be placed here",
                help="`upstream.stage` is for a `template:` of the overlay's own",
            )
        if found.index not in texts:
            raise UsageError(f"the shipped stage doesn't need `{name}`")
        return self._readings.placed.setdefault(found.index, texts[found.index])


def _only(
    values: list[str], name: str, what: str, source: Source | None, *, where: str = ""
) -> str:
    different = sorted(set(values))
    if len(different) == 1:
        return different[0]
    said = f"several {what}s: {', '.join(different)}" if different else f"no {what}"
    raise UsageError(f"{name} has {said} in {where or (source.name if source else '')}")


def _declaring(dockerfile: Dockerfile, name: str) -> Iterator[Instruction]:
    for instruction in dockerfile.instructions:
        if instruction.keyword == "ARG" and _names(dockerfile, instruction, name):
            yield instruction


def _names(dockerfile: Dockerfile, instruction: Instruction, name: str) -> bool:
    return any(pair.name == name for pair in pairs(dockerfile, instruction))


# --- the result ---


def changes_of_text(wanted: Wanted, dockerfile: Dockerfile) -> list[Edit]:
    """The overlay's edits that upstream's text is changed by, for its stages to be placed. One that
    drops a FROM, or a stage, only says what becomes of it: without it there is no text to place."""
    starts = {stage.span.start for stage in dockerfile.stages}
    return [
        edit
        for edit in wanted.edits
        if not (edit.text == "" and any(edit.span.start <= at < edit.span.end for at in starts))
    ]


def placeable(subject: Subject, converted: Assembled) -> dict[int, str]:
    """By stage: its converted text, from its FROM to its last instruction."""
    result = parse(converted.source)
    kept = stages_kept(converted, subject.dockerfile, result)
    return {
        index: result.text(result.stages[kept[index]].span).rstrip("\n")
        for index in sorted(subject.live)
        if index in kept
    }


def rendered(overlay: Overlay, origin: Origin, name: str, names: Mapping[str, Any]) -> Assembled:
    """The overlay's own template as the result, every character of which the template wrote. It
    says what it is, as every result does."""
    if overlay.template is None:
        raise AssertionError("the overlay has no template")
    text = render(overlay.template, names)
    if render(overlay.template, names) != text:
        raise AssertionError("a template gave two texts for the same values")
    ours = parse(Source(name, text))
    top = header(ours, origin.project, overlay.folder, origin.dockerfile.name)
    whole = assemble(name, text, [], [top]).source.text
    by = Edit(Span(0, 0), whole, TEMPLATE, "the target's own template")
    return Assembled(Source(name, whole), (Piece(0, 0, by),), (by,))


def argument_names(result: Dockerfile) -> frozenset[str]:
    """The names that a result's ARGs declare."""
    return frozenset(
        pair.name
        for each in result.instructions
        if each.keyword == "ARG"
        for pair in pairs(result, each)
    )


def shipped(result: Dockerfile, wanted: str) -> Stage | None:
    """What a result of our own ships: the stage that upstream calls so, or its last."""
    named = [stage for stage in result.stages if stage.name == wanted]
    return named[-1] if named else next(reversed(result.stages), None)


# --- fates ---


def within(spans: list[Span], found: Iterable[_Found]) -> list[_Found]:
    """Of changes or findings, those in one of these spans."""
    return [each for each in found if any(each.span in span for span in spans)]


def spans_placed(readings: Readings) -> list[Span]:
    """Upstream's text that stands in the result whole."""
    return [readings.dockerfile.stages[index].span for index in readings.placed]


def claims(readings: Readings, overlay: Overlay) -> Iterator[Claim]:
    """The instructions that a value was read from. What is in a placed stage is carried besides."""
    read = dict(readings.read)
    for fact in overlay.facts.values():
        if fact.kind is FactKind.ARG and fact.file is None:
            for each in _declaring(readings.dockerfile, fact.what):
                read.setdefault(each.span.start, f"the fact `{fact.name}`")
    placed = spans_placed(readings)
    for instruction in readings.dockerfile.instructions:
        start = instruction.span.start
        if start in read and not any(instruction.span in span for span in placed):
            yield Claim(instruction, Fate.FACT, TEMPLATE, f"the template reads {read[start]}")


def unanswered(
    readings: Readings, subject: Subject, overlay: Overlay, answered: Iterable[Claim]
) -> Iterator[Diagnostic]:
    """Every live instruction that has no fate."""
    # An instruction that is dropped or changed in part isn't in the result for all that.
    whole = (Fate.DROPPED, Fate.REPLACED, Fate.FACT)
    starts = {claim.instruction.span.start for claim in answered if claim.fate in whole}
    placed = spans_placed(readings)
    for stage, instruction in subject.live_instructions():
        if instruction.span.start in starts or any(instruction.span in span for span in placed):
            continue
        template = overlay.template
        yield Diagnostic(
            rule=NO_FATE,
            severity=Severity.ERROR,
            message=f"nothing of this {instruction.keyword} is in the result, and nobody says why",
            source=readings.dockerfile.source,
            span=instruction.keyword_span,
            help=f"read it in the template, place `{stage.label if stage else '@global'}`, or drop "
            "it with an edit and its reason",
            context=f"stage {stage.label}" if stage else "",
            also=Place(template.place.source, template.place.span, "the template")
            if template
            else None,
        )


def torn(readings: Readings, overlay: Overlay, result: Dockerfile) -> Iterator[Diagnostic]:
    """Every placed stage that isn't a stage of the result, byte for byte."""
    there = {result.text(stage.span).rstrip("\n") for stage in result.stages}
    template = overlay.template
    for index, text in readings.placed.items():
        label = readings.dockerfile.stages[index].label
        if text not in there and template is not None:
            yield Diagnostic(
                rule=NOT_WHOLE,
                severity=Severity.ERROR,
                message=f"the stage `{label}` isn't in the result as it was given",
                source=template.place.source,
                span=template.place.span,
                help="place it on a line of its own, without a filter",
            )
