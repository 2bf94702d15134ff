"""How far behind a target is, and since when nobody took care of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.errors import MidstreamError
from midstream.history.movement import Answer
from midstream.sync.running import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from midstream.sync.running import Result, Sync
    from midstream.upstream.lock import Lock

_BEHIND = (Outcome.MOVED, Outcome.ASKED, Outcome.ERRORS, Outcome.FAILED)


class Status(Struct, frozen=True):
    """One target. `carried` is what its branch, or the base, was made from; `newest` is None where
    upstream can't be asked. `changes` are those of upstream that matter here; `days` lie between
    the two upstream dates; `waiting` are the seconds since the first upstream commit that nobody
    took care of."""

    target: str
    outcome: Outcome
    carried: Lock | None
    newest: Lock | None
    changes: int
    questions: tuple[str, ...]
    days: float
    waiting: float
    said: str

    @property
    def is_behind(self) -> bool:
        return self.outcome in _BEHIND

    def is_forgotten(self, most: float) -> bool:
        """Whether a sync would have done something longer ago than `most` seconds, and didn't.

        A target that asks was looked after: it waits for a person, and says so."""
        return self.is_behind and self.outcome is not Outcome.ASKED and self.waiting > most


def status(job: Sync, result: Result) -> Status:
    """What a dry run says of a target, in figures."""
    lock = job.inputs.lock
    before = result.standing.before if result.standing else None
    rebased = result.rebased
    changes = rebased.changes if rebased else ()
    behind = result.outcome in _BEHIND
    return Status(
        target=result.target,
        outcome=result.outcome,
        carried=before,
        newest=lock,
        changes=sum(each.answer is not Answer.SET_ASIDE for each in changes) if behind else 0,
        questions=tuple(q.id for q in rebased.questions) if rebased else (),
        days=_seconds_between(before, lock) / 86400 if before and behind else 0.0,
        waiting=_waiting(job, before, lock) if behind else 0.0,
        said=result.said,
    )


def without_upstream(job: Sync, targets: Iterable[str]) -> list[Status]:
    """What stands here, where upstream can't be asked how far behind that is."""
    return [
        Status(target, Outcome.SAME, job.carried(target), None, 0, (), 0.0, 0.0, "not known")
        for target in targets
    ]


def _seconds_between(old: Lock, new: Lock) -> float:
    return max(0.0, _seconds(new.date) - _seconds(old.date))


def _waiting(job: Sync, before: Lock | None, lock: Lock) -> float:
    """Seconds since the first upstream commit that isn't carried here."""
    first = lock.date
    if before is not None:
        try:
            job.bring_history()
            paths = sorted({*before.files, *lock.files})
            commits = job.source.commits(before, lock, paths)
            first = commits[-1].date if commits else first
        except MidstreamError:
            pass  # the newest commit's date says too little, and nothing wrong
    return job.options.now - _seconds(first)


def _seconds(date: str) -> float:
    return datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()
