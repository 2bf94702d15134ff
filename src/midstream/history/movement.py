"""What upstream changed between two texts of a Dockerfile, and what became of each change here."""

from __future__ import annotations

import difflib
import re
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.dockerfile import fingerprint
from midstream.dockerfile.arguments import pairs
from midstream.ledger import Fate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from midstream.dockerfile.model import Dockerfile, Instruction
    from midstream.ledger import Entry


class Answer(StrEnum):
    """What midstream does about an upstream change, in the order that a report lists them."""

    TAKEN = "taken"  # carried or converted into the result
    FACT = "fact moved"  # a value, old to new
    SET_ASIDE = "set aside"  # nothing shipped needs it, or a standing decision drops it
    ASKED = "asked"  # a person has to look


class Movement(Struct, frozen=True):
    """One changed instruction. `old` or `new` is None where it was added or taken out.

    `what` says the change for people; `values` are the names whose value moved, old and new.
    """

    stage: str
    keyword: str
    old: Instruction | None
    new: Instruction | None
    what: str
    values: tuple[tuple[str, str, str], ...] = ()


class Change(Struct, frozen=True):
    """A movement with its answer, and what gave it: a fate, an edit's id."""

    movement: Movement
    answer: Answer
    by: str


def movements(old: Dockerfile, new: Dockerfile) -> tuple[Movement, ...]:
    """Every instruction that says something else now. Layout, comments and the order of stages
    play no part."""
    before, after = _by_stage(old), _by_stage(new)
    renamed = _renamed(old, new, before, after)
    found: list[Movement] = []
    for label, instructions in after.items():
        earlier = before.get(renamed.get(label, label), [])
        found += _in_stage(old, new, label, earlier, instructions)
    gone = set(before) - set(after) - set(renamed.values())
    for label in sorted(gone):
        found += [_movement(old, new, label, each, None) for each in before[label]]
    return tuple(found)


def _by_stage(dockerfile: Dockerfile) -> dict[str, list[Instruction]]:
    stages = {"@global": list(dockerfile.preamble)}
    for stage in dockerfile.stages:
        stages.setdefault(stage.label, []).extend(stage.instructions)
    return stages


def _renamed(
    old: Dockerfile,
    new: Dockerfile,
    before: Mapping[str, list[Instruction]],
    after: Mapping[str, list[Instruction]],
) -> dict[str, str]:
    """Stages that went under another name: new label to old, where most of the text is the same."""
    gone = {label: _meanings(old, before[label][1:]) for label in before if label not in after}
    found = {}
    for label in after:
        if label in before:
            continue
        mine = _meanings(new, after[label][1:])
        best = max(gone, key=lambda other: _alike(gone[other], mine), default=None)
        if best is not None and _alike(gone[best], mine) > 0.6:
            found[label] = best
            del gone[best]
    return found


def _meanings(dockerfile: Dockerfile, instructions: Iterable[Instruction]) -> list[str]:
    return [fingerprint.meaning(dockerfile, each) for each in instructions]


def _alike(first: list[str], second: list[str]) -> float:
    if not first or not second:
        return 0.0
    return difflib.SequenceMatcher(None, first, second, autojunk=False).ratio()


def _in_stage(
    old: Dockerfile,
    new: Dockerfile,
    label: str,
    earlier: list[Instruction],
    later: list[Instruction],
) -> Iterator[Movement]:
    before, after = _meanings(old, earlier), _meanings(new, later)
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            continue
        for first, second in _paired(earlier[i1:i2], later[j1:j2], before[i1:i2], after[j1:j2]):
            if not (first and second) or _says(old, first) != _says(new, second):
                yield _movement(old, new, label, first, second)


def _says(dockerfile: Dockerfile, instruction: Instruction) -> str:
    return fingerprint.meaning(dockerfile, instruction)


def _paired(
    earlier: list[Instruction], later: list[Instruction], before: list[str], after: list[str]
) -> Iterator[tuple[Instruction | None, Instruction | None]]:
    """Old and new instructions of one changed stretch, each with the one that it resembles."""
    free = list(range(len(earlier)))
    for at, instruction in enumerate(later):
        likeness = {
            index: _likeness(before[index], after[at])
            for index in free
            if earlier[index].keyword == instruction.keyword
        }
        best = max(likeness, key=lambda index: likeness[index], default=None)
        if best is not None and likeness[best] >= 0.4:
            free.remove(best)
            yield earlier[best], instruction
        else:
            yield None, instruction
    for index in free:
        yield earlier[index], None


