"""`midstream rebase`: carry targets onto UBI, and write what is proved."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from midstream import report
from midstream.adapters import files
from midstream.commands import asking, moving, upstreams
from midstream.commands.placing import Place
from midstream.errors import Exit, MidstreamError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midstream.cli import Workspace
    from midstream.commands.upstreams import Origins
    from midstream.diagnostic import Diagnostic
    from midstream.rebasing.flow import Rebased, Rebaser


@click.command("rebase")
@click.option("--target", "targets", multiple=True, metavar="T", help="May be given several times.")
@click.option("--all", "every", is_flag=True, help="Every target that the release has.")
@click.option("--release", metavar="V", help="Another release than the locked one.")
@click.option("--ref", metavar="R", help="A branch, tag or commit of upstream's git instead.")
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
    ref: str | None,
    dockerfile: Path | None,
    out: Path | None,
    stdout: bool,
    check: bool,
    diff: bool,
) -> int:
    """Carry targets onto UBI: convert, edit, prove, and write the result with its ledger."""
    if release and ref:
        raise UsageError("--release and --ref name two texts", help="give one of them")
    is_locked = not (release or ref or dockerfile)
    shown = [n for n, on in (("--check", check), ("--diff", diff), ("--stdout", stdout)) if on]
    _check_options(shown, is_locked=is_locked, has_out=out is not None, json=workspace.json)
    if (dockerfile or stdout) and (every or len(targets) != 1):
        raise UsageError("--dockerfile and --stdout take exactly one --target")
    rebaser, origins = upstreams.rebaser(
        workspace, release, (targets[0], dockerfile) if dockerfile else None, ref=ref
    )
    wanted = _wanted(targets, origins, every=every)
    place = Place(workspace, out, keeps_lock=is_locked and not out)
    done, failed = _rebase_each(rebaser, wanted)
    by_hand = {} if stdout or diff else {each.overlay.target: place.edited(each) for each in done}
    beside = [] if workspace.json else asking.others(workspace, rebaser, origins, done)
    _show_all(workspace, done, by_hand, [*done, *beside])

    def finish(rebased: Rebased) -> Exit:
        wants = workspace.strict and any(found.wants_something for found in rebased.findings)
        shows = diff and not rebased.has_errors  # with open questions too: what it would be
        if shows:
            _show_difference(place, rebased)
        if wants or not rebased.is_proved:
            return Exit.FINDINGS
        if check:
            return Exit.FINDINGS if _outdated(place, rebased) else Exit.OK
        if by_hand.get(rebased.overlay.target):
            return Exit.REFUSED
        if stdout:
            report.raw(rebased.result.data)
        elif not shows:
            files.write_all(place.outputs(rebased))
            report.note(f"wrote {place.of(rebased)}, with its ledger and build plan")
        return Exit.OK

    return Exit.worst([*failed, *(finish(rebased) for rebased in done)])


def _check_options(shown: list[str], *, is_locked: bool, has_out: bool, json: bool) -> None:
    """`shown` are the options that show and write nothing. Raises `UsageError`."""
    if not is_locked and not (has_out or shown):
        raise UsageError(
            "a text that isn't the locked one doesn't go into rendered/",
            help="say where to: --out DIR, or --stdout",
        )
    if len(shown) > 1:
        raise UsageError(f"take one of {' and '.join(shown)}")
    if "--stdout" in shown and has_out:
        raise UsageError("take one of --stdout and --out")
    if json and shown and shown != ["--check"]:
        raise UsageError(f"{shown[0]} and --json both print on stdout", help="take one of the two")


def _rebase_each(rebaser: Rebaser, targets: tuple[str, ...]) -> tuple[list[Rebased], list[Exit]]:
    """What could be rebased. One that can't be doesn't keep the others from it."""
    done, failed = [], []
    for target in targets:
        try:
            done.append(rebaser.rebase(target))
        except MidstreamError as error:
            if len(targets) == 1:
                raise
            report.show_error(error)
            failed.append(Exit(error.exit_code))
    return done, failed


def _wanted(targets: tuple[str, ...], origins: Origins, *, every: bool) -> tuple[str, ...]:
    if every == bool(targets):
        raise UsageError("name targets with --target, or take all with --all")
    if not every:
        return tuple(dict.fromkeys(targets))
    return origins.targets()


# --- writing ---


def _outdated(place: Place, rebased: Rebased) -> bool:
    stale = [
        path
        for path, data in place.outputs(rebased).items()
        if not path.is_file() or files.read(path) != data
    ]
    for path in stale:
        report.note(f"would change: {path}")
    return bool(stale)


def _show_difference(place: Place, rebased: Rebased) -> None:
    path = place.of(rebased)
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


def _show_all(
    workspace: Workspace,
    done: list[Rebased],
    by_hand: Mapping[str, list[Diagnostic]],
    beside: list[Rebased],
) -> None:
    """`by_hand` has, by target, what was edited in the results that stand there; `beside` are the
    targets that may ask the same."""
    if workspace.json:
        targets = [_as_json(each, by_hand.get(each.overlay.target, [])) for each in done]
        report.document("rebase", {"targets": targets})
        return
    for rebased in done:
        _show(rebased, by_hand.get(rebased.overlay.target, []), beside)


def _show(rebased: Rebased, by_hand: list[Diagnostic], beside: list[Rebased]) -> None:
    report.show_findings([*rebased.findings, *by_hand])
    report.note(f"{rebased.overlay.target}: {rebased.ledger.summary()}")
    for line in moving.lines(rebased):
        report.note(line)
    if rebased.questions:
        report.note("")
    for question in rebased.questions:  # last, so that they are what is on the screen
        asking.show(rebased, question, beside)
    if not rebased.is_proved:
        report.note(f"{rebased.overlay.target}: nothing was written: {rebased.wanting}")
    elif by_hand:
        report.note(f"{rebased.overlay.target}: nothing was written: a result was edited by hand")


def _as_json(rebased: Rebased, by_hand: list[Diagnostic]) -> dict[str, object]:
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
        "facts": [moving.fact_as_json(each) for each in rebased.facts],
        "questions": [each.id for each in rebased.questions],
        "asked": [asking.as_json(rebased, each) for each in rebased.questions],
        "findings": [
            report.finding_as_json(each)
            for each in (*rebased.findings, *by_hand, *(q.finding for q in rebased.questions))
        ],
    }
