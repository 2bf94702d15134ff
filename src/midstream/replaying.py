"""The overlays as they stand, over a line of upstream releases: what would have been asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.errors import MidstreamError
from midstream.history.facts import counts
from midstream.history.past import IDENTITY
from midstream.overlay.choosing import NoOverlay
from midstream.upstream.origin import Earlier, dockerfiles_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from midstream.diagnostic import UpstreamCommit
    from midstream.history.decisions import Decisions
    from midstream.history.facts import Moved
    from midstream.history.movement import Answer
    from midstream.rebasing.flow import Rebased, Rebaser
    from midstream.upstream.origin import Origin


class Step(Struct, frozen=True):
    """One target at one revision. `problem` says why it could not be rebased at all. `commits` are
    those of upstream behind each question, and behind errors under the codes of their findings,
    where they are known. `predecessor` is the path that had the file's text before, where that is
    another one."""

    revision: str
    target: str
    counts: dict[Answer, int]
    questions: tuple[str, ...] = ()
    errors: int = 0
    problem: str = ""
    commits: Mapping[str, tuple[UpstreamCommit, ...]] = {}
    facts: tuple[Moved, ...] = ()
    predecessor: str = ""


class Walk:
    """Goes from revision to revision; the lock of each is what the one before left.

    Every question is counted and then taken as accepted, as a person would have done in time.
    `origin_of` gives upstream's text of a target at the revision that is under way, or None.
    """

    def __init__(self, rebaser: Rebaser, origin_of: Callable[[str], Origin | None]) -> None:
        self.rebaser = rebaser
        self.origin_of = origin_of
        self._locks: dict[str, Decisions] = {}
        self._earlier: dict[tuple[str | None, ...], Earlier] = {}
        rebaser.locks = self._locks
        rebaser.earlier = self._then

    def _then(self, lock: Decisions) -> Earlier | None:
        return self._earlier.get(_of(lock))

    def steps(self, revision: str, targets: Iterable[str]) -> Iterator[Step]:
        """What the rebase of each target gives at one revision."""
        self.rebaser.forget()
        for target in targets:
            if self.origin_of(target) is None:
                continue
            try:
                rebased = self.rebaser.rebase(target)
            except NoOverlay as error:  # a gap in the ranges, not a fault of an overlay
                yield Step(revision, target, {}, problem=error.message)
                continue
            except MidstreamError as error:
                yield Step(revision, target, {}, errors=1, problem=error.message)
                continue
            yield _step(revision, rebased)
            self._keep(rebased)

    def _keep(self, rebased: Rebased) -> None:
        origin = rebased.origin
        # As in a tree, each range's overlay has a lock of its own.
        self._locks[rebased.overlay.folder] = rebased.decisions
        text = Earlier(origin.dockerfile, dockerfiles_beside(origin), origin.snapshot)
        self._earlier[_of(rebased.decisions)] = text
        asked_for = {_of(lock) for lock in self._locks.values()}
        self._earlier = {then: of for then, of in self._earlier.items() if then in asked_for}


def _of(lock: Decisions) -> tuple[str | None, ...]:
    """Which text of which upstream a lock was made from."""
    return (lock.target, *(lock.upstream.get(key) for key in ("release", "commit", "blob")))


def _step(revision: str, rebased: Rebased) -> Step:
    return Step(
        revision,
        rebased.overlay.target,
        counts(rebased.changes, rebased.facts),
        tuple(question.id for question in rebased.questions),
        sum(found.is_error for found in rebased.findings),
        commits=_commits(rebased),
        facts=rebased.facts,
        predecessor=_predecessor(rebased),
    )


def _predecessor(rebased: Rebased) -> str:
    found = next((each.finding for each in rebased.questions if each.id == IDENTITY), None)
    return found.also.source.name if found and found.also else ""


def _commits(rebased: Rebased) -> dict[str, tuple[UpstreamCommit, ...]]:
    asked = {question.id: question.finding.commits for question in rebased.questions}
    broken = {found.rule.code: found.commits for found in rebased.findings}
    return {name: commits for name, commits in {**broken, **asked}.items() if commits}
