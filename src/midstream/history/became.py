"""What an edit's old target turned into: edited, moved, in a renamed stage, or gone."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from midstream.dockerfile import fingerprint
from midstream.overlay.select import NO_STAGE, NOTHING_THERE, holds, select, ship_stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.commands import Command
    from midstream.dockerfile.model import Dockerfile, Instruction, Stage
    from midstream.overlay.model import Address, OverlayEdit
    from midstream.ubi.subject import Subject

_LOST = (NOTHING_THERE, NO_STAGE)
_SAME = 0.4  # below it, two texts are two things


class Became(Struct, frozen=True):
    """Where the old target's text is now. `likeness` is 1.0 for the same text, 0.0 for none of it;
    `at` is an address that finds it, or empty."""

    how: str
    old_line: int
    new_line: int
    likeness: float
    at: str


def explained(
    found: Iterable[Diagnostic],
    edits: Iterable[OverlayEdit],
    old: Subject,
    new: Subject,
    ship: Stage,
) -> Iterator[Diagnostic]:
    """The findings, with what became of its target added to each edit that finds nothing.

    `old` is upstream as it was when the overlay was last proved.
    """
    by_place = {id(edit.at.place): edit for edit in edits}
    was = ship_stage(old.dockerfile.stages, ship.label)
    for each in found:
        edit = next((e for e in by_place.values() if each.rule in _LOST and _about(each, e)), None)
        if edit is None or was is None:
            yield each
            continue
        said = [_said(one) for one in became(edit.at, old, was, new)]
        advice = "\n".join([*said, each.help or ""]).rstrip("\n")
        yield replace(each, help=advice) if said else each


def _about(found: Diagnostic, edit: OverlayEdit) -> bool:
    place = edit.at.place
    return found.source is place.source and found.span == place.span


def _said(one: Became) -> str:
    if not one.new_line:
        return f"what it was about (line {one.old_line} then) is gone"
    advice = f"; write\n    at: {one.at}" if one.at else ""
    return (
        f"what it was about (line {one.old_line} then) {one.how}, now line {one.new_line}, "
        f"{one.likeness:.0%} alike{advice}"
    )


def became(address: Address, old: Subject, ship: Stage, new: Subject) -> list[Became]:
    """What each of an address's old targets is now."""
    found = []
    for match in select(old, ship, address):
        best, likeness = _closest(old.dockerfile, match.instruction, new.dockerfile)
        line = old.dockerfile.source.position(match.span.start).line
        if best is None:
            found.append(Became("is gone", line, 0, 0.0, ""))
            continue
        stage = new.dockerfile.stage_of(best)
        then = match.stage.label if match.stage else "@global"
        now = stage.label if stage else "@global"
        how = _how(new.dockerfile, then, now, likeness)
        mended = _mended(address, match.command, new, best, now)
        found.append(Became(how, line, best.first_line, likeness, mended))
    return found


def _how(new: Dockerfile, then: str, now: str, likeness: float) -> str:
    if then == now:
        return "was edited" if likeness < 1 else "is there still"
    if all(stage.label != then for stage in new.stages):
        return f"is in `{now}`, since `{then}` is no more"
    return f"was moved from `{then}` to `{now}`"


def _closest(
    old: Dockerfile, instruction: Instruction, new: Dockerfile
) -> tuple[Instruction | None, float]:
    wanted = fingerprint.meaning(old, instruction).split()
    best, most = None, 0.0
    for each in new.instructions:
        if each.keyword == instruction.keyword:
            text = fingerprint.meaning(new, each).split()
            matcher = difflib.SequenceMatcher(None, wanted, text, autojunk=False)
            if matcher.real_quick_ratio() > most and (ratio := matcher.ratio()) > most:
                best, most = each, ratio
    return (best, most) if most >= _SAME else (None, 0.0)


def _mended(
    address: Address, old: Command | None, new: Subject, instruction: Instruction, stage: str
) -> str:
    """An address that finds the text where it is now, in the command that looks most like the old
    one: by the words of the phrase that are still there, or else by its first words."""
    keyword = (instruction.trigger or instruction).keyword
    head = f"{stage} / {keyword}"
    commands = new.script(instruction).commands
    if not address.phrase or not commands or old is None:
        return head
    wanted = [word.text for word in old.words]
    near = max(commands, key=lambda each: _alike(wanted, [word.text for word in each.words]))
    texts = [word.text for word in near.words]
    kept = [word for word in address.phrase if any(holds(word, text) for text in texts)]
    words = kept or [text for text in texts if re.fullmatch(r"[\w./+-]+", text)][:2]
    return f"{head} / {' '.join(words)}" if words else head


def _alike(first: list[str], second: list[str]) -> float:
    return difflib.SequenceMatcher(None, first, second, autojunk=False).ratio()
