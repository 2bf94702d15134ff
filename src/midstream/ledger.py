"""One fate for every upstream instruction, with the reasons for it."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from midstream.diagnostic import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.model import Dockerfile, Instruction, Stage
    from midstream.edit import Edit

_T = TypeVar("_T")


class Fate(StrEnum):
    """What became of an upstream instruction, in the order that a summary lists them."""

    UNREACHABLE = "unreachable"  # in a stage that the shipped one doesn't need
    CARRIED = "carried"  # byte for byte
    CONVERTED = "converted"  # changed by a rule of the platform
    EDITED = "edited"  # changed in part by the overlay
    REPLACED = "replaced"  # the overlay's text stands in its place
    DROPPED = "dropped"  # gone, by a decision of the overlay
    FACT = "fact"  # read as a value by the target's own template
    UNDECIDED = "undecided"  # nobody has said; nothing is written


class Reason(Struct, frozen=True):
    """Who changed an instruction, and why: a conversion's name, or an overlay edit's id."""

    by: str
    why: str


class Entry(Struct, frozen=True):
    """One upstream instruction. Lines count from one, as editors count them."""

    keyword: str
    stage: str | None
    first_line: int
    last_line: int
    fate: Fate
    reasons: tuple[Reason, ...] = ()
    start: int = 0  # the offset of its first character


class Ledger(Struct, frozen=True):
    """The fates of all instructions of one upstream file, in its order."""

    entries: tuple[Entry, ...]

    def by_start(self) -> dict[int, Entry]:
        """The entries by the offset where each instruction starts."""
        return {entry.start: entry for entry in self.entries}

    def counts(self) -> dict[Fate, int]:
        found = Counter(entry.fate for entry in self.entries)
        return {fate: found[fate] for fate in Fate}

    def summary(self) -> str:
        """`322 upstream instructions: 128 unreachable, 96 carried, …, 0 undecided`."""
        counts = self.counts()
        always = {Fate.CARRIED, Fate.CONVERTED, Fate.UNDECIDED}
        parts = [f"{n} {fate}" for fate, n in counts.items() if n or fate in always]
        return f"{counted(len(self.entries), 'upstream instruction')}: {', '.join(parts)}"

    def as_bytes(self) -> bytes:
        """The ledger as it is written beside the result."""
        content = self.as_json()
        # One line for each instruction: a change of one is a change of one line.
        rows = ",\n".join(f"  {json.dumps(row)}" for row in content["instructions"])
        counts = json.dumps(content["counts"])
        return (
            f'{{\n "midstream": 1,\n "counts": {counts},\n "instructions": [\n{rows}\n ]\n}}\n'
        ).encode()

    def as_json(self) -> dict[str, Any]:
        return {
            "counts": {str(fate): n for fate, n in self.counts().items()},
            "instructions": [
                {
                    "keyword": entry.keyword,
                    "stage": entry.stage,
                    "lines": [entry.first_line, entry.last_line],
                    "fate": str(entry.fate),
                    "reasons": [{"by": each.by, "why": each.why} for each in entry.reasons],
                }
                for entry in self.entries
            ],
        }


class Claim(Struct, frozen=True):
    """What the overlay decided about an instruction: its edit's id, the fate, and the reason."""

    instruction: Instruction
    fate: Fate
    by: str
    why: str


_STRONGEST = (Fate.DROPPED, Fate.REPLACED, Fate.FACT, Fate.EDITED)


def write_ledger(
    dockerfile: Dockerfile,
    live: frozenset[int],
    claims: Iterable[Claim],
    edits: Iterable[Edit],
    findings: Iterable[Diagnostic],
) -> Ledger:
    """Give every instruction its fate.

    `claims` are the overlay's, `edits` those that conversions and assumptions made, `findings` the
    errors that nobody has answered: they leave their instruction undecided.
    """
    by_start: dict[int, list[Claim]] = {}
    for claim in claims:
        by_start.setdefault(claim.instruction.span.start, []).append(claim)
    changes = _by_instruction(dockerfile, ((edit.span.start, edit) for edit in edits))
    errors = _by_instruction(
        dockerfile,
        ((f.span.start, f) for f in findings if f.is_error and f.source is dockerfile.source),
    )

    def judged(instruction: Instruction) -> tuple[Fate, tuple[Reason, ...]]:
        start = instruction.span.start
        return _judge(by_start.get(start, []), changes.get(start, []), errors.get(start, []))

    entries = [_entry(i, None, judged(i)) for i in dockerfile.preamble]
    for stage in dockerfile.stages:
        for instruction in stage.instructions:
            reachable = stage.index in live
            fate = judged(instruction) if reachable else (Fate.UNREACHABLE, ())
            entries.append(_entry(instruction, stage, fate))
    return Ledger(tuple(entries))


def _entry(
    instruction: Instruction, stage: Stage | None, judged: tuple[Fate, tuple[Reason, ...]]
) -> Entry:
    return Entry(
        keyword=instruction.keyword,
        stage=stage.label if stage else None,
        first_line=instruction.first_line,
        last_line=instruction.last_line,
        fate=judged[0],
        reasons=judged[1],
        start=instruction.span.start,
    )


def _judge(
    claims: list[Claim], changes: list[Edit], errors: list[Diagnostic]
) -> tuple[Fate, tuple[Reason, ...]]:
    reasons = [Reason(claim.by, claim.why) for claim in claims]
    reasons += [Reason(edit.rule, edit.why) for edit in changes]
    unique = tuple(dict.fromkeys(reasons))
    if errors:
        said = tuple(Reason(found.rule.code, found.message) for found in errors)
        return Fate.UNDECIDED, (*unique, *said)
    fates = {claim.fate for claim in claims}
    strongest = next((fate for fate in _STRONGEST if fate in fates), None)
    if strongest is not None:
        return strongest, unique
    return (Fate.CONVERTED if changes else Fate.CARRIED), unique


def _by_instruction(
    dockerfile: Dockerfile, placed: Iterable[tuple[int, _T]]
) -> Mapping[int, list[_T]]:
    """What stands in each instruction, by the offset where the instruction starts."""
    starts = [instruction.span.start for instruction in dockerfile.instructions]
    found: dict[int, list[_T]] = {}
    for offset, what in placed:
        index = bisect_right(starts, offset) - 1
        if index >= 0 and offset < dockerfile.instructions[index].span.end:
            found.setdefault(starts[index], []).append(what)
    return found
