"""The mechanical part alone: any Dockerfile, without an overlay, onto the platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.assumptions import shelf as assumptions
from midstream.assumptions.missing_tool import NOT_THERE
from midstream.checks import debian_left
from midstream.checks.view import View
from midstream.conversions import shelf as conversions
from midstream.dockerfile.graph import build_graph
from midstream.dockerfile.scan import parse
from midstream.dockerfile.shell import doubts_as_findings
from midstream.rebasing.assembly import Assembled, assemble
from midstream.rebasing.verification import at_source
from midstream.ubi.outcome import Outcome
from midstream.ubi.subject import PythonLayout, Subject
from midstream.ubi.survey import stages_on_ubi

if TYPE_CHECKING:
    from midstream.diagnostic import Diagnostic
    from midstream.overlay.tables import Tables
    from midstream.source import Source


class Converted(Struct, frozen=True):
    """A Dockerfile with its mechanical changes made. What could not be converted stays as it was
    and is a finding. A file that can't be read comes out as it went in."""

    assembled: Assembled
    findings: tuple[Diagnostic, ...]
    subject: Subject | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing was left that needs a person."""
        return not any(found.is_error for found in self.findings)


def convert(source: Source, tables: Tables, python: PythonLayout | None = None) -> Converted:
    """Convert every stage. `python` is the layout that packages go into."""
    dockerfile = parse(source)
    if any(found.is_error for found in dockerfile.diagnostics):
        return Converted(assemble(source.name, source.text, ()), dockerfile.diagnostics)
    graph = build_graph(dockerfile, {})
    subject = Subject(
        dockerfile=dockerfile,
        graph=graph,
        platform=tables.platform,
        packages=tables.packages,
        images=tables.images,
        live=frozenset(stage.index for stage in dockerfile.stages),
        python=python or PythonLayout(),
        repositories=tuple(tables.platform.repositories),
    )
    mechanical = conversions.convert_all(subject)
    assumed = assumptions.convert_all(subject).beside(mechanical)
    outcome = Outcome.merged((mechanical, assumed))
    assembled = assemble(source.name, source.text, outcome.edits)
    found = [*dockerfile.diagnostics, *outcome.diagnostics, *_doubts(subject)]
    found += _left(subject, assembled, found)
    return Converted(assembled, tuple(found), subject)


def _doubts(subject: Subject) -> list[Diagnostic]:
    return [
        doubt
        for stage in stages_on_ubi(subject)
        for instruction in stage.instructions
        for doubt in doubts_as_findings(
            subject.dockerfile, subject.script(instruction), context=f"stage {stage.label}"
        )
    ]


def _left(subject: Subject, assembled: Assembled, known: list[Diagnostic]) -> list[Diagnostic]:
    """What the result still takes for granted, where nothing was said about the instruction yet."""
    after = _after(subject, assembled)
    if after is None:
        return []
    found = [
        *assumptions.check_all(after),
        *debian_left.check(View(after, after.dockerfile.stages[-1])),
    ]
    spans = [
        each.span
        for each in subject.dockerfile.instructions
        if any(f.is_error and f.span in each.span for f in known)
    ]
    if any(f.is_error and f.rule.code.startswith("MS20") for f in known):
        # What wasn't converted would have installed a program, or not: that is said already.
        found = [f for f in found if f.rule is not NOT_THERE]
    source = subject.dockerfile.source
    shown = at_source(found, assembled, source, "")
    return [f for f in shown if not (f.source is source and any(f.span in span for span in spans))]


def _after(subject: Subject, assembled: Assembled) -> Subject | None:
    """The result, read as the text before it was; the same where nothing changed."""
    if not assembled.edits:
        return subject if subject.dockerfile.stages else None
    result = parse(assembled.source)
    if not result.stages:
        return None
    return Subject(
        dockerfile=result,
        graph=build_graph(result, {}),
        platform=subject.platform,
        packages=subject.packages,
        images=subject.images,
        live=frozenset(stage.index for stage in result.stages),
        python=subject.python,
        repositories=subject.repositories,
    )
