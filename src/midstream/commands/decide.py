"""`midstream decide`: answer what a rebase asks, with a reason, in the overlay's lock."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from midstream import report
from midstream.adapters import files, process
from midstream.commands import asking, upstreams
from midstream.commands import workspace as at
from midstream.diagnostic import counted
from midstream.errors import Exit, MidstreamError, UsageError
from midstream.history import decisions
from midstream.history.decisions import Given, Kind
from midstream.overlay.fragments import OVERLAYS
from midstream.source import Source

if TYPE_CHECKING:
    from pathlib import Path

    from midstream.cli import Workspace
    from midstream.commands.upstreams import Origins
    from midstream.history.decisions import Decisions, Question
    from midstream.rebasing.flow import Rebased, Rebaser


@click.command("decide")
@click.option("--target", "targets", multiple=True, metavar="T", help="May be given several times.")
@click.option("--all", "every", is_flag=True, help="Every target that asks the same.")
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
    targets: tuple[str, ...],
    every: bool,
    ids: tuple[str, ...],
    kind: str | None,
    merge: bool,
    why: str | None,
    release: str | None,
) -> int:
    """Answer what a rebase asks; without IDs on a terminal, one question after another.

    With several targets, an ID is that of any of them: the answer goes to each that asks the same.
    """
    if every == bool(targets):
        raise UsageError("name targets with --target, or take all with --all")
    targets = tuple(dict.fromkeys(targets))
    if (merge or kind == "forget") and len(targets) != 1:
        raise UsageError("--merge and --forget take exactly one --target")
    if merge:
        return _merge(workspace, targets[0])
    rebaser, origins = upstreams.rebaser(workspace, release)
    wanted = targets or origins.targets()
    asking_, failed = _open(workspace, rebaser, wanted, named=not every)
    if kind == "forget":
        asking_[0].lock = _forgotten(asking_[0].lock, ids)
    elif ids:
        _answer(asking_, ids, kind, why, named=targets)
    elif not any(each.questions for each in asking_):
        for each in asking_:
            report.note(f"{each.name}: nothing is asked")
        return Exit.worst([Exit.OK, *failed])
    elif sys.stdin.isatty():
        _interview(asking_, _beside(workspace, rebaser, origins, asking_))
    else:
        _show(asking_, _beside(workspace, rebaser, origins, asking_))
        return Exit.worst([Exit.FINDINGS, *failed])
    _write(asking_)
    left = any(each.left() for each in asking_)
    return Exit.worst([Exit.FINDINGS if left else Exit.OK, *failed])


class NoLock(UsageError):
    """A target that was never rebased: everything about it is as its overlay was written for."""


@dataclass
class _Asking:
    """A target with its open questions; `lock` takes the answers, `known` is as it was."""

    rebased: Rebased
    path: Path
    known: Decisions
    lock: Decisions

    @property
    def name(self) -> str:
        return self.rebased.overlay.target

    @property
    def questions(self) -> tuple[Question, ...]:
        return self.rebased.questions

    @property
    def is_answered(self) -> bool:
        return self.lock is not self.known

    def find(self, name: str) -> Question | None:
        return next((each for each in self.questions if each.id == name), None)

    def answer(self, question: Question, kind: Kind, why: str) -> None:
        self.lock = _with(self.lock, question, kind, why, self.rebased)

    def left(self) -> list[str]:
        """The questions that are open still."""
        names = (each.id for each in self.questions)
        old, new = self.known.answers, self.lock.answers
        return [name for name in names if new.get(name) == old.get(name)]

    def what_now(self) -> str:
        left = self.left()
        if left:
            return f"{counted(len(left), 'question')} left"
        return f"now run: midstream rebase --target {self.name}"


def _open(
    workspace: Workspace, rebaser: Rebaser, targets: tuple[str, ...], *, named: bool
) -> tuple[list[_Asking], list[Exit]]:
    """The targets with what they ask. Of several, one that can't be rebased doesn't keep the others
    from it."""
    found, failed = [], []
    for target in targets:
        try:
            found.append(_asked_by(workspace, rebaser, target))
        except NoLock as error:
            if named:
                raise
            report.note(error.message)
        except MidstreamError as error:
            if len(targets) == 1:
                raise
            report.show_error(error)
            failed.append(Exit(error.exit_code))
    return found, failed


def _asked_by(workspace: Workspace, rebaser: Rebaser, target: str) -> _Asking:
    rebased = rebaser.rebase(target)
    known = rebaser.known_decisions(rebased.overlay, rebased.origin.counts_as)
    if known is None:
        raise NoLock(
            f"`{target}` has no lock, so nothing is asked",
            help=f"run: midstream rebase --target {target}",
        )
    path = workspace.root / rebased.overlay.folder / decisions.NAME
    return _Asking(rebased, path, known, known)


def _write(asking_: list[_Asking]) -> None:
    """Write the locks that took an answer, and say what each target asks still."""
    written = [each for each in asking_ if each.is_answered or len(asking_) == 1]
    files.write_all({each.path: each.lock.as_bytes() for each in written})
    for each in asking_:
        wrote = f"wrote {each.path}; " if each in written else ""
        if wrote or each.left():
            report.note(f"{each.name}: {wrote}{each.what_now()}")


def _beside(
    workspace: Workspace, rebaser: Rebaser, origins: Origins, asking_: list[_Asking]
) -> list[Rebased]:
    """Every target that may ask the same, these ones too."""
    done = [each.rebased for each in asking_]
    return [*done, *asking.others(workspace, rebaser, origins, done)]


def _answer(
    asking_: list[_Asking], ids: tuple[str, ...], kind: str | None, why: str | None, *,
    named: tuple[str, ...],
) -> None:  # fmt: skip
    """Give an answer to each ID, in every target that asks the same; `named` have to."""
    if kind is None or not (why or "").strip():
        raise UsageError(
            "an answer is --accept, --carry or --drop, with --why TEXT",
            help="midstream decide --target T ID --accept --why 'compared; ours does the same'",
        )
    for name in ids:
        for target, question in _asking_the_same(asking_, name, named):
            target.answer(question, Kind(kind), why or "")
            if len(asking_) > 1:
                report.note(f"{target.name}: {kind} {question.id}")


def _asking_the_same(
    asking_: list[_Asking], name: str, named: tuple[str, ...]
) -> list[tuple[_Asking, Question]]:
    """A question, with the same one of each other target. Raises `UsageError` where nobody asks it,
    one that is named doesn't, or one asks something else by that name."""
    first = next((each for each in asking_ if each.find(name)), None)
    question = first.find(name) if first else None
    if first is None or question is None:
        known = dict.fromkeys(f"`{q.id}`" for each in asking_ for q in each.questions)
        raise UsageError(f"`{name}` isn't asked", help=f"asked: {', '.join(known) or 'nothing'}")
    found = [(first, question)]
    for each in asking_:
        if each is first:
            continue
        same = asking.same(first.rebased, question, each.rebased)
        if each.find(name) and name not in [one.id for one in same]:
            raise UsageError(
                f"`{name}` of `{each.name}` is another question than that of `{first.name}`",
                help=f"answer it alone: midstream decide --target {first.name} {quote(name)} …",
            )
        if not same and each.name in named:
            asked = ", ".join(f"`{one.id}`" for one in each.questions) or "nothing"
            raise UsageError(f"`{each.name}` doesn't ask `{name}`", help=f"it asks: {asked}")
        found += [(each, one) for one in same]
    return found


