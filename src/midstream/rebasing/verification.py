"""The proofs that a result has to pass before it is written."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from msgspec.structs import replace

from midstream.adapters import files, process
from midstream.assumptions import shelf as assumptions
from midstream.assumptions.missing_tool import NOT_THERE
from midstream.checks import shelf as checks
from midstream.conversions import shelf as conversions
from midstream.diagnostic import Diagnostic, Rule, Severity
from midstream.dockerfile.shell import doubts_as_findings, plain_text
from midstream.source import Span
from midstream.ubi.survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from midstream.checks.view import View
    from midstream.dockerfile.model import Dockerfile, Instruction
    from midstream.rebasing.assembly import Assembled
    from midstream.source import Source
    from midstream.ubi.subject import Subject

NOT_SETTLED = Rule(
    "MS260",
    "not-settled",
    """\
**What it says.** The conversions, run over the result, would change it once more.

**Why it matters.** A result is what its rules make of it, or it isn't proved. Mostly an overlay's
own text holds Debian's commands, or an edit touches a word of a command that a conversion would
have changed.

**The way out.** Write the overlay's text for the platform; replace the command instead of a word.
""",
)
BROKEN_SHELL = Rule(
    "MS261",
    "broken-shell",
    """\
**What it says.** `bash -n` refuses a RUN of the result: one that isn't as upstream has it, or one
that midstream can't read either.

**Why it matters.** The build would fail in that RUN.

**The way out.** Look at the edit that the RUN has, and mend its text. Where it has none, upstream's
own text is broken: replace it.
""",
)
LOST_STAGE = Rule(
    "MS262",
    "lost-stage",
    """\
**What it says.** The result names a stage of upstream's file that isn't in it (any more): an edit
took it out, or put its FROM below.

**Why it matters.** BuildKit takes the name for that of an image, and pulls whatever has it.

**The way out.** Leave the stage in, or take out what needs it as well.
""",
)
RULES = (NOT_SETTLED, BROKEN_SHELL, LOST_STAGE)


def settled(subject: Subject) -> Iterator[Diagnostic]:
    """What a second pass of the conversions would change in a result."""
    for convert_all in (conversions.convert_all, assumptions.convert_all):
        for edit in convert_all(subject).edits:
            yield Diagnostic(
                rule=NOT_SETTLED,
                severity=Severity.ERROR,
                message=f"`{edit.rule}` would change this once more",
                source=subject.dockerfile.source,
                span=edit.span,
                help="write it for the platform, in the overlay's own text",
            )


def stages_are_there(result: Subject, upstream: Subject) -> Iterator[Diagnostic]:
    """Names of upstream's stages that are names of images in the result."""
    names = {upstream.graph.name(stage).lower() for stage in upstream.dockerfile.stages}
    names -= {(arrow.image or "").lower() for arrow in upstream.graph.arrows}
    for arrow in result.graph.arrows:
        if arrow.stage in result.live and (arrow.image or "").lower() in names:
            yield Diagnostic(
                rule=LOST_STAGE,
                severity=Severity.ERROR,
                message=f"the stage `{arrow.image}` isn't in the result",
                source=result.dockerfile.source,
                span=arrow.span,
                help="leave the stage in, or take this out as well",
                context=f"stage {result.dockerfile.stages[arrow.stage].label}",
            )


def examined(view: View) -> Iterator[Diagnostic]:
    """What the platform's assumptions and the policy have to say about a result."""
    yield from assumptions.check_all(view.subject)
    yield from checks.check_all(view)


def changed_runs(result: Dockerfile, assembled: Assembled) -> Iterator[Instruction]:
    """The RUNs of a result that aren't upstream's byte for byte."""
    for instruction in result.instructions:
        if instruction.keyword == "RUN" and instruction.json is None:
            start = assembled.origin(instruction.span.start)
            end = assembled.origin(instruction.span.end - 1)
            if start is not end or start.by is not None:
                yield instruction


