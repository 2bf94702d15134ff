"""The upstream commits behind a question, and behind an error that wasn't there before.

A file's versions are gone through from the newest one back, until it says what it said when the
lock was made. So a change that was taken back and came again is put down to the commit that it
came with, and one that a release's branch had picked already is nobody's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from midstream.dockerfile.arguments import pairs
from midstream.dockerfile.scan import parse
from midstream.history import watching
from midstream.history.identity import other_predecessor
from midstream.history.past import IDENTITY, past
from midstream.overlay.model import Swap
from midstream.overlay.select import select, stages_of
from midstream.upstream.origin import Earlier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from midstream.diagnostic import Diagnostic, Place, UpstreamCommit
    from midstream.dockerfile.model import Dockerfile, Stage
    from midstream.history.decisions import Question
    from midstream.history.past import Past
    from midstream.overlay.model import Overlay, OverlayEdit
    from midstream.source import Source
    from midstream.ubi.subject import Subject
    from midstream.upstream.revisions import Revisions

    Say = Callable[[Past], Any]
    Of = Callable[[str, bool], Revisions | None]


def with_commits(
    before: Past | None,
    overlay: Overlay,
    subject: Subject,
    stage: Stage,
    found: Iterable[Diagnostic],
    questions: Iterable[Question],
    of: Of,
) -> tuple[list[Diagnostic], list[Question]]:
    """The findings and questions, with upstream's commits at those that a commit led to.

    `of` gives the versions of a file, by its path, with their texts if they are wanted, where
    they are at hand; it is asked only where something is to be put down to a commit.
    """
    blame = _Blame(before, overlay, subject, stage, of)
    return (
        [blame.of_finding(each) for each in found],
        [replace(each, finding=blame.of_question(each)) for each in questions],
    )


class _Blame:
    def __init__(
        self, before: Past | None, overlay: Overlay, subject: Subject, stage: Stage, of: Of
    ) -> None:
        self.before, self.overlay, self.subject, self.stage = before, overlay, subject, stage
        self.of = of
        self._line: Revisions | None = None
        self._is_asked = False
        self._read: dict[str, Past] = {}

    def of_finding(self, found: Diagnostic) -> Diagnostic:
        """One about what the overlay says and upstream doesn't fit any more, or about what upstream
        says: the commit since which it is so."""
        say = self._asking(found) if found.is_error else None
        led = self._commits(say) if say else ()
        return replace(found, commits=led[-1:]) if led else found

    def _asking(self, found: Diagnostic) -> Say | None:
        """What to ask of a text, to see since when something written in the overlay doesn't fit."""
        for edit in self.overlay.edits:
            if _stands_at(found, edit.at.place) or _stands_at(found, edit.place):
                return lambda then: _finds(then, edit)
        for name, argument in self.overlay.ship.args.items():
            if _stands_at(found, argument.place):
                return lambda then: _declares(then, name)
        return self._holding(found)

    def _holding(self, found: Diagnostic) -> Say | None:
        """Of a finding in upstream's own text: whether a text says there what it is about."""
        dockerfile = self.subject.dockerfile
        around = (each for each in dockerfile.instructions if found.span in each.span)
        instruction = next(around, None) if found.source is dockerfile.source else None
        if instruction is None:
            return None
        stage = dockerfile.stage_of(instruction)
        where = (stage.label if stage else None, instruction.keyword)
        text = _words(dockerfile.source.text[found.span.start : found.span.end])
        return lambda then: _holds(then.subject.dockerfile, *where, text)

    def of_question(self, question: Question) -> Diagnostic:
        led = self._led_to(question.id)
        return replace(question.finding, commits=led) if led else question.finding

    def _led_to(self, name: str) -> tuple[UpstreamCommit, ...]:
        if name == IDENTITY:
            return self._commits(self._other_predecessor)
        file = next((f for f in self.overlay.files.values() if f.name == name), None)
        if file is not None:
            return self._touching((file.path,))
        edit = next((e for e in self.overlay.edits if e.id == name), None)
        if edit is None:
            return self._commits(lambda then: _reviewed(self.overlay, then, name))
        led = self._commits(lambda then: _replaced(then, edit))
        return led or self._touching(watching.scripts_of(self.subject, self.stage, edit))

    def _other_predecessor(self, then: Past) -> str | None:
        if self.before is None:
            return None
        earlier = self.before.earlier
        return other_predecessor(then.earlier.dockerfile, earlier.dockerfile, earlier.others)

    def _commits(self, say: Say) -> tuple[UpstreamCommit, ...]:
        """The commits that changed what is said of a text, newest first, back to what was said of
        the text that the lock was made from; none where that is never met."""
        line = self._dockerfile()
        if self.before is None or line is None:
            return ()
        wanted, now = say(self.before), self._said(say, self.subject.dockerfile.source)
        texts = [*(each.text for each in line.newest_first[1:]), line.start]
        found = []
        for revision, text in zip(line.newest_first, texts, strict=True):
            if now == wanted:
                break
            then = self._said(say, text)
            found += [revision.commit] if then != now else []
            now = then
        return tuple(found) if now == wanted else ()

    def _dockerfile(self) -> Revisions | None:
        """The versions of the Dockerfile, if they lead to the text that is rebased."""
        if not self._is_asked:
            self._is_asked = True
            source = self.subject.dockerfile.source
            line = self.of(source.name, True) if self.before is not None else None
            newest = line.newest_first[0].text if line and line.newest_first else None
            self._line = line if newest and newest.data == source.data else None
        return self._line

    def _said(self, say: Say, text: Source | None) -> Any:
        if text is None:
            return None
        if text.text not in self._read:
            self._read[text.text] = past(Earlier(text), parse(text), self.subject, self.stage)
        return say(self._read[text.text])

    def _touching(self, paths: Iterable[str]) -> tuple[UpstreamCommit, ...]:
        """The commits that touched these files since."""
        lines = [self.of(path, False) for path in paths]
        found = {
            each.commit.id: each.commit for line in lines if line for each in line.newest_first
        }
        return tuple(sorted(found.values(), key=lambda each: each.date, reverse=True))


