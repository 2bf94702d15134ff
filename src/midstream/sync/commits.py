"""Upstream's commits behind a change, each with what became of it here."""

from __future__ import annotations

import re
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
    """One upstream commit. `what` says what became of it; `asks` the questions it led to; `moves`
    the values that it moved in files beside the Dockerfile."""

    commit: Commit
    paths: tuple[str, ...]
    what: str
    asks: tuple[str, ...] = ()
    moves: tuple[str, ...] = ()


def told(source: GitSource, old: Lock, new: Lock, rebased: Rebased) -> tuple[Told, ...]:
    """The commits since a lock that touched a watched file, newest first. The history has to be
    here."""
    found = source.commits(old, new, sorted({*old.files, *new.files}))[:_MOST]
    touched = source.history.touched([each.id for each in found])
    paths = source.project.dockerfiles[rebased.overlay.target].paths
    wanted = [t for each in touched.values() for t in each if t.path in paths]
    source.bring_blobs(blob for t in wanted for blob in (t.old, t.new) if blob)
    became = _Became(source, rebased)
    values = _Values(source, rebased, touched.values(), paths)
    return tuple(_told(each, touched.get(each.id, ()), paths, became, values) for each in found)


def _told(
    commit: Commit,
    touched: tuple[Touch, ...],
    paths: tuple[str, ...],
    became: _Became,
    values: _Values,
) -> Told:
    names = tuple(t.path for t in touched)
    own = [t for t in touched if t.path in paths]
    moved = tuple(name for t in touched for name in values.of(t))
    answers = [answer for touch in own for answer in became.of(touch)]
    said = [f"{n} {answer}" for answer, n in Counter(answers).items()]
    if not said and not moved:
        said = ["changes no instruction" if own else "touches no text of this target"]
    asks = tuple(dict.fromkeys(became.asked))
    became.asked.clear()
    return Told(commit, names, ", ".join(said), asks, tuple(dict.fromkeys(moved)))


class _Values:
    """Finds the values that a commit moved, in files beside the Dockerfile."""

    def __init__(
        self,
        source: GitSource,
        rebased: Rebased,
        touched: Iterable[tuple[Touch, ...]],
        paths: tuple[str, ...],
    ) -> None:
        self.source = source
        self._names: dict[str, list[str]] = {}
        for fact in rebased.facts:
            for path in (fact.file, *fact.also):
                if path not in paths:
                    self._names.setdefault(path, []).append(fact.name)
        wanted = [t for each in touched for t in each if t.path in self._names]
        source.bring_blobs(blob for t in wanted for blob in (t.old, t.new) if blob)

    def of(self, touch: Touch) -> list[str]:
        """The values whose lines differ between the two texts of a file."""
        names = self._names.get(touch.path, [])
        if not names:
            return []
        old, new = self._lines(touch.old), self._lines(touch.new)
        return [name for name in names if _about(name, old) != _about(name, new)]

    def _lines(self, blob: str | None) -> list[str]:
        return self.source.blobs.get(blob).decode(errors="replace").splitlines() if blob else []


def _about(name: str, lines: list[str]) -> list[str]:
    """The lines that name a value, by itself: `transformers` isn't `sentence-transformers`."""
    word = "[-_.]+".join(re.escape(part) for part in re.split(r"[-_.]+", name))
    found = re.compile(rf"(?<![\w-]){word}(?![\w-])", re.IGNORECASE)
    return [each for each in lines if found.search(each)]


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
