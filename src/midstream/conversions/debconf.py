"""debconf goes: RPMs ask no questions. A time zone that it was told is set without it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.conversions.work import EDIT_IT, NO_TRANSLATION, written
from midstream.dockerfile.arguments import pairs
from midstream.edit import Edit
from midstream.source import Span
from midstream.ubi.outcome import Outcome
from midstream.ubi.survey import survey

if TYPE_CHECKING:
    from midstream.conversions.work import Work
    from midstream.dockerfile.commands import Command, Script
    from midstream.dockerfile.model import Instruction
    from midstream.ubi.subject import Subject

NAME = "debconf"
RULES = (NO_TRANSLATION,)

_NAMES = frozenset(("DEBIAN_FRONTEND", "DEBIAN_PRIORITY", "DEBCONF_NONINTERACTIVE_SEEN"))
_WHY = "only debconf reads it"


def convert(subject: Subject) -> Outcome:
    """Take its variables out of ENV and ARG in every live stage that stands on UBI."""
    footings = survey(subject)
    edits: list[Edit] = []
    for stage, instruction in subject.live_instructions():
        if stage is not None and footings[stage.index].manager is None:
            continue
        if stage is None and not any(each.manager for each in footings.values()):
            continue
        if instruction.keyword in ("ENV", "ARG") and not subject.is_claimed(instruction.span):
            edits += _pairs(subject, instruction)
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
        kept = [other for other in found[:at] if other not in ours]
        if kept:
            edits.append(Edit(Span(found[at - 1].span.end, pair.span.end), "", NAME, _WHY))
        else:
            edits.append(Edit(Span(pair.span.start, found[at + 1].span.start), "", NAME, _WHY))
    return edits


def command(work: Work, command: Command) -> bool:
    """Convert one command, if it is one of debconf's."""
    if command.name == "export" and _only_our_names(command):
        work.doom(command, NAME, _WHY)
    elif command.name == "debconf-set-selections":
        _answers(work, command)
    elif command.name == "dpkg-reconfigure":
        _reconfigure(work, command)
    else:
        return _assignment(work, command)
    return True


def _only_our_names(command: Command) -> bool:
    names = [word.text.partition("=")[0] for word in command.arguments]
    return bool(names) and set(names) <= _NAMES


def _assignment(work: Work, command: Command) -> bool:
    """`DEBIAN_FRONTEND=noninteractive;` alone."""
    names = {each.name for each in command.assignments}
    if command.words or not names or not names <= _NAMES:
        return False
    work.doom(command, NAME, _WHY)
    return True


_TIME_ZONE = re.compile(r"tzdata\s+tzdata/(?:Areas|Zones/(?P<area>\S+))\s+select\s+(?P<zone>\S+)")
_SILENT = re.compile(r"debconf\s+debconf/(?:frontend|priority)\s+select\s+\S+")


def _answers(work: Work, command: Command) -> None:
    """`echo 'tzdata tzdata/Zones/Europe select Oslo' | debconf-set-selections`."""
    pipeline = next((b for b in reversed(command.blocks) if b.kind == "pipeline"), None)
    told = [
        c for c in work.script.commands
        if pipeline is not None and c.span in pipeline.span and c is not command
    ]  # fmt: skip
    text = " ".join(w.value for c in told for w in c.arguments if not w.value.startswith("-"))
    answer = _TIME_ZONE.fullmatch(text.strip())
    plain = len(told) == 1 and told[0].name in ("echo", "printf") and not told[0].redirections
    if pipeline is None or not plain or not (answer or _SILENT.fullmatch(text.strip())):
        work.refuse(command.core, "what debconf is told here has no known counterpart", EDIT_IT)
    elif answer and answer["area"]:
        zone = f"/usr/share/zoneinfo/{answer['area']}/{answer['zone']}"
        new = written(command, "ln", "-sf", zone, "/etc/localtime")
        work.edit(pipeline.span, new, NAME, "what tzdata would do with the answer")
    else:
        work.doom(pipeline, NAME, "RPMs ask no questions")


def _reconfigure(work: Work, command: Command) -> None:
    packages = [w.value for w in command.arguments if not w.value.startswith("-")]
    packages = [name for name in packages if name not in ("noninteractive", "critical")]
    if packages == ["tzdata"]:
        if _names_zone_by_file(work.script):
            link = "ln -sf /usr/share/zoneinfo/ZONE /etc/localtime"
            work.refuse(command.core, "only Debian reads /etc/timezone", f"{EDIT_IT}: {link}")
            return
        work.doom(command, NAME, "the time zone is /etc/localtime, and nothing else")
        return
    work.refuse(command.core, "`dpkg-reconfigure` has no counterpart: RPMs ask no questions")


def _names_zone_by_file(script: Script) -> bool:
    """Whether a zone is written to /etc/timezone, and /etc/localtime isn't made beside it."""
    written_to = {r.target.value for c in script.commands for r in c.redirections if r.target}
    given = {c.name: {w.value for w in c.arguments} for c in script.commands}
    told = "/etc/timezone" in written_to | given.get("tee", set())
    linked = any("/etc/localtime" in given.get(name, ()) for name in ("ln", "cp"))
    return told and not linked
