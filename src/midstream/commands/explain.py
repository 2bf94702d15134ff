"""`midstream explain`: a rule's page, the origin of a result's line, an instruction's fate."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

import midstream
from midstream import report
from midstream.commands import upstreams
from midstream.diagnostic import Rule, counted
from midstream.errors import Exit, UsageError

if TYPE_CHECKING:
    from midstream.cli import Workspace
    from midstream.rebasing.assembly import Piece
    from midstream.rebasing.flow import Rebased

_CODE = re.compile(r"MS\d{3}", re.IGNORECASE)


@click.command("explain")
@click.argument("what", required=False, metavar="[CODE|LINE]")
@click.option("--target", metavar="T", help="Explain lines of this target's result.")
@click.option("--upstream", is_flag=True, help="LINE is one of upstream's file.")
@click.option("--blame", is_flag=True, help="The whole result, each line with its origin.")
@click.pass_obj
def command(
    workspace: Workspace, what: str | None, target: str | None, upstream: bool, blame: bool
) -> int:
    """Explain a rule by its code or name, or a line of a target's result."""
    if target is None:
        _explain_rule(workspace, what)
        return Exit.OK
    rebaser, _ = upstreams.rebaser(workspace)
    rebased = rebaser.rebase(target)
    if blame:
        _blame(rebased)
    elif upstream:
        _explain_upstream(workspace, rebased, _line(what))
    elif what is not None:
        _explain_line(workspace, rebased, _line(what))
    else:
        raise UsageError("explain which line?", help="name a LINE, or take --blame")
    return Exit.OK


def _line(what: str | None) -> int:
    if what is None or not what.isascii() or not what.isdecimal() or int(what) < 1:
        raise UsageError(f"`{what}` is no line number", help="lines count from 1")
    return int(what)


# --- rules ---


def every_rule() -> dict[str, Rule]:
    """All rules by their code, from every module that has `RULES`."""
    found: dict[str, Rule] = {}
    for module in pkgutil.walk_packages(midstream.__path__, "midstream."):
        if module.name.endswith("__main__"):
            continue
        for rule in getattr(importlib.import_module(module.name), "RULES", ()):
            if isinstance(rule, Rule):
                found[rule.code] = rule
    return dict(sorted(found.items()))


def _explain_rule(workspace: Workspace, what: str | None) -> None:
    rules = every_rule()
    if what is None:
        rows = [(rule.code, rule.name) for rule in rules.values()]
        if workspace.json:
            report.document("rules", {"rules": [{"code": c, "name": n} for c, n in rows]})
        else:
            report.table(("CODE", "RULE"), rows)
        return
    names = {rule.name: rule for rule in rules.values()}
    rule = rules.get(what.upper()) if _CODE.fullmatch(what) else names.get(what)
    if rule is None:
        near = difflib.get_close_matches(what, [*rules, *names], n=3)
        raise UsageError(
            f"no rule `{what}`",
            help=f"did you mean {', '.join(near)}?" if near else "all of them: midstream explain",
        )
    if workspace.json:
        report.document("rule", {"code": rule.code, "name": rule.name, "page": rule.page})
    else:
        report.line(f"# {rule.code} {rule.name}\n\n{rule.page.strip()}")


# --- lines ---


def _explain_line(workspace: Workspace, rebased: Rebased, line: int) -> None:
    result = rebased.result
    if line > result.line_count:
        raise UsageError(f"the result has {counted(result.line_count, 'line')}, not {line}")
    start = result.offset(line)
    end = start + len(result.line(line))
    pieces = _pieces(rebased, start, max(end, start + 1))
    if workspace.json:
        rows = [{"line": line, **_as_json(rebased, piece)} for piece in pieces]
        report.document("explain", {"target": rebased.overlay.target, "origins": rows})
        return
    report.line(report.visible(f"{result.name}:{line}"))
    report.line(f"  {report.visible(result.line(line))}")
    for said in dict.fromkeys(_said(rebased, piece) for piece in pieces):
        report.line(f"  {report.visible(said)}")
    for by, why in _reasons(rebased, pieces):
        report.line(report.visible(f"  {by}: {why}"))


