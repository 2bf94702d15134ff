"""Where a result and what somebody made of it differ, instruction by instruction."""

from __future__ import annotations

import re
from collections import Counter
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from midstream.dockerfile.model import Dockerfile, Instruction


class Hunk(Struct, frozen=True):
    """Instructions of the result and of the edited file that differ; either side may be empty.

    `at` is the number of the result's instruction that stands first in it, or behind it. `lead`
    are the comment lines that are new above each of the new ones, or where there is none, above
    the instruction at `at`.
    """

    at: int
    old: tuple[Instruction, ...]
    new: tuple[Instruction, ...]
    lead: tuple[tuple[str, ...], ...]


def hunks(result: Dockerfile, edited: Dockerfile) -> list[Hunk]:
    """Every difference, in the order of the text. Blank lines are none."""
    first, second = _Side(result), _Side(edited)
    found: list[Hunk] = []
    steps = SequenceMatcher(None, first.texts, second.texts, autojunk=False).get_opcodes()
    for kind, a, b, c, d in steps:
        if kind != "equal":
            found += _by_keyword(first, second, (a, b), (c, d))
            continue
        for i, j in zip(range(a, b), range(c, d), strict=True):
            if i != a or i == 0:  # what stands behind other instructions is told with those
                lead = _taken(Counter(first.above[i]), second.above[j])
                found += [Hunk(i, (), (), (lead,))] if lead else []
    lead = _taken(Counter(first.above[-1]), second.above[-1])
    if lead and steps[-1][0] == "equal":
        found.append(Hunk(len(first.all), (), (), (lead,)))
    return found


def texts_of(dockerfile: Dockerfile) -> list[str]:
    """The text of each instruction, byte for byte, without the end of its last line."""
    return [dockerfile.text(each.span).rstrip("\r\n") for each in dockerfile.instructions]


def comments_only_in(first: Dockerfile, second: Dockerfile) -> list[str]:
    """The comment lines of a file that another one doesn't have, in their order."""
    there = Counter(line for lines in _Side(second).above for line in lines)
    return list(_taken(there, [line for lines in _Side(first).above for line in lines]))


class _Side:
    """The instructions' texts, and the comment lines above each; the last entry is the end's."""

    def __init__(self, dockerfile: Dockerfile) -> None:
        self.all = dockerfile.instructions
        self.texts = texts_of(dockerfile)
        ends = [0, *(each.span.end for each in self.all)]
        starts = [*(each.span.start for each in self.all), len(dockerfile.source.text)]
        text = dockerfile.source.text
        self.above = [_comments(text[a:b]) for a, b in zip(ends, starts, strict=True)]


def _taken(there: Counter[str], lines: Sequence[str]) -> tuple[str, ...]:
    """The lines that aren't among those; what is, is taken from them."""
    found = []
    for line in lines:
        if there[line]:
            there[line] -= 1
        else:
            found.append(line)
    return tuple(found)


def _comments(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.lstrip().startswith("#"))


def _by_keyword(
    first: _Side, second: _Side, old: tuple[int, int], new: tuple[int, int]
) -> Iterator[Hunk]:
    """What differs, cut into pairs of one kind of instruction each where that is possible."""
    ours, theirs = first.all[slice(*old)], second.all[slice(*new)]
    # A comment of an instruction that went may stand above the next one now.
    there = Counter(line for lines in first.above[old[0] : old[1] + 1] for line in lines)
    above = [_taken(there, lines) for lines in second.above[new[0] : new[1] + 1]]
    labels = [_label(each) for each in ours], [_label(each) for each in theirs]
    for kind, a, b, c, d in SequenceMatcher(None, *labels, autojunk=False).get_opcodes():
        alike = [x.keyword for x in ours[a:b]] == [x.keyword for x in theirs[c:d]]
        if kind != "equal" and not alike:
            yield Hunk(old[0] + a, tuple(ours[a:b]), tuple(theirs[c:d]), tuple(above[c:d]))
            continue
        for i, j in zip(range(a, b), range(c, d), strict=True):
            if first.texts[old[0] + i] != second.texts[new[0] + j]:
                yield Hunk(old[0] + i, (ours[i],), (theirs[j],), ((),))
            if above[j]:
                yield Hunk(old[0] + i, (), (), (above[j],))
    if above[-1]:
        yield Hunk(old[1], (), (), (above[-1],))


_KEYED = frozenset(("ARG", "ENV", "LABEL"))


def _label(instruction: Instruction) -> str:
    """What an instruction is known by: its keyword, and its first key where it has keys."""
    key = re.match(r"[\w.-]+", instruction.value) if instruction.keyword in _KEYED else None
    return f"{instruction.keyword} {key[0]}" if key else instruction.keyword
