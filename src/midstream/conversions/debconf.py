"""DEBIAN_FRONTEND goes: nothing on the platform reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.dockerfile.arguments import pairs
from midstream.dockerfile.dropping import drop
from midstream.edit import Edit
from midstream.source import Span
from midstream.ubi.outcome import Outcome
from midstream.ubi.survey import survey

if TYPE_CHECKING:
    from midstream.diagnostic import Rule
    from midstream.dockerfile.model import Instruction
    from midstream.ubi.subject import Subject

NAME = "debconf"
RULES: tuple[Rule, ...] = ()

_NAMES = frozenset(("DEBIAN_FRONTEND", "DEBCONF_NONINTERACTIVE_SEEN"))
_WHY = "only debconf reads it"


def convert(subject: Subject) -> Outcome:
    """Take it out of ENV, ARG and `export` in every live stage that stands on UBI."""
    footings = survey(subject)
    edits: list[Edit] = []
    for stage, instruction in subject.live_instructions():
        if stage is not None and footings[stage.index].manager is None:
            continue
        if subject.is_claimed(instruction.span):
            continue
        if instruction.keyword in ("ENV", "ARG"):
            edits += _pairs(subject, instruction)
        else:
            edits += _exports(subject, instruction)
    return Outcome(edits=tuple(edits))


def _pairs(subject: Subject, instruction: Instruction) -> list[Edit]:
    found = pairs(subject.dockerfile, instruction)
    ours = [pair for pair in found if pair.name in _NAMES]
    if not ours:
        return []
    if len(ours) == len(found):
        return [Edit(instruction.span, "", NAME, _WHY)]
    edits = []
    for pair in ours:
        at = found.index(pair)
        if at:
            edits.append(Edit(Span(found[at - 1].span.end, pair.span.end), "", NAME, _WHY))
        else:
            edits.append(Edit(Span(pair.span.start, found[1].span.start), "", NAME, _WHY))
    return edits


def _exports(subject: Subject, instruction: Instruction) -> list[Edit]:
    script = subject.script(instruction)
    doomed = {
        command.span.start: (NAME, _WHY)
        for command in script.commands
        if command.name == "export"
        and len(command.arguments) == 1
        and command.arguments[0].text.partition("=")[0] in _NAMES
    }
    return drop(script, doomed)
