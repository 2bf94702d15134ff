"""Walking over a Dockerfile's texts for the assumptions: words, values and paths, with findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.diagnostic import Diagnostic, Rule, Severity
from midstream.source import Span
from midstream.ubi.survey import survey

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from midstream.dockerfile.model import Instruction, Stage
    from midstream.ubi.subject import Subject


def occurrences(
    subject: Subject,
    pattern: re.Pattern[str],
    keywords: frozenset[str] | None = None,
    *,
    holding: tuple[str, ...] = (),
) -> Iterator[tuple[Stage | None, Instruction, Span]]:
    """Where a pattern stands in the live instructions, comment lines left out.

    `holding` are plain texts one of which each match holds, for a pattern that begins with none:
    to look for them takes a hundredth of the time that such a pattern takes.
    """
    text = subject.dockerfile.source.text
    if holding and not any(each in text for each in holding):
        return
    if not pattern.search(text):  # as with most patterns, in most files
        return
    for stage, instruction in subject.live_instructions():
        keyword = (instruction.trigger or instruction).keyword
        if keywords is not None and keyword not in keywords:
            continue
        for found in pattern.finditer(text, instruction.span.start, instruction.span.end):
            if not in_comment(text, found.start(), instruction.span.start):
                yield stage, instruction, Span(*found.span())


def own_files(
    subject: Subject, pattern: re.Pattern[str], *, holding: tuple[str, ...] = ()
) -> Iterator[tuple[Stage, Instruction, Span]]:
    """Where a pattern stands in stages on UBI, and is about a file of theirs: not of an image
    that a COPY or a mount of the instruction takes files from. `holding` as for `occurrences`."""
    footings = survey(subject)
    for stage, outer, span in occurrences(subject, pattern, holding=holding):
        if stage is None or footings[stage.index].manager is None:
            continue
        needs = [a for a in subject.graph.needs(stage.index) if a.instruction is outer]
        if all(arrow.target is not None for arrow in needs):
            yield stage, outer.trigger or outer, span


def in_comment(text: str, offset: int, start: int) -> bool:
    """Whether an offset stands in a comment line inside an instruction that starts at `start`."""
    line = text.rfind("\n", start, offset) + 1
    return line > start and text[line:offset].lstrip().startswith("#")


def finding(
    subject: Subject,
    stage: Stage | None,
    rule: Rule,
    span: Span,
    message: str,
    help: str,
    severity: Severity = Severity.ERROR,
) -> Diagnostic:
    return Diagnostic(
        rule=rule,
        severity=severity,
        message=message,
        source=subject.dockerfile.source,
        span=span,
        help=help,
        context=f"stage {stage.label}" if stage else "",
    )
