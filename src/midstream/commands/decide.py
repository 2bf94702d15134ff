"""`midstream decide`: answer what a rebase asks, with a reason, in the overlay's lock."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from midstream import report
from midstream.adapters import files, process
from midstream.commands import asking, upstreams
from midstream.commands import workspace as at
from midstream.diagnostic import counted
from midstream.errors import Exit, UsageError
from midstream.history import decisions
from midstream.history.decisions import Given, Kind
from midstream.overlay.fragments import OVERLAYS
from midstream.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from midstream.cli import Workspace
    from midstream.history.decisions import Decisions, Question
    from midstream.rebasing.flow import Rebased


@click.command("decide")
@click.option("--target", required=True, metavar="T")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--accept", "kind", flag_value="accept", help="The overlay's text is right still.")
@click.option("--carry", "kind", flag_value="carry", help="Upstream's new text comes along.")
@click.option("--drop", "kind", flag_value="drop", help="It doesn't, while it stays as it is.")
@click.option("--forget", "kind", flag_value="forget", help="Take an old answer out of the lock.")
@click.option("--merge", is_flag=True, help="Join both sides of a lock that git could not.")
@click.option("--why", metavar="TEXT", help="The reason, for those who read the lock.")
@click.option("--release", metavar="V", help="Questions of another release than the locked one.")
@click.pass_obj
def command(
    workspace: Workspace,
    target: str,
    ids: tuple[str, ...],
    kind: str | None,
    merge: bool,
    why: str | None,
    release: str | None,
) -> int:
    """Answer what a rebase asks; without IDs on a terminal, one question after another."""
    if merge:
        return _merge(workspace, target)
    rebaser, _ = upstreams.rebaser(workspace, release)
    rebased = rebaser.rebase(target)
    path = workspace.root / rebased.overlay.folder / decisions.NAME
    known = rebaser.known_decisions(rebased.overlay, rebased.origin.counts_as)
    if known is None:
        raise UsageError(
            f"`{target}` has no lock, so nothing is asked",
            help=f"run: midstream rebase --target {target}",
        )
    questions = {each.id: each for each in rebased.questions}
    if kind == "forget":
        new = _forgotten(known, ids)
    elif ids:
        new = _answered(known, _chosen(questions, ids), kind, why, rebased)
    elif not questions:
        report.note(f"{target}: nothing is asked")
        return Exit.OK
    elif sys.stdin.isatty():
        new = _interview(known, questions, rebased, lambda lock: files.write(path, lock.as_bytes()))
    else:
        _show(rebased)
        return Exit.FINDINGS
    files.write(path, new.as_bytes())
    left = [name for name in questions if new.answers.get(name) == known.answers.get(name)]
    said = (
        f"{counted(len(left), 'question')} left"
        if left
        else f"now run: midstream rebase --target {target}"
    )
    report.note(f"{target}: wrote {path}; {said}")
    return Exit.FINDINGS if left else Exit.OK


def _merge(workspace: Workspace, target: str) -> int:
    """Write the lock with what both sides of a merge decided."""
    folder = at.tree(workspace)
    found = [
        path
        for path in (f"{OVERLAYS}/{target}", *_inner(folder, target))
        if b"\n<<<<<<< " in b"\n" + (folder.read(f"{path}/{decisions.NAME}") or b"")
    ]
    if not found:
        raise UsageError(f"no lock of `{target}` has git's conflict markers in it")
    for place in found:
        path = f"{place}/{decisions.NAME}"
        joined = decisions.merged(Source.from_bytes(path, folder.read(path) or b""))
        files.write(workspace.root / path, joined.as_bytes())
        report.note(f"{target}: joined {path}: {counted(len(joined.answers), 'answer')}")
    report.note(f"now run: midstream rebase --target {target}")
    return Exit.OK


def _inner(folder: files.Tree, target: str) -> list[str]:
    top = f"{OVERLAYS}/{target}"
    return [f"{top}/{name}" for name in folder.names(top)]


def _chosen(questions: dict[str, Question], ids: tuple[str, ...]) -> list[Question]:
    for name in ids:
        if name not in questions:
            known = ", ".join(f"`{each}`" for each in questions) or "nothing"
            raise UsageError(f"`{name}` isn't asked", help=f"asked: {known}")
    return [questions[name] for name in ids]


def _answered(
    known: Decisions, asked: list[Question], kind: str | None, why: str | None, rebased: Rebased
) -> Decisions:
    if kind is None or not (why or "").strip():
        raise UsageError(
            "an answer is --accept, --carry or --drop, with --why TEXT",
            help="midstream decide --target T ID --accept --why 'compared; ours does the same'",
        )
    for question in asked:
        known = _with(known, question, Kind(kind), why or "", rebased)
    return known


def _with(
    known: Decisions, question: Question, kind: Kind, why: str, rebased: Rebased
) -> Decisions:
    if kind not in question.takes:
        taken = " or ".join(f"--{each}" for each in question.takes)
        where = rebased.overlay.source.name
        only_accepts = question.takes == (Kind.ACCEPT,)
        raise UsageError(
            f"`{question.id}` takes {taken}, not --{kind}"
            + (f": --{kind} would need another edit" if only_accepts else ""),
            help=f"change the edits in {where}, or give {taken}",
        )
    given = Given(kind, question.fingerprint, why, _who(), rebased.origin.date)
    return known.with_answer(question.id, question.fingerprint, given)


def _forgotten(known: Decisions, ids: tuple[str, ...]) -> Decisions:
    for name in ids:
        if name not in known.answers:
            raise UsageError(f"the lock has no answer about `{name}`")
    kept = {name: given for name, given in known.answers.items() if name not in ids}
    return replace(known, answers=kept)


def _interview(
    known: Decisions,
    questions: dict[str, Question],
    rebased: Rebased,
    keep: Callable[[Decisions], None],
) -> Decisions:
    """Show each question with both texts, ask, and go on; `s` leaves one open. Each answer is kept
    at once, so that who breaks off has lost none."""
    for question in questions.values():
        asking.show(rebased, question)
        keys = {each.value[0]: each for each in question.takes}
        choices = ", ".join(f"[{key}]{each.value[1:]}" for key, each in keys.items())
        key = click.prompt(
            f"{choices}, [s]kip", type=click.Choice([*keys, "s"]), show_choices=False, err=True
        )
        if key == "s":
            continue
        why = click.prompt("why", err=True)
        known = _with(known, question, keys[key], why, rebased)
        keep(known)
    return known


def _show(rebased: Rebased) -> None:
    for question in rebased.questions:
        asking.show(rebased, question)
    report.note(f"{rebased.overlay.target}: {counted(len(rebased.questions), 'question')}")


def _who() -> str:
    """Whom git's configuration names."""
    done = process.run("git", "config", "user.name", timeout=30)
    name = done.stdout.decode(errors="replace").strip()
    if done.exit_code or not name:
        raise UsageError(
            "git doesn't know who you are, and an answer has a name",
            help="git config --global user.name 'Your Name'",
        )
    return name
