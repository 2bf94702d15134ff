"""The only module that prints: findings and errors for people, JSON for programs.

Text that comes from a file or a registry never reaches a terminal raw: control characters are
shown as escapes.
"""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any, Self

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from midstream.diagnostic import Diagnostic, Place, UpstreamCommit
    from midstream.errors import MidstreamError

# Compiled when it is first needed: that takes longer than all else here.
_CONTROL = r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
_MOST_COMMITS = 5
_live: list[Any] = []  # the console that redraws rows now, if one does
_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


def line(text: str = "") -> None:
    """One line of a result, on stdout."""
    click.echo(text)


def note(text: str) -> None:
    """One line of progress, on stderr; above the rows, where rows are shown."""
    if _live:
        _live[-1].print(visible(text), markup=False, highlight=False, soft_wrap=True)
    else:
        click.echo(visible(text), err=True)


def raw(data: bytes) -> None:
    """Bytes of a result, on stdout, as they are."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def document(kind: str, content: dict[str, Any]) -> None:
    """The one JSON object that `--json` prints: `{"midstream": 1, "kind": …, …}`."""
    click.echo(json.dumps({"midstream": 1, "kind": kind, **content}, indent=2, sort_keys=False))


def arriving(title: str, size: int) -> Callable[[int], None]:
    """Show a download: a bar on a terminal, a line at its start and end in a log.

    `size` is in bytes, 0 where it isn't known. What is given back is told of each piece's length;
    an empty piece is the end.
    """
    if not sys.stderr.isatty():
        return _logged(title, size)
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    progress = Progress(*columns, console=Console(stderr=True))
    task = progress.add_task(visible(title), total=size or None)
    progress.start()

    def arrived(length: int) -> None:
        progress.advance(task, length)
        if not length:
            progress.stop()

    return arrived


def _logged(title: str, size: int) -> Callable[[int], None]:
    note(f"fetching {title} ({size / 1e6:.1f} MB)" if size else f"fetching {title}")
    return lambda _length: None


class Following:
    """Several things that happen at once: a row each on a terminal, a line each time in a log.

    `rows`: a name, and what is known of it before.
    """

    def __init__(self, rows: Iterable[tuple[str, str]]) -> None:
        self._rows = dict(rows)
        self._progress: Any = None
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._show()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()
            _live.remove(self._progress.console)

    def say(self, name: str, what: str) -> None:
        if self._progress is None:
            note(f"{name}: {what}")
        else:
            self._progress.update(self._tasks[name], what=visible(what))

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TextColumn("{task.fields[known]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("{task.fields[what]}", markup=False),
        )
        self._progress = Progress(*columns, console=Console(stderr=True))
        for name, known in self._rows.items():
            task = self._progress.add_task(visible(name), total=None, known=visible(known), what="")
            self._tasks[name] = task
        self._progress.start()
        _live.append(self._progress.console)


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Columns that line up, on stdout."""
    lines = [tuple(visible(cell) for cell in row) for row in (header, *rows)]
    widths = [max(len(row[column]) for row in lines) for column in range(len(header))]
    for row in lines:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        line("  ".join(cells).rstrip())


def show_findings(found: Iterable[Diagnostic]) -> None:
    for each in sorted(found, key=_order):
        click.echo(f"{format_finding(each, colour=True)}\n", err=True)


def show_error(error: MidstreamError) -> None:
    show_findings(error.diagnostics)
    click.echo(f"{click.style('error', fg='red', bold=True)}: {visible(error.message)}", err=True)
    if error.help:
        first, *rest = visible_lines(error.help)
        click.echo("\n".join([f"  help: {first}", *(f"        {more}" for more in rest)]), err=True)


def format_finding(found: Diagnostic, *, colour: bool = False) -> str:
    """Lay a finding out as rustc does: what, where, the line, a mark, the way out."""

    def style(text: str, **how: Any) -> str:
        return click.style(text, **how) if colour else text

    at = found.source.position(found.span.start)
    gutter = " " * len(str(at.line))
    title = style(f"{found.severity}[{found.rule.code}]", fg=_COLOURS[found.severity], bold=True)
    context = f"  ({visible(found.context)})" if found.context else ""
    lines = [
        f"{title}: {visible(found.message)}",
        f"{gutter}--> {visible(found.source.name)}:{at}{context}",
        *_excerpt(found, gutter),
    ]
    if found.also:
        there = found.also.source.position(found.also.span.start)
        lines.append(
            f"{gutter} = {visible(found.also.note)}: {visible(found.also.source.name)}:{there}"
        )
    lines += [f"{gutter} = by upstream's {each}" for each in commit_lines(found.commits)]
    if found.help:
        first, *rest = visible_lines(found.help)
        lines.append(f"{gutter} = help: {first}")
        lines += [f"{gutter}         {more}" for more in rest]
    return "\n".join(lines)


def finding_as_json(found: Diagnostic) -> dict[str, Any]:
    at = found.source.position(found.span.start)
    end = found.source.position(found.span.end)
    return {
        "code": found.rule.code,
        "rule": found.rule.name,
        "severity": str(found.severity),
        "message": found.message,
        "help": found.help,
        "file": found.source.name,
        "line": at.line,
        "column": at.column,
        "end_line": end.line,
        "end_column": end.column,
        "context": found.context or None,
        "also": _place_as_json(found.also) if found.also else None,
        "commits": [commit_as_json(each) for each in found.commits],
    }


def _place_as_json(place: Place) -> dict[str, Any]:
    at = place.source.position(place.span.start)
    return {
        "note": place.note,
        "file": place.source.name,
        "line": at.line,
        "column": at.column,
    }


def commit_as_json(commit: UpstreamCommit) -> dict[str, str]:
    return {"id": commit.id, "date": commit.date, "subject": commit.subject}


def commit_lines(commits: tuple[UpstreamCommit, ...]) -> list[str]:
    """`3f6f508e1abc of 2026-05-30: its subject`, for the newest of some commits."""
    shown = [
        f"{each.id[:12]} of {each.date[:10]}: {visible(each.subject)}"
        for each in commits[:_MOST_COMMITS]
    ]
    more = len(commits) - len(shown)
    return [*shown, f"{more} older {'one' if more == 1 else 'ones'}"] if more > 0 else shown


def visible(text: str) -> str:
    """The text with control characters and lone surrogates shown as escapes."""
    if text.isprintable():  # as almost all is: none of these characters
        return text
    return re.sub(_CONTROL, lambda found: f"\\x{ord(found[0]):02x}", text).replace("\t", " ")


def visible_lines(text: str) -> list[str]:
    return [visible(each) for each in text.split("\n")]


def _excerpt(found: Diagnostic, gutter: str) -> list[str]:
    at = found.source.position(found.span.start)
    text = found.source.line(at.line)
    before = visible(text[: at.column - 1])
    marked = visible(text[at.column - 1 : at.column - 1 + len(found.span)])
    shown = f"{before}{marked}{visible(text[at.column - 1 + len(found.span) :])}"
    if len(shown) > 400:  # a 10 MB line is no help to anybody
        start = max(0, len(before) - 100)
        shown, before = shown[start : start + 300], before[start:]
    return [
        f"{gutter} |",
        f"{at.line} | {shown}",
        f"{gutter} | {' ' * len(before)}{'^' * max(1, min(len(marked), 200))}",
    ]


def _order(found: Diagnostic) -> tuple[str, int, str, str]:
    return (found.source.name, found.span.start, found.rule.code, found.message)
