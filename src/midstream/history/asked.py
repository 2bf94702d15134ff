"""What a question is about: upstream's text then and now, and what the overlay does about it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.diagnostic import Place
from midstream.history import watching
from midstream.history.decisions import CHANGED, GONE, KEYED, without_stage
from midstream.history.past import IDENTITY
from midstream.overlay.model import Drop, Replace
from midstream.overlay.select import select
from midstream.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from midstream.dockerfile.model import Stage
    from midstream.history.decisions import Decisions, Given, Question
    from midstream.history.past import Past
    from midstream.overlay.model import Overlay, OverlayEdit, Review
    from midstream.source import Source
    from midstream.ubi.subject import Subject
    from midstream.upstream.origin import Earlier, Origin


class Asked(Struct, frozen=True):
    """All that a person needs to answer a question.

    `then` and `now` are the places in upstream's text, empty where it had nothing there, or isn't
    at hand. `edit` is the overlay's own text, with its `why`; `before` the last answer.
    """

    then: tuple[Place, ...]
    now: tuple[Place, ...]
    edit: Place | None = None
    why: str = ""
    before: Given | None = None

    def difference(self) -> list[str]:
        """Upstream's text then and now, line by line, as a unified diff without its header."""
        old, new = (
            [line for place in places for line in _text(place).splitlines()]
            for places in (self.then, self.now)
        )
        lines = list(difflib.unified_diff(old, new, n=2, lineterm=""))[2:]
        return ["…" if line.startswith("@@") else line for line in lines[1:]]


def sameness(question: Question, about: Asked | None) -> tuple[object, ...] | None:
    """What is equal of two targets' questions where one answer is right for both; None of one that
    is a target's own affair.

    One about an edit is the same where both targets share the edit and upstream's text under it,
    one about a reviewed text where that says the same, then and now, in whatever stage.
    """
    if about is None or question.id == IDENTITY:
        return None
    texts = [_words(about.then), _words(about.now)]
    if question.finding.rule is CHANGED:
        edit = about.edit.at if about.edit else ""
        return ("edit", question.id, edit, question.fingerprint, *texts)
    kind = without_stage(question.id)
    # The fingerprint of what has a name is that of its stage and name.
    mark = "" if kind.partition(" ")[0] in KEYED else question.fingerprint
    return ("review", kind, question.takes, mark, *texts)


def _words(places: tuple[Place, ...]) -> tuple[str, ...]:
    return tuple(" ".join(each.source[each.span].split()) for each in places)


def _text(place: Place) -> str:
    """What stands there; of a text that starts its line, with the comments right above it, which
    may say why it is there."""
    source, start = place.source, place.span.start
    first = source.position(start)
    line = first.line
    if first.column == 1:
        while line > 1 and source.line(line - 1).startswith("#"):
            line -= 1
        start = source.offset(line)
    return source[Span(start, place.span.end)]


def asked(
    question: Question,
    known: Decisions,
    overlay: Overlay,
    before: tuple[Past | None, Earlier | None],
    now: tuple[Subject, Stage, Origin],
) -> Asked:
    """What a question is about. `before` and `now` are upstream as it was, as far as that is at
    hand, and as it is."""
    past, earlier = before
    subject, stage, origin = now
    answer = known.answers.get(question.id)
    predecessor = question.finding.also
    if question.id == IDENTITY and predecessor is not None:
        return Asked(_whole(predecessor.source), _whole(origin.dockerfile), before=answer)
    file = next((f for f in overlay.files.values() if f.name == question.id), None)
    if file is not None:
        then = earlier.snapshot if earlier else None
        old = then.source(file.path) if then is not None and file.path in then else None
        new = origin.find(file.path)
        return Asked(_whole(old), _whole(new), file.place, file.why, answer)
    edit = next((each for each in overlay.edits if each.id == question.id), None)
    if edit is not None:
        old_places = _found(past.subject, past.stage, edit) if past and past.stage else ()
        new_places = tuple(_found(subject, stage, edit))
        return Asked(tuple(old_places), new_places, edit.place, edit.why, answer)
    was = _reviewed(overlay, past.subject, past.stage, question.id) if past and past.stage else ()
    is_there = question.finding.source is subject.dockerfile.source and question.fingerprint != GONE
    is_now = _reviewed(overlay, subject, stage, question.id) if is_there else ()
    review = _review_of(overlay, subject, stage, is_now) if is_now else None
    if review is None:
        return Asked(was, is_now, before=answer)
    return Asked(was, is_now, review.at.place, review.why, answer)


def _review_of(
    overlay: Overlay, subject: Subject, stage: Stage, places: tuple[Place, ...]
) -> Review | None:
    """Which `review:` of the overlay wants to be asked there."""
    for review in overlay.review:
        if any(
            match.instruction.span == places[0].span for match in select(subject, stage, review.at)
        ):
            return review
    return None


def _whole(source: Source | None) -> tuple[Place, ...]:
    return (Place(source, Span(0, len(source.text))),) if source is not None else ()


def _found(subject: Subject, stage: Stage, edit: OverlayEdit) -> Iterator[Place]:
    """What the edit does away with: commands, or whole instructions."""
    whole = isinstance(edit.verb, Replace | Drop) and edit.verb.whole
    for match in select(subject, stage, edit.at):
        span = match.instruction.span if whole else match.span
        yield Place(subject.dockerfile.source, span)


def _reviewed(overlay: Overlay, subject: Subject, stage: Stage, name: str) -> tuple[Place, ...]:
    found = watching.reviewed(overlay, subject, stage).get(name)
    if found is None:
        return ()
    return (Place(subject.dockerfile.source, found.instruction.span),)


def with_asked(
    questions: Iterable[Question],
    known: Decisions | None,
    overlay: Overlay,
    before: tuple[Past | None, Earlier | None],
    now: tuple[Subject, Stage, Origin],
) -> dict[str, Asked]:
    """By the id of each question, what it is about. One about the lock isn't among them."""
    if known is None:
        return {}
    found = {each.id: asked(each, known, overlay, before, now) for each in questions}
    return {name: each for name, each in found.items() if each.then or each.now}
