"""What upstream changed since a target's lock, in lines for people and for programs."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from msgspec.structs import replace

from midstream.history.facts import summary
from midstream.history.movement import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from midstream.history.facts import Moved
    from midstream.rebasing.flow import Rebased


def lines(rebased: Rebased) -> Iterator[str]:
    """The counts, then each value that moved, by file, and each question's place."""
    if rebased.unseen:
        yield (
            f"{rebased.overlay.target}: {rebased.unseen} isn't at hand, so what moved since then "
            "can't be told whole"
        )
    if not (rebased.changes or rebased.facts):
        return
    yield f"{rebased.overlay.target}: {summary(rebased.changes, rebased.facts)}"
    yield from facts(rebased.facts)
    for change in rebased.changes:
        movement = change.movement
        if change.answer is Answer.ASKED:
            place = movement.new or movement.old
            line = place.first_line if place else 0
            yield (
                f"  {change.answer:10}  {movement.stage} / {movement.keyword}, line {line}: "
                f"{movement.what}"
            )


_MOST_ALONE = 4  # values that came or went, each on a line of its own


def facts(moved: Iterable[Moved]) -> Iterator[str]:
    """Values that moved, under the file that they stand in. Many that came or went, as in a list
    that a tool writes, share a line."""
    for file, group in groupby(moved, key=lambda row: row.file):
        rows = list(group)
        yield f"  facts in {file}"
        came = [row for row in rows if not row.old]
        went = [row for row in rows if not row.new]
        many = [each for each in (came, went) if len(each) > _MOST_ALONE]
        alone = [row for row in rows if not any(row in each for each in many)]
        width = min(40, max((len(row.name) for row in alone), default=0))
        for row in alone:
            also = f"  (also {', '.join(row.also)})" if row.also else ""
            yield f"    {row.line:>5}  {row.name:{width}}  {_short(row).said}{also}"
        for each in many:
            said = "new" if each is came else "gone"
            names = ", ".join(f"{row.name} {row.new or row.old}" for row in each)
            yield f"           {len(each)} {said}: {names}"


_WIDEST = 80


def _short(row: Moved) -> Moved:
    old, new = (each if len(each) <= _WIDEST else f"{each[: _WIDEST - 1]}…"
                for each in (row.old, row.new))  # fmt: skip
    return replace(row, old=old, new=new)


def fact_as_json(row: Moved) -> dict[str, object]:
    return {
        "name": row.name,
        "old": row.old or None,
        "new": row.new or None,
        "file": row.file,
        "line": row.line,
        "also": list(row.also),
    }