def _interview(asking_: list[_Asking], beside: list[Rebased]) -> None:
    """Show each question with both texts, ask, and go on; `s` leaves one open. Each answer is kept
    at once, so that who breaks off has lost none."""
    seen: set[tuple[str, str]] = set()
    for each in asking_:
        for question in each.questions:
            if (each.name, question.id) in seen:
                continue
            every = [(each, question)]
            for other in asking_:
                if other is not each:
                    same = asking.same(each.rebased, question, other.rebased)
                    every += [(other, one) for one in same]
            seen |= {(target.name, one.id) for target, one in every}
            asking.show(each.rebased, question, beside)
            _ask(every)


def _ask(every: list[tuple[_Asking, Question]]) -> None:
    """Take one answer for the same question of several targets."""
    keys = {kind.value[0]: kind for kind in every[0][1].takes}
    choices = ", ".join(f"[{key}]{kind.value[1:]}" for key, kind in keys.items())
    key = click.prompt(
        f"{choices}, [s]kip", type=click.Choice([*keys, "s"]), show_choices=False, err=True
    )
    if key == "s":
        return
    why = click.prompt("why", err=True)
    for target, question in every:
        target.answer(question, keys[key], why)
    files.write_all({target.path: target.lock.as_bytes() for target, _ in every})


def _show(asking_: list[_Asking], beside: list[Rebased]) -> None:
    for each in asking_:
        for question in each.questions:
            asking.show(each.rebased, question, beside)
        report.note(f"{each.name}: {counted(len(each.questions), 'question')}")


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
