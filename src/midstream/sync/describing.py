"""What a person reads who reviews a target's branch: Markdown for a pull request.

Whatever comes from upstream stands in code spans: it can't call people, link issues or be markup.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.diagnostic import counted
from midstream.dockerfile.drawing import mermaid
from midstream.dockerfile.graph import build_graph
from midstream.dockerfile.scan import parse
from midstream.history.facts import counts, summary
from midstream.history.movement import Answer
from midstream.report import visible
from midstream.sync.commits import behind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.history.decisions import Question
    from midstream.history.movement import Change
    from midstream.rebasing.flow import Rebased
    from midstream.sync.branch import Inputs
    from midstream.sync.commits import Told
    from midstream.upstream.lock import Lock

MOST = 65_536  # what forges take; counted in bytes, which are never fewer than characters
_ROWS = (1000, 300, 100, 30, 10, 3, 0)
_WIDEST = 200
_LONGEST = 40  # lines of a difference
_MARK = "midstream-sync"


class Section(Struct, frozen=True):
    """A heading, lines that always stand there, and rows of which some may be left out."""

    title: str
    head: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    end: tuple[str, ...] = ()


class Description(Struct, frozen=True):
    """`body` fits into a pull request; `whole` is all there is to say."""

    title: str
    body: str
    whole: str

    @property
    def is_cut(self) -> bool:
        return self.body != self.whole


def describe(
    rebased: Rebased, inputs: Inputs, before: Lock | None, commits: tuple[Told, ...], new: str
) -> Description:
    """What a change is about. `new` is the id of the branch's last commit."""
    sections = [
        _summary(rebased, inputs, before),
        _asked(rebased, commits),
        _facts(rebased),
        _commits(commits, inputs.url),
        *_changes(rebased),
        _findings(rebased),
        _graph(rebased),
    ]
    block = _block(rebased, inputs, before, new)
    whole = _written(sections, block, len(commits) + len(rebased.changes) + len(rebased.findings))
    title = f"Carry {rebased.overlay.target} to {inputs.lock.label}"
    return Description(title, _fitting(sections, block, whole), whole)


def _fitting(sections: list[Section], block: str, whole: str) -> str:
    """As much of it as a pull request takes: fewer rows of each list, and then no drawing."""
    if len(whole.encode()) <= MOST:
        return whole
    for most in _ROWS:
        for kept in (sections, [each for each in sections if each.title != _GRAPH]):
            text = _written(kept, block, most)
            if len(text.encode()) <= MOST:
                return text
    return block


def _written(sections: Iterable[Section], block: str, most: int) -> str:
    parts = [_section(each, most) for each in sections if each.head or each.rows]
    return "\n".join([*parts, block])


def _section(section: Section, most: int) -> str:
    left_out = len(section.rows) - most
    note = ("", f"… and {left_out} more.") if left_out > 0 else ()
    heading = (f"### {section.title}", "") if section.title else ()
    return "\n".join([*heading, *section.head, *section.rows[:most], *section.end, *note, ""])


# --- sections ---


def _summary(rebased: Rebased, inputs: Inputs, before: Lock | None) -> Section:
    lock = inputs.lock
    since = f"from {_code(before.label)} " if before else ""
    way = f"{since}to {_code(lock.label)} of {lock.date[:10]}"
    lines = [f"midstream carried `{rebased.overlay.target}` {way}."]
    if not rebased.is_proved:
        lines = [
            f"midstream can't carry `{rebased.overlay.target}` {way} yet: {rebased.wanting}. "
            "The branch stays as it is."
        ]
    if rebased.changes or rebased.facts:
        lines.append(f"{summary(rebased.changes, rebased.facts)}.")
    lines.append(f"The result: {rebased.ledger.summary()}.")
    return Section("", tuple(lines))


def _asked(rebased: Rebased, commits: tuple[Told, ...]) -> Section:
    led = behind(commits)
    rows = []
    for question in rebased.questions:
        behind_it = question.finding.commits or led.get(question.id, ())
        by = ", ".join(f"`{each.id[:12]}`" for each in behind_it)
        said = f"- {_code(question.id)}: {_code(question.finding.message)}"
        lines = [f"{said} (by {by})" if by else said, *_texts(rebased, question)]
        if question.finding.help:
            lines.append(f"  {_code(question.finding.help)}")
        rows.append("\n".join(lines))  # one row, which is left out whole or not at all
    return Section("Asked: a person has to look", rows=tuple(rows))


def _texts(rebased: Rebased, question: Question) -> list[str]:
    """Upstream's text then and now, in a block that the text can't leave."""
    about = rebased.asked.get(question.id)
    if about is None:
        return []
    difference = [visible(line)[:_WIDEST] for line in about.difference()][:_LONGEST]
    runs = (len(run) for line in difference for run in re.findall("`+", line))
    fence = "`" * (max([2, *runs]) + 1)
    why = [f"  {_code(about.why)}"] if about.why else []
    return [*why, f"  {fence}diff", *(f"  {line}" for line in difference), f"  {fence}"]


