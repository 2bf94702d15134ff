"""What an edit's old target turned into: edited, moved, in a renamed stage, or gone."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from midstream.diagnostic import Severity
from midstream.dockerfile import fingerprint
from midstream.overlay.pointing import address_of
from midstream.overlay.select import NO_STAGE, NOTHING_THERE, TOO_MUCH, holds, select, ship_stage
from midstream.overlay.verbs import DEAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.commands import Command
    from midstream.dockerfile.model import Dockerfile, Instruction, Stage
    from midstream.overlay.model import Address, OverlayEdit
    from midstream.overlay.select import Match
    from midstream.ubi.subject import Subject

_LOST = (NOTHING_THERE, NO_STAGE, TOO_MUCH)
_SAME = 0.4  # below it, two texts are two things
_FARTHER = 0.9  # what stands in another instruction has to be that much more alike


class Became(Struct, frozen=True):
    """Where the old target's text may be now. `likeness` is 1.0 for the same text, 0.0 for none of
    it; `at` is an address that finds it, and nothing else, or empty."""

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
    """The findings, with what became of its target added to each edit that finds nothing, or more
    than it should.

    `old` is upstream as it was when the overlay was last proved.
    """
    by_place = {id(edit.at.place): edit for edit in edits}
    was = ship_stage(old.dockerfile.stages, ship.label)
    for each in found:
        if each.rule is DEAD and was is not None:
            yield _if_it_is_dead(each, by_place.values(), old, was, new)
            continue
        edit = next((e for e in by_place.values() if each.rule in _LOST and _about(each, e)), None)
        if edit is None or was is None:
            yield each
            continue
        said = [_said(one) for one in became(edit.at, old, was, new)]
        advice = "\n".join([*said, each.help or ""]).rstrip("\n")
        yield replace(each, help=advice) if said else each


def _if_it_is_dead(
    found: Diagnostic, edits: Iterable[OverlayEdit], old: Subject, ship: Stage, new: Subject
) -> Diagnostic:
    """The finding that what an edit drops is gone; an error where something new stands where it
    was, which may do the same."""
    for edit in edits:
        if found.source is not edit.place.source or found.span != edit.place.span:
            continue
        for match in select(old, ship, edit.at):
            if match.pair is not None or not _has_heir(old, match, new):
                continue
            said = "\n".join(_said(one) for one in became(edit.at, old, ship, new))
            return replace(
                found,
                severity=Severity.ERROR,
                message=f"`{edit.id}`: what it drops is gone, and something new stands there",
                help=f"{said}\nor take the edit out, if what is there now may be carried",
            )
    return found


def _has_heir(old: Subject, match: Match, new: Subject) -> bool:
    """Whether the text that is nearest to the one that was dropped holds anything new."""
    before = {fingerprint.meaning(old.dockerfile, each) for each in old.dockerfile.instructions}
    best, _ = _closest(old.dockerfile, match.instruction, new.dockerfile)
    if best is None or fingerprint.meaning(new.dockerfile, best) in before:
        return False
    then = {each.texts for each in old.script(match.instruction).commands}
    now = [each.texts for each in new.script(best).commands]
    return any(each not in then for each in now) or not (then and now)


def _about(found: Diagnostic, edit: OverlayEdit) -> bool:
    place = edit.at.place
    return found.source is place.source and found.span == place.span


def _said(found: list[Became]) -> str:
    """The nearest one in full, and the others that it may be."""
    first, *others = found
    if not first.new_line:
        return f"what it was about (line {first.old_line} then) is gone"
    said = (
        f"what it was about (line {first.old_line} then) {first.how}, now line {first.new_line}, "
        f"{first.likeness:.0%} alike{_to_paste(first)}"
    )
    return "\n".join([said, *(f"or it {each.how}, line {each.new_line}, {each.likeness:.0%} alike"
                              f"{_to_paste(each)}" for each in others)])  # fmt: skip


def _to_paste(one: Became) -> str:
    return f"; write\n    at: {one.at}" if one.at else ""


_MOST = 3  # candidates that are shown


def became(address: Address, old: Subject, ship: Stage, new: Subject) -> list[list[Became]]:
    """For each of an address's old targets, what it may be now, the likeliest first."""
    now = ship_stage(new.dockerfile.stages, ship.label) or new.dockerfile.stages[-1]
    found = []
    for match in select(old, ship, address):
        line = old.dockerfile.source.position(match.span.start).line
        heirs = sorted(_heirs(old, match, new), key=lambda heir: -heir[0])[:_MOST]
        alike = [heir for heir in heirs if heir[0] >= _SAME]
        each = [_became(address, old, match, new, now, line, heir) for heir in alike or heirs]
        found.append(each or [Became("is gone", line, 0, 0.0, "")])
    return found