def _likeness(first: str, second: str) -> float:
    if first == second:
        return 1.0
    return difflib.SequenceMatcher(None, first.split(), second.split(), autojunk=False).ratio()


def _movement(
    old: Dockerfile,
    new: Dockerfile,
    label: str,
    first: Instruction | None,
    second: Instruction | None,
) -> Movement:
    either = second or first
    keyword = either.keyword if either else ""
    if first is None or second is None:
        return Movement(label, keyword, first, second, "added" if second else "taken out")
    values = _values(old, new, first, second) or _versions(_says(old, first), _says(new, second))
    if values:
        said = ", ".join(f"{name} {was} -> {now}" for name, was, now in values)
        return Movement(label, keyword, first, second, said, values)
    return Movement(label, keyword, first, second, "changed")


_VERSION = re.compile(r"[vV]?\d+(?:\.\d+)+[\w.+-]*|\b(?=[0-9a-f]*\d)[0-9a-f]{7,40}\b")
_MOST = 6  # versions that move at once; more is no longer read as a list of facts


def _versions(before: str, after: str) -> tuple[tuple[str, str, str], ...]:
    """The versions and commits that alone differ between two texts, each named by the word that it
    stands in, or by the option before it; nothing where anything else differs."""
    old, new = before.split(), after.split()
    if len(old) != len(new):
        return ()
    moved = []
    for at, (was, now) in enumerate(zip(old, new, strict=True)):
        if was == now:
            continue
        if _VERSION.sub("#", was) != _VERSION.sub("#", now):
            return ()
        lead = was[: next(_VERSION.finditer(was)).start()].rstrip("=@:/-~^>< \"'")
        name = lead.rpartition("/")[2] or lead or (old[at - 1] if at else was)
        pairs_ = zip(_VERSION.findall(was), _VERSION.findall(now), strict=True)
        moved += [(name.strip("\"'"), one, two) for one, two in pairs_ if one != two]
    return tuple(moved) if len(moved) <= _MOST else ()


def _values(
    old: Dockerfile, new: Dockerfile, first: Instruction, second: Instruction
) -> tuple[tuple[str, str, str], ...]:
    """The names whose value alone moved; nothing where more than values changed."""
    if first.keyword not in ("ARG", "ENV", "LABEL") or first.keyword != second.keyword:
        return ()
    was = {pair.name: pair.value or "" for pair in pairs(old, first)}
    now = {pair.name: pair.value or "" for pair in pairs(new, second)}
    if was.keys() != now.keys():
        return ()
    return tuple((name, was[name], now[name]) for name in now if was[name] != now[name])


def answered(
    found: Iterable[Movement],
    fates: Mapping[int, Entry],
    was_built: frozenset[int],
    asked: Mapping[int, str],
) -> tuple[Change, ...]:
    """What became of each movement.

    `fates` are those of the new text, by the offset where an instruction starts; `was_built` the
    offsets in the old text of what the shipped stage needed; `asked` maps offsets in the new text
    to the question that is open there.
    """
    changes = []
    for movement in found:
        if movement.new is not None:
            at = movement.new.span.start
            answer = _answer(movement, fates.get(at), asked.get(at))
        elif movement.old is not None and movement.old.span.start not in was_built:
            answer = (Answer.SET_ASIDE, "unreachable")
        else:
            answer = (Answer.TAKEN, "taken out")
        changes.append(Change(movement, *answer))
    return tuple(changes)


def _answer(movement: Movement, entry: Entry | None, question: str | None) -> tuple[Answer, str]:
    if question is not None:
        return Answer.ASKED, question
    fate = entry.fate if entry else Fate.CARRIED
    by = ", ".join(reason.by for reason in entry.reasons) if entry else ""
    if fate is Fate.UNDECIDED:
        return Answer.ASKED, by
    if fate is Fate.UNREACHABLE:
        return Answer.SET_ASIDE, "unreachable"
    if fate in (Fate.DROPPED, Fate.REPLACED):
        return Answer.SET_ASIDE, by
    return (Answer.FACT if movement.values else Answer.TAKEN), str(fate)
