"""`midstream rebase`: carry targets onto UBI, and write what is proved."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from midstream import decisions, report
from midstream.adapters import files
from midstream.adapters.blobs import blob_id
from midstream.commands import workspace as at
from midstream.errors import Exit, UsageError
from midstream.origin import Origin, origin_of
from midstream.overlay.load import targets as overlaid
from midstream.rebasing import Rebaser
from midstream.source import Source

if TYPE_CHECKING:
    from midstream.cli import Workspace
    from midstream.decisions import Decisions
    from midstream.rebasing import Rebased
    from midstream.upstream.lock import Lock
    from midstream.upstream.snapshot import Snapshot


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
    origins = _Origins(workspace, release, dockerfile)
    wanted = _wanted(workspace, targets, origins, every=every)
    rebaser = Rebaser(at.tree(workspace), origins, files.cache_root())
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


class _Origins:
    """Upstream's text for each target, from the lock, another release, or a file."""

    def __init__(self, workspace: Workspace, release: str | None, dockerfile: Path | None) -> None:
        self.workspace = workspace
        self.release = release
        self.dockerfile = dockerfile
        self._snapshots: dict[str, Snapshot] = {}

    def __call__(self, target: str) -> Origin:
        project = self._project(target)
        if self.dockerfile is not None:
            data = files.read(self.dockerfile)
            source = Source.from_bytes(self.dockerfile.name, data)
            return Origin(project, None, "", "", blob_id(data), source)
        return origin_of(at.project(self.workspace, project), self.snapshot(project), target)

    def snapshot(self, name: str) -> Snapshot:
        if name not in self._snapshots:
            project = at.project(self.workspace, name)
            tracker = at.tracker(project)
            if self.release is not None:
                self._snapshots[name] = tracker.release(self.release)
            else:
                self._snapshots[name] = tracker.locked(_lock(self.workspace, name))
        return self._snapshots[name]

    def _project(self, target: str) -> str:
        found = [p.name for p in at.projects(self.workspace) if target in p.dockerfiles]
        if not found:
            known = [t for p in at.projects(self.workspace) for t in p.dockerfiles]
            raise UsageError(f"no target `{target}`", help=f"known: {', '.join(known)}")
        return found[0]

    def has(self, target: str) -> bool:
        """Whether the release has a Dockerfile for a target."""
        project = at.project(self.workspace, self._project(target))
        return project.path_of(target, self.snapshot(project.name).lock.files) is not None


def _lock(workspace: Workspace, name: str) -> Lock:
    lock = at.lock(workspace, name)
    if lock is None:
        raise UsageError(
            f"`{name}` was never tracked", help="run: midstream track, or name a --release"
        )
    return lock


def _wanted(
    workspace: Workspace, targets: tuple[str, ...], origins: _Origins, *, every: bool
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
    if not rebased.is_proved:
        errors = sum(found.is_error for found in rebased.findings)
        asked = len(rebased.questions)
        report.note(
            f"{rebased.overlay.target}: nothing was written: {errors} errors, {asked} questions"
        )


def _as_json(rebased: Rebased) -> dict[str, object]:
    return {
        "target": rebased.overlay.target,
        "upstream": dict(rebased.decisions.upstream),
        "result": rebased.result.name,
        "sha256": rebased.decisions.result,
        "proved": rebased.is_proved,
        "counts": {str(fate): n for fate, n in rebased.ledger.counts().items()},
        "questions": [each.id for each in rebased.questions],
        "findings": [
            report.finding_as_json(each)
            for each in (*rebased.findings, *(q.finding for q in rebased.questions))
        ],
    }