def _pieces(rebased: Rebased, start: int, end: int) -> list[Piece]:
    """The pieces that a stretch of the result is made of, each cut to where it starts there."""
    every = rebased.assembled.pieces
    size = len(rebased.result.text)
    found = []
    for index, piece in enumerate(every):
        stop = every[index + 1].start if index + 1 < len(every) else size
        if piece.start < end and start < stop:
            skipped = max(0, start - piece.start)
            upstream = piece.upstream + (skipped if piece.by is None else 0)
            found.append(replace(piece, start=piece.start + skipped, upstream=upstream))
    return found


def _said(rebased: Rebased, piece: Piece) -> str:
    place = rebased.origin.dockerfile.position(piece.upstream)
    where = f"{rebased.origin.dockerfile.name}:{place.line} ({rebased.origin.label})"
    if piece.by is None:
        return f"from {where}"
    if len(piece.by.span):
        return f"written by `{piece.by.rule}` over {where}"
    return f"put in by `{piece.by.rule}` at {where}"


def _reasons(rebased: Rebased, pieces: list[Piece]) -> list[tuple[str, str]]:
    """Each change on the way with its reason, and where the overlay asks for it."""
    found = {
        piece.by.rule: _with_place(rebased, piece.by.rule, piece.by.why)
        for piece in pieces
        if piece.by is not None
    }
    return list(found.items())


def _with_place(rebased: Rebased, by: str, why: str) -> str:
    """A reason, with the place in the overlay where it is written, if it is an edit's."""
    place = next((edit.place for edit in rebased.overlay.edits if edit.id == by), None)
    if place is None:
        return why
    return f"{why} ({place.at})"


def _as_json(rebased: Rebased, piece: Piece) -> dict[str, object]:
    place = rebased.origin.dockerfile.position(piece.upstream)
    return {
        "upstream": rebased.origin.dockerfile.name,
        "upstream_line": place.line,
        "by": piece.by.rule if piece.by else None,
        "why": piece.by.why if piece.by else None,
    }


def _explain_upstream(workspace: Workspace, rebased: Rebased, line: int) -> None:
    """The fate of the upstream instruction that a line belongs to."""
    for entry in rebased.ledger.entries:
        if entry.first_line <= line <= entry.last_line:
            if workspace.json:
                reasons = [{"by": each.by, "why": each.why} for each in entry.reasons]
                content = {"fate": str(entry.fate), "stage": entry.stage, "reasons": reasons}
                report.document("explain", {"line": line, **content})
                return
            stage = f", stage {entry.stage}" if entry.stage else ""
            name = rebased.origin.dockerfile.name
            lines = f"{entry.first_line}-{entry.last_line}"
            report.line(report.visible(f"{name}:{lines}  {entry.keyword}{stage}"))
            report.line(f"  {entry.fate}")
            for reason in entry.reasons:
                why = _with_place(rebased, reason.by, reason.why)
                report.line(report.visible(f"  {reason.by}: {why}"))
            return
    raise UsageError(f"no instruction stands in line {line} of {rebased.origin.dockerfile.name}")


def _blame(rebased: Rebased) -> None:
    """The result with a column that says, for each line, upstream's line and what changed it."""
    result = rebased.result
    rows = []
    for line in range(1, result.line_count + 1):
        start = result.offset(line)
        text = result.line(line)
        if line == result.line_count and not text:
            continue
        pieces = _pieces(rebased, start, start + max(1, len(text)))
        rows.append((_column(rebased, pieces), text))
    width = max((len(column) for column, _ in rows), default=0)
    for column, text in rows:
        report.line(f"{column.ljust(width)} | {report.visible(text)}".rstrip())


def _column(rebased: Rebased, pieces: list[Piece]) -> str:
    lines = [rebased.origin.dockerfile.position(p.upstream).line for p in pieces if p.by is None]
    by = list(dict.fromkeys(p.by.rule for p in pieces if p.by is not None))
    number = str(min(lines)) if lines else "-"
    return f"{number:>5} {','.join(by)}".rstrip()
