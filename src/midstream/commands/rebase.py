"""`midstream rebase`: carry targets onto UBI, and write what is proved."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from midstream import decisions, report
from midstream.adapters import files
from midstream.commands import upstreams
from midstream.commands import workspace as at
from midstream.errors import Exit, UsageError
from midstream.movement import Answer, summary
from midstream.overlay.load import targets as overlaid
from midstream.source import Source

if TYPE_CHECKING:
    from midstream.cli import Workspace
    from midstream.commands.upstreams import Origins
    from midstream.decisions import Decisions
    from midstream.rebasing import Rebased


@click.command("rebase")
@click.option("--target", "targets", multiple=True, metavar="T", help="May be given several times.")
@click.option("--all", "every", is_flag=True, help="Every target that the release has.")
@click.option("--release", metavar="V", help="Another release than the locked one.")
@click.option(
    "--dockerfile",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A Dockerfile on disk in upstream's place.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write into this folder, and no lock.",
)
@click.option("--stdout", is_flag=True, help="Print the result, and write nothing.")
@click.option(
    "--check", is_flag=True, help="Write nothing; exit with 1 where something would change."
)
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@click.pass_obj
def command(
    workspace: Workspace,
    targets: tuple[str, ...],
    every: bool,
    release: str | None,
    dockerfile: Path | None,
    out: Path | None,
    stdout: bool,
    check: bool,
    diff: bool,
) -> int:
    """Carry targets onto UBI: convert, edit, prove, and write the result with its ledger."""
    if (release or dockerfile) and not (out or stdout or check or diff):
        raise UsageError(
            "a text that isn't the locked one doesn't go into rendered/",
            help="say where to: --out DIR, or --stdout",
        )
    if (dockerfile or stdout) and (every or len(targets) != 1):
        raise UsageError("--dockerfile and --stdout take exactly one --target")
    rebaser, origins = upstreams.rebaser(
        workspace, release, (targets[0], dockerfile) if dockerfile else None
    )
    wanted = _wanted(workspace, targets, origins, every=every)
    done = [rebaser.rebase(target) for target in wanted]
    if workspace.json:
        report.document("rebase", {"targets": [_as_json(each) for each in done]})
    else:
        for rebased in done:
            _show(rebased)

    def finish(rebased: Rebased) -> Exit:
        if not rebased.is_proved or (workspace.strict and rebased.findings):
            return Exit.FINDINGS
        if check:
            return Exit.FINDINGS if _outdated(workspace, rebased) else Exit.OK
        if stdout:
            report.raw(rebased.result.data)
        elif diff:
            _show_difference(workspace, rebased)
        else:
            _write(workspace, rebased, out)
        return Exit.OK

    return Exit.worst(finish(rebased) for rebased in done)


def _wanted(
    workspace: Workspace, targets: tuple[str, ...], origins: Origins, *, every: bool
) -> tuple[str, ...]:
    if every == bool(targets):
        raise UsageError("name targets with --target, or take all with --all")
    if not every:
        return tuple(dict.fromkeys(targets))
    return tuple(t for t in overlaid(at.tree(workspace)) if origins.has(t))


# --- writing ---


def _write(workspace: Workspace, rebased: Rebased, out: Path | None) -> None:
    for path, data in _outputs(workspace, rebased, out).items():
        files.write(path, data)
    report.note(f"wrote {_shown(workspace, rebased, out)}, with its ledger and build plan")


def _shown(workspace: Workspace, rebased: Rebased, out: Path | None) -> Path:
    return next(iter(_outputs(workspace, rebased, out)))


def _outputs(workspace: Workspace, rebased: Rebased, out: Path | None) -> dict[Path, bytes]:
    """Every file of a target, the result first."""
    name = Path(rebased.result.name)
    path = (out / name.name) if out else workspace.root / name
    found = {
        path: rebased.result.data,
        path.with_name(f"{name.name}.ledger.json"): rebased.ledger.as_bytes(),
        path.with_name(f"{name.name}.build.json"): rebased.plan.as_bytes(),
    }
    for each in rebased.overlay.files.values():
        found[path.parent / f"{rebased.overlay.target}.files" / each.path] = each.text.source.data
    if out is None:
        lock = workspace.root / rebased.overlay.folder / decisions.NAME
        found[lock] = _kept(workspace, rebased).as_bytes()
    return found


def _kept(workspace: Workspace, rebased: Rebased) -> Decisions:
    """The lock to write: a fingerprint that is there already is never changed by a rebase."""
    new = rebased.decisions
    path = f"{rebased.overlay.folder}/{decisions.NAME}"
    data = at.tree(workspace).read(path)
    if data is None:
        return new
    old = decisions.read_decisions(Source.from_bytes(path, data))
    edits = {name: old.edits.get(name, mark) for name, mark in new.edits.items()}
    review = {name: old.review.get(name, mark) for name, mark in new.review.items()}
    return replace(new, edits=edits, review=review)


def _outdated(workspace: Workspace, rebased: Rebased) -> bool:
    stale = [
        path
        for path, data in _outputs(workspace, rebased, None).items()
        if not path.is_file() or files.read(path) != data
    ]
    for path in stale:
        report.note(f"would change: {path}")
    return bool(stale)


def _show_difference(workspace: Workspace, rebased: Rebased) -> None:
    path = workspace.root / rebased.result.name
    old = files.read(path) if path.is_file() else rebased.origin.dockerfile.data
    label = rebased.result.name if path.is_file() else rebased.origin.dockerfile.name
    lines = difflib.unified_diff(
        old.decode(errors="surrogateescape").splitlines(keepends=True),
        rebased.result.text.splitlines(keepends=True),
        f"a/{label}",
        f"b/{rebased.result.name}",
    )
    report.raw("".join(lines).encode("utf-8", "surrogateescape"))


# --- showing ---


def _show(rebased: Rebased) -> None:
    report.show_findings([*rebased.findings, *(each.finding for each in rebased.questions)])
    report.note(f"{rebased.overlay.target}: {rebased.ledger.summary()}")
    if rebased.changes:
        _show_changes(rebased)
    if not rebased.is_proved:
        errors = sum(found.is_error for found in rebased.findings)
        asked = len(rebased.questions)
        report.note(
            f"{rebased.overlay.target}: nothing was written: {errors} errors, {asked} questions"
        )


def _show_changes(rebased: Rebased) -> None:
    """What upstream changed since the last rebase: facts and questions one by one, the rest
    counted, or listed with `--verbose` of the whole program."""
    report.note(f"{rebased.overlay.target}: {summary(rebased.changes)}")
    for change in rebased.changes:
        movement = change.movement
        if change.answer in (Answer.FACT, Answer.ASKED):
            place = movement.new or movement.old
            line = place.first_line if place else 0
            report.note(
                f"  {change.answer:10}  {movement.stage} / {movement.keyword}, line {line}: "
                f"{movement.what}"
            )


def _as_json(rebased: Rebased) -> dict[str, object]:
    return {
        "target": rebased.overlay.target,
        "upstream": dict(rebased.decisions.upstream),
        "result": rebased.result.name,
        "sha256": rebased.decisions.result,
        "proved": rebased.is_proved,
        "counts": {str(fate): n for fate, n in rebased.ledger.counts().items()},
        "changes": [
            {
                "stage": each.movement.stage,
                "keyword": each.movement.keyword,
                "what": each.movement.what,
                "answer": str(each.answer),
                "by": each.by,
            }
            for each in rebased.changes
        ],
        "questions": [each.id for each in rebased.questions],
        "findings": [
            report.finding_as_json(each)
            for each in (*rebased.findings, *(q.finding for q in rebased.questions))
        ],
    }
