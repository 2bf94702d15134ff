"""`midstream track`: lock an upstream release, and say what changed since the last one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from midstream import report
from midstream.adapters import files
from midstream.commands import workspace as at
from midstream.diagnostic import Diagnostic, Severity, counted
from midstream.errors import Exit, UsageError
from midstream.source import Span
from midstream.upstream.changes import Kind, compare
from midstream.upstream.config import UNLISTED

if TYPE_CHECKING:
    from midstream.cli import Workspace
    from midstream.upstream.changes import Change
    from midstream.upstream.config import Project
    from midstream.upstream.lock import Lock
    from midstream.upstream.snapshot import Snapshot
    from midstream.upstream.sources import Sources


@click.command("track")
@click.option("--release", metavar="V", help="This release; the newest one where none is named.")
@click.option("--to", "ref", metavar="REF", help="A branch, tag or commit of upstream's git.")
@click.option("--with-image", is_flag=True,
              help="The newest commit of the branch whose image upstream published.")  # fmt: skip
@click.option("--registries", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Where registries really are, as for promote.")  # fmt: skip
@click.option("--history", is_flag=True,
              help="Fetch upstream's commits too, so that questions can name them.")  # fmt: skip
@click.option("--project", metavar="NAME", help="Of upstream/NAME.yaml, where there are several.")
@click.option(
    "--check", is_flag=True, help="Write nothing; exit with 1 where the lock would change."
)
@click.pass_obj
def command(
    workspace: Workspace,
    release: str | None,
    ref: str | None,
    with_image: bool,
    registries: Path | None,
    history: bool,
    project: str | None,
    check: bool,
) -> int:
    """Lock an upstream release, and say which watched files changed since the last one."""
    followed = at.project(workspace, project)
    old = at.lock(workspace, followed.name)
    if release and (ref or with_image):
        raise UsageError("--release and --to name two things to lock", help="give one of them")
    sources = at.tracker(followed)
    if with_image:
        ref = at.commit_with_image(sources.git, sources.git.ref(ref), registries)
    snapshot = sources.at(ref) if ref else sources.release(release)
    new = snapshot.lock
    if history:
        _bring_history(workspace, sources, (old, new))
    changes = compare(followed, old, new) if old else ()
    found = unlisted(followed, snapshot)
    if workspace.json:
        report.document("track", _as_json(old, new, changes, found))
    else:
        _show(old, new, changes)
    report.show_findings(found)
    stale = old is None or old.as_bytes() != new.as_bytes()
    if stale and not check:
        files.write(at.lock_path(workspace, followed.name), new.as_bytes())
    return Exit.FINDINGS if (stale and check) or (found and workspace.strict) else Exit.OK


def _bring_history(workspace: Workspace, sources: Sources, locks: tuple[Lock | None, ...]) -> None:
    """All that naming commits takes, back to what each target was last made from."""
    from midstream.upstream.revisions import bring

    made = (at.decisions(workspace, target) for target in sources.project.dockerfiles)
    then = [each.upstream.get("release") for locks_of in made for each in locks_of]
    releases = [*then, *(lock.release for lock in locks if lock)]
    count = bring(sources.git, [release for release in releases if release])
    report.note(f"history: {counted(count, 'version')} of the targets' Dockerfiles at hand")


def unlisted(project: Project, snapshot: Snapshot) -> list[Diagnostic]:
    """A finding for each of upstream's Dockerfiles that nobody has said a word about."""
    return [
        Diagnostic(
            rule=UNLISTED,
            severity=Severity.WARNING,
            message=f"`{path}` is neither a target's nor ignored",
            source=(source := snapshot.source(path)),
            span=Span(0, min(len(source.line(1)), len(source.text))),
            help=f"give it a target under `dockerfiles:` of {project.source.name}, or a reason "
            "under `ignore:`",
            context=snapshot.label,
        )
        for path in project.unlisted(snapshot.lock.files)
    ]


def _show(old: Lock | None, new: Lock, changes: tuple[Change, ...]) -> None:
    label = new.label
    if old is None:
        report.line(f"{label}: {counted(len(new.files), 'file')} locked")
    elif old == new:
        report.line(f"{label}: nothing has changed")
    elif old.name == new.name and not changes:
        report.line(f"{label}: the same files, from another commit, date or archive")
    else:
        report.line(f"{new.project} {old.name} -> {new.name}: {_counted(changes)}")
    for change in changes:
        target = f"  [{change.target}]" if change.target else ""
        was = f"  (was {change.was})" if change.was else ""
        report.line(report.visible(f"  {change.kind:8}{change.path}{was}{target}"))


def _counted(changes: tuple[Change, ...]) -> str:
    counts = {kind: sum(change.kind is kind for change in changes) for kind in Kind}
    said = ", ".join(f"{n} {kind}" for kind, n in counts.items() if n)
    return f"{said or 'none'} of the watched files"


def _as_json(
    old: Lock | None, new: Lock, changes: tuple[Change, ...], found: list[Diagnostic]
) -> dict[str, object]:
    return {
        "project": new.project,
        "from": old.name if old else None,
        "to": new.name,
        "version": new.counts_as,
        "commit": new.commit,
        "changes": [
            {"kind": str(each.kind), "path": each.path, "was": each.was, "target": each.target}
            for each in changes
        ],
        "findings": [report.finding_as_json(each) for each in found],
    }