def _became(
    address: Address,
    old: Subject,
    match: Match,
    new: Subject,
    ship: Stage,
    line: int,
    heir: tuple[float, Instruction, Command | None],
) -> Became:
    likeness, instruction, command = heir
    stage = new.dockerfile.stage_of(instruction)
    then = match.stage.label if match.stage else "@global"
    now = stage.label if stage else "@global"
    span = command.span if command is not None else instruction.span
    how = _how(new.dockerfile, then, now, likeness) + _inside(match.command, command)
    how += _other_company(old, match, new, instruction)
    texts = command.texts if command is not None else ()
    kept = tuple(w for w in address.phrase if any(holds(w, text) for text in texts))
    first = kept if command is not None else address.phrase
    at = address_of(new, ship, instruction, command, [first])
    return Became(how, line, new.dockerfile.source.position(span.start).line, likeness, at)


def _how(new: Dockerfile, then: str, now: str, likeness: float) -> str:
    if likeness < _SAME:
        return "may be what is new there"
    if then == now:
        return "was edited" if likeness < 1 else "is there still"
    if all(stage.label != then for stage in new.stages):
        return f"is in `{now}`, since `{then}` is no more"
    return f"was moved from `{then}` to `{now}`"


def _inside(then: Command | None, now: Command | None) -> str:
    """` and stands in an `if` now`, where it didn't."""
    if then is None or now is None:
        return ""
    more = list(now.inside)
    for kind in then.inside:
        if kind in more:
            more.remove(kind)
    return f" and stands in `{more[-1]}` now" if more else ""


def _other_company(old: Subject, match: Match, new: Subject, now: Instruction) -> str:
    """`, its RUN was split`, or joined with another: by where the commands beside it are now."""
    if match.command is None:
        return ""
    beside = {each.texts for each in old.script(match.instruction).commands}
    beside.discard(match.command.texts)
    here = {each.texts for each in new.script(now).commands}
    elsewhere = {
        command.texts
        for each in new.dockerfile.instructions
        if each is not now and each.keyword == now.keyword
        for command in new.script(each).commands
    }
    before = {
        command.texts
        for each in old.dockerfile.instructions
        if each is not match.instruction and each.keyword == now.keyword
        for command in old.script(each).commands
    }
    if beside & elsewhere - here:
        return f", its {now.keyword} was split"
    return f", its {now.keyword} was joined with another" if here & before - beside else ""


def _heirs(
    old: Subject, match: Match, new: Subject
) -> Iterator[tuple[float, Instruction, Command | None]]:
    """What the old target may be now, each with how alike the two are. A command that stood beside
    it is none; one that went along into another instruction is known by what stands beside it."""
    instructions = list(_alike_ones(old.dockerfile, match.instruction, new.dockerfile))
    if match.command is None:
        yield from ((likeness, each, None) for likeness, each in instructions if likeness >= _SAME)
        return
    wanted = list(match.command.texts)
    others = {c.texts for each in old.dockerfile.instructions for c in old.script(each).commands}
    others.discard(match.command.texts)
    for around, each in instructions:
        for command in new.script(each).commands:
            if command.texts in others:
                continue  # it stood there before, beside it or elsewhere
            likeness = _alike(wanted, list(command.texts))
            if likeness >= _SAME or around >= _SAME:
                yield likeness * (1 if around >= _SAME else _FARTHER), each, command


def _alike_ones(
    old: Dockerfile, instruction: Instruction, new: Dockerfile
) -> Iterator[tuple[float, Instruction]]:
    wanted = fingerprint.meaning(old, instruction).split()
    matcher = difflib.SequenceMatcher(None, autojunk=False)
    matcher.set_seq2(wanted)
    for each in new.instructions:
        if each.keyword == instruction.keyword:
            matcher.set_seq1(fingerprint.meaning(new, each).split())
            near = matcher.real_quick_ratio() >= _SAME and matcher.quick_ratio() >= _SAME
            yield (matcher.ratio() if near else 0.0), each


def _closest(
    old: Dockerfile, instruction: Instruction, new: Dockerfile
) -> tuple[Instruction | None, float]:
    found = _alike_ones(old, instruction, new)
    most, best = max(found, key=lambda pair: pair[0], default=(0.0, None))
    return (best, most) if most >= _SAME else (None, 0.0)


def _alike(first: list[str], second: list[str]) -> float:
    return difflib.SequenceMatcher(None, first, second, autojunk=False).ratio()
