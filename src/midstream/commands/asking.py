"""A question with all that it takes to answer it, on one screen."""

from __future__ import annotations

from contextlib import suppress
from shlex import quote
from typing import TYPE_CHECKING

from midstream import report
from midstream.commands import workspace as at
from midstream.diagnostic import counted
from midstream.errors import MidstreamError
from midstream.history.asked import sameness
from midstream.overlay.choosing import targets as overlaid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from midstream.cli import Workspace
    from midstream.commands.upstreams import Origins
    from midstream.diagnostic import Place
    from midstream.history.asked import Asked
    from midstream.history.decisions import Question
    from midstream.rebasing.flow import Rebased, Rebaser

_MOST = 40  # lines of a difference; the rest is a change that is better read in the files


def show(rebased: Rebased, question: Question, beside: Iterable[Rebased] = ()) -> None:
    """The finding, then both texts, what the overlay does about them, the last answer, and who of
    those `beside` asks the same."""
    report.show_findings([question.finding])
    about = rebased.asked.get(question.id)
    if about is not None:
        for line in (*lines(about), *_also(rebased, question, beside)):
            report.note(f"  {line}".rstrip())
        report.note("")


def same(rebased: Rebased, question: Question, other: Rebased) -> list[Question]:
    """Another target's questions for which an answer to this one is right too."""
    mark = sameness(question, rebased.asked.get(question.id))
    if mark is None or other is rebased:
        return []
    return [each for each in other.questions if sameness(each, other.asked.get(each.id)) == mark]


def others(
    workspace: Workspace, rebaser: Rebaser, origins: Origins, done: Iterable[Rebased]
) -> list[Rebased]:
    """The other targets of the same upstream, where something is asked. One that can't be rebased
    isn't among them: what it lacks is said when it is its turn."""
    asks = [each for each in done if each.questions]
    if not asks or origins.dockerfile is not None:
        return []
    projects = {each.origin.project for each in asks}
    there = {each.overlay.target for each in done}
    found = []
    for target in overlaid(at.tree(workspace)):
        tracked = any(target in origins.projects[name].dockerfiles for name in projects)
        if target in there or not tracked:
            continue
        with suppress(MidstreamError):
            found.append(rebaser.rebase(target))
    return found


def _also(rebased: Rebased, question: Question, beside: Iterable[Rebased]) -> Iterator[str]:
    names = [each.overlay.target for each in beside if same(rebased, question, each)]
    if names:
        takes = " or ".join(f"--{each}" for each in question.takes)
        yield f"also  {', '.join(names)} {'ask' if len(names) > 1 else 'asks'} the same; for all:"
        yield f"      midstream decide --all {quote(question.id)} {takes} --why …"


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
