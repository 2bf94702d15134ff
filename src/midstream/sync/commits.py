"""Upstream's commits behind a change, each with what became of it here."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.dockerfile.fingerprint import meaning
from midstream.dockerfile.scan import parse
from midstream.history.movement import Answer, movements
from midstream.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from midstream.adapters.git_cache import Commit, Touch
    from midstream.dockerfile.model import Dockerfile
    from midstream.history.movement import Change, Movement
    from midstream.rebasing.flow import Rebased
    from midstream.upstream.git_source import GitSource
    from midstream.upstream.lock import Lock

_MOST = 300  # commits whose texts are compared; a branch that is further behind shows its newest


class Told(Struct, frozen=True):
    """One upstream commit. `what` says what became of it; `asks` the questions it led to."""

    commit: Commit
    paths: tuple[str, ...]
    what: str
    asks: tuple[str, ...] = ()


def told(source: GitSource, old: Lock, new: Lock, rebased: Rebased) -> tuple[Told, ...]:
    """The commits since a lock that touched a watched file, newest first. The history has to be
    here."""
    found = source.commits(old, new, sorted({*old.files, *new.files}))[:_MOST]
    touched = source.history.touched([each.id for each in found])
    paths = source.project.dockerfiles[rebased.overlay.target].paths
    wanted = [t for each in touched.values() for t in each if t.path in paths]
    source.bring_blobs(blob for t in wanted for blob in (t.old, t.new) if blob)
    became = _Became(source, rebased)
    return tuple(_told(each, touched.get(each.id, ()), paths, new, became) for each in found)


def _told(
    commit: Commit, touched: Iterable[Touch], paths: tuple[str, ...], new: Lock, became: _Became
) -> Told:
    watched = tuple(t for t in touched if t.path in new.files or t.old)
    names = tuple(t.path for t in watched)
    own = [t for t in watched if t.path in paths]
    if not own:
        return Told(commit, names, "touches no text of this target")
    answers = [answer for touch in own for answer in became.of(touch)]
    counts = Counter(answers)
    said = ", ".join(f"{n} {answer}" for answer, n in counts.items())
    asks = tuple(dict.fromkeys(became.asked))
    became.asked.clear()
    return Told(commit, names, said or "changes no instruction", asks)


class _Became:
    """Finds the answer to a commit's change among those to all of upstream's changes."""

    def __init__(self, source: GitSource, rebased: Rebased) -> None:
        self.source = source
        self.asked: list[str] = []  # the questions met since they were last taken away
        self._name = rebased.origin.dockerfile.name
        now = parse(rebased.origin.dockerfile)
        self._by_place: dict[tuple[str, str], list[Change]] = {}
        self._by_text: dict[tuple[str, str, str], Change] = {}
        for change in rebased.changes:
            movement = change.movement
            place = (movement.stage, movement.keyword)
            self._by_place.setdefault(place, []).append(change)
            if movement.new is not None:
                self._by_text[*place, meaning(now, movement.new)] = change

    def of(self, touch: Touch) -> list[str]:
        if touch.new is None:
            return ["the file went"]
        if touch.old is None:
            return ["the file came"]
        old, new = self._text(touch.old), self._text(touch.new)
        return [self._answer(new, each) for each in movements(old, new)]

    def _text(self, blob: str) -> Dockerfile:
        return parse(Source.from_bytes(self._name, self.source.blobs.get(blob)))

    def _answer(self, new: Dockerfile, movement: Movement) -> str:
        place = (movement.stage, movement.keyword)
        change = None
        if movement.new is not None:
            change = self._by_text.get((*place, meaning(new, movement.new)))
        near = self._by_place.get(place, [])
        change = change or (near[0] if near else None)
        if change is None:
            return "undone later"
        if change.answer is Answer.ASKED:
            self.asked.append(change.by)
        return str(change.answer)


def behind(asked: Iterable[Told]) -> Mapping[str, tuple[Commit, ...]]:
    """The commits that led to each question, newest first."""
    found: dict[str, list[Commit]] = {}
    for each in asked:
        for question in each.asks:
            found.setdefault(question, []).append(each.commit)
    return {question: tuple(commits) for question, commits in found.items()}