def unclear_runs(subject: Subject) -> Iterator[Instruction]:
    """The RUNs whose shell midstream can't read for certain: bash says whether it can."""
    for _, instruction in subject.live_instructions():
        if instruction.keyword == "RUN" and subject.script(instruction).doubts:
            yield instruction


def shell_holds(
    result: Dockerfile, instructions: Iterable[Instruction], cache: Path
) -> Iterator[Diagnostic]:
    """Ask bash about each RUN. Raises `ProgramMissing` where there is no bash.

    What bash took once is remembered by its hash, so that a second run asks nothing.
    """
    for instruction in instructions:
        body = plain_text(result, instruction).encode("utf-8", "surrogateescape")
        proof = cache / "proofs" / hashlib.sha256(body).hexdigest()
        if proof.exists():
            continue
        done = process.run("bash", "-n", input=body, timeout=30)
        if done.exit_code:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            yield Diagnostic(
                rule=BROKEN_SHELL,
                severity=Severity.ERROR,
                message="bash can't read this RUN of the result: "
                + (said[0].removeprefix("bash: ") if said else "no reason given"),
                source=result.source,
                span=instruction.keyword_span,
                help="look at the edits that this RUN has, and mend their text",
            )
        else:
            files.write(proof, b"")


def at_source(
    found: Iterable[Diagnostic], assembled: Assembled, upstream: Source, label: str
) -> Iterator[Diagnostic]:
    """Findings about a result, shown where upstream wrote the text; what a change wrote is shown
    in the result, with the change's name. `label` says which upstream it is."""
    for each in found:
        if each.source is not assembled.source:
            yield each
            continue
        start = assembled.upstream_offset(each.span.start)
        change = assembled.origin(each.span.start).by
        if change is not None and len(change.span):
            yield _moved(each, upstream, change.span, f"as `{change.rule}` has it")
        elif start is None:
            by = f"written by `{change.rule}`" if change else ""
            yield _moved(each, assembled.source, each.span, by)
        else:
            end = _upstream_end(assembled, max(each.span.start, each.span.end - 1))
            yield _moved(each, upstream, Span(start, max(start, end)), label)


def _upstream_end(assembled: Assembled, last: int) -> int:
    """Where upstream's text of a stretch ends, by the last character of that in the result."""
    at = assembled.upstream_offset(last)
    change = assembled.origin(last).by
    return change.span.end if at is None and change is not None else (at or 0) + 1


def _moved(found: Diagnostic, source: Source, span: Span, context: str) -> Diagnostic:
    said = ", ".join(part for part in (context, found.context) if part)
    return replace(found, source=source, span=span, context=said)


def doubts(subject: Subject) -> list[Diagnostic]:
    """What can't be read for certain in the shell of live instructions."""
    footings = survey(subject)
    found: list[Diagnostic] = []
    for stage, instruction in subject.live_instructions():
        if stage is None or footings[stage.index].manager is None:
            continue
        if not subject.is_claimed(instruction.span):
            script = subject.script(instruction)
            found += doubts_as_findings(subject.dockerfile, script, context=f"stage {stage.label}")
    return found


def without_echoes(
    dockerfile: Dockerfile, first: list[Diagnostic], second: list[Diagnostic]
) -> list[Diagnostic]:
    """Both lists, without what the second only says because of the first: Debian's words in an
    instruction that could not be converted, and programs whose install could not."""
    unconverted = [f for f in first if f.is_error and f.rule.code.startswith("MS20")]
    if not unconverted:
        return [*first, *second]
    spans = [
        each.span
        for each in dockerfile.instructions
        if any(f.source is dockerfile.source and f.span in each.span for f in unconverted)
    ]
    fresh = [
        f
        for f in second
        if f.rule is not NOT_THERE
        and not (f.source is dockerfile.source and any(f.span in span for span in spans))
    ]
    return [*first, *fresh]
