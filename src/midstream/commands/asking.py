"""A question with all that it takes to answer it, on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream import report
from midstream.diagnostic import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Place
    from midstream.history.asked import Asked
    from midstream.history.decisions import Question
    from midstream.rebasing.flow import Rebased

_MOST = 40  # lines of a difference; the rest is a change that is better read in the files


def show(rebased: Rebased, question: Question) -> None:
    """The finding, then both texts, what the overlay does about them, and the last answer."""
    report.show_findings([question.finding])
    about = rebased.asked.get(question.id)
    if about is not None:
        for line in lines(about):
            report.note(f"  {line}".rstrip())
        report.note("")


def lines(about: Asked) -> Iterator[str]:
    for said, places in (("then", about.then), ("now", about.now)):
        yield f"{said:5} {', '.join(each.at for each in places) or 'nothing'}"
    difference = about.difference()
    yield from (f"  {line}" for line in difference[:_MOST])
    if len(difference) > _MOST:
        yield f"  … and {counted(len(difference) - _MOST, 'line')} more"
    if not difference and about.then and about.now:
        yield "  the text is the same; what it calls, or where it stands, is not"
    if about.edit is not None:
        yield f"here  {about.edit.at}{f': {about.why}' if about.why else ''}"
        yield from (f"  | {line}" for line in about.edit.source[about.edit.span].splitlines())
    if about.before is not None:
        given = about.before
        yield f"last  {given.answer} by {given.who}, {given.when[:10]}: {given.why}"


def as_json(rebased: Rebased, question: Question) -> dict[str, object]:
    """What a program needs to answer it: the answers that it takes, both texts, the edit."""
    about = rebased.asked.get(question.id)
    content: dict[str, object] = {
        "id": question.id,
        "takes": [str(each) for each in question.takes],
    }
    if about is not None:
        content |= {
            "then": [_place(each) for each in about.then],
            "now": [_place(each) for each in about.now],
            "edit": _place(about.edit) if about.edit else None,
            "why": about.why or None,
        }
    return content


def _place(place: Place) -> dict[str, object]:
    at = place.source.position(place.span.start)
    return {"file": place.source.name, "line": at.line, "text": place.source[place.span]}