def _stands_at(found: Diagnostic, place: Place) -> bool:
    return found.source is place.source and found.span == place.span


def _finds(then: Past, edit: OverlayEdit) -> tuple[int, ...]:
    """How many places an edit finds, and of a swap how many texts in them."""
    if then.stage is None:
        return (0,)
    if edit.at.whole_stage:
        return (len(stages_of(then.subject, then.stage, edit.at.stage)),)
    spans = [match.span for match in select(then.subject, then.stage, edit.at)]
    if not isinstance(edit.verb, Swap):
        return (len(spans),)
    text = then.subject.dockerfile.source.text
    return (len(spans), sum(text[s.start : s.end].count(edit.verb.old) for s in spans))


def _declares(then: Past, name: str) -> bool:
    """Whether an ARG that the shipped stage needs declares a build argument."""
    subject = then.subject
    return any(
        each.keyword == "ARG" and any(pair.name == name for pair in pairs(subject.dockerfile, each))
        for _, each in subject.live_instructions()
    )


def _holds(dockerfile: Dockerfile, label: str | None, keyword: str, text: str) -> bool:
    """Whether an instruction of this kind in a stage has a text, however it is laid out."""
    stages = [each.instructions for each in dockerfile.stages if each.label == label]
    return any(
        text in _words(dockerfile.text(each.span))
        for instructions in (stages if label else [dockerfile.preamble])
        for each in instructions
        if each.keyword == keyword
    )


def _words(text: str) -> str:
    return " ".join(text.split())


def _replaced(then: Past, edit: OverlayEdit) -> str | None:
    return watching.mark_of(then.subject, then.stage, edit) if then.stage else None


def _reviewed(overlay: Overlay, then: Past, name: str) -> str | None:
    if then.stage is None:
        return None
    found = watching.reviewed(overlay, then.subject, then.stage).get(name)
    return found.fingerprint if found else None