def _facts(rebased: Rebased) -> Section:
    rows = tuple(
        f"| {_cell(each.name)} | {_moved(each.old)} | {_moved(each.new)} "
        f"| {', '.join(_cell(name) for name in (f'{each.file}:{each.line}', *each.also))} |"
        for each in rebased.facts
    )
    head = ("| value | old | new | where |", "|---|---|---|---|") if rows else ()
    return Section("Facts that moved", head, rows)


def _moved(value: str) -> str:
    return _cell(value) if value else "-"


def _commits(commits: tuple[Told, ...], url: str) -> Section:
    rows = tuple(
        f"| {_link(each.commit.id, url)} | {each.commit.date[:10]} | {_cell(each.commit.subject)} "
        f"| {', '.join(filter(None, (each.what, _moving(each))))}{_asking(each)} |"
        for each in commits
    )
    head = ("| commit | date | subject | what became of it |", "|---|---|---|---|") if rows else ()
    return Section("Upstream commits that touched watched files", head, rows)


def _moving(each: Told) -> str:
    return f"moves {', '.join(_cell(name) for name in each.moves)}" if each.moves else ""


def _asking(each: Told) -> str:
    return f" ({', '.join(_cell(name) for name in each.asks)})" if each.asks else ""


def _changes(rebased: Rebased) -> Iterator[Section]:
    for answer, title in ((Answer.TAKEN, "Taken"), (Answer.SET_ASIDE, "Set aside")):
        rows = tuple(_change(rebased, each) for each in rebased.changes if each.answer is answer)
        if rows:
            opened = f"<details><summary>{counted(len(rows), 'change')}</summary>"
            yield Section(title, (opened, ""), rows, ("", "</details>"))


def _change(rebased: Rebased, change: Change) -> str:
    movement = change.movement
    place = movement.new or movement.old
    source = rebased.origin.dockerfile if movement.new else rebased.then
    text = source[place.span] if place and source else movement.keyword
    line = f", line {place.first_line}" if place else ""
    what = movement.what if not movement.values else "value"
    return f"- {what} in {_code(movement.stage)}{line}: {_code(text)} → {_code(change.by)}"


def _findings(rebased: Rebased) -> Section:
    rows = tuple(
        f"- {found.severity} {found.rule.code}: {_code(found.message)} "
        f"({_code(found.source.name)}:{found.source.position(found.span.start).line})"
        f"{_by(found)}"
        for found in rebased.findings
    )
    return Section("Findings", rows=rows)


def _by(found: Diagnostic) -> str:
    commits = ", ".join(f"`{each.id[:12]}` {_code(each.subject)}" for each in found.commits)
    return f", by {commits}" if commits else ""


_GRAPH = "Stages"


def _graph(rebased: Rebased) -> Section:
    scope = rebased.subject.graph.scope
    graph = build_graph(parse(rebased.result), scope.arguments, scope.inherited)
    lines = ("```mermaid", *(visible(line) for line in mermaid(graph)), "```")
    return Section(_GRAPH, lines)


def _block(rebased: Rebased, inputs: Inputs, before: Lock | None, new: str) -> str:
    content = {
        "midstream": 1,
        "target": rebased.overlay.target,
        "commit": new,
        "upstream": {"url": inputs.url, "commit": inputs.lock.commit},
        "from": before.commit if before else None,
        "release": inputs.lock.release or None,
        "result": rebased.decisions.result,
        "questions": [each.id for each in rebased.questions],
        "counts": {str(answer): n for answer, n in counts(rebased.changes, rebased.facts).items()},
    }
    text = (
        json.dumps(content)
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("--", "-\\u002d")
    )
    return f"<!-- {_MARK} {text} -->\n"


def read_block(body: str) -> dict[str, object] | None:
    """The machine-readable part of a description; None where there is none that is whole."""
    found = re.findall(rf"^<!-- {_MARK} (\{{.*\}}) -->$", body, re.MULTILINE)
    try:
        content = json.loads(found[-1]) if found else None
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


# --- text from elsewhere ---


def _code(text: str) -> str:
    """A code span that the text can't leave."""
    shown = visible(" ".join(text.split()))
    if len(shown) > _WIDEST:
        shown = f"{shown[: _WIDEST - 1]}…"
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") or not shown else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def _cell(text: str) -> str:
    """A code span in a table, where a bar would end the cell."""
    return _code(text).replace("|", "\\|")


def _link(commit: str, url: str) -> str:
    top = url.removesuffix(".git")
    if re.fullmatch(r"https://[\w.-]+/[\w./-]+", top):
        return f"[`{commit[:12]}`]({top}/commit/{commit})"
    return f"`{commit[:12]}`"
