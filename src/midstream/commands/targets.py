"""`midstream targets`: the targets, where their Dockerfiles stand, and what they are locked to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from midstream import report
from midstream.commands import workspace as at
from midstream.errors import Exit, MidstreamError
from midstream.overlay.choosing import targets as overlaid
from midstream.overlay.load import load_overlay

if TYPE_CHECKING:
    from midstream.cli import Workspace
    from midstream.upstream.config import Project
    from midstream.upstream.lock import Lock


class Row(Struct, frozen=True):
    """`path` and `blob` are None where the locked release has no such Dockerfile; `overlay` where
    no overlay is for that release. `moved` says that the last rebase was of other bytes."""

    target: str
    project: str
    release: str | None
    path: str | None
    blob: str | None
    overlay: str | None
    moved: bool


@click.command("targets")
@click.option("--moved", is_flag=True, help="Only those that changed since their last rebase.")
@click.option("--upstream", "looks", is_flag=True,
              help="With --moved: look at upstream and the branches, as a sync does.")  # fmt: skip
@click.option("--remote", is_flag=True, help="With --upstream: at the branches of the remote.")
@click.option("--base", metavar="BRANCH", help="With --upstream: what changes are made on.")
@click.option("--to", "ref", metavar="REF", help="With --upstream: what a sync follows there.")
@click.option(
    "--matrix", type=click.Choice(["github", "tekton"]), help="One line of JSON for a CI matrix."
)
@click.pass_obj
def command(
    workspace: Workspace,
    moved: bool,
    looks: bool,
    remote: bool,
    base: str | None,
    ref: str | None,
    matrix: str | None,
) -> int:
    """List the targets, where their Dockerfiles stand, and what they are locked to."""
    rows = [row for each in at.projects(workspace) for row in _rows(workspace, each)]
    if moved and looks:
        found = _moved_upstream(workspace, base, ref, remote=remote)
        rows = [row for row in rows if row.target in found]
    elif moved:
        rows = [row for row in rows if row.moved]
    if matrix:
        built = [row for row in rows if looks or (row.path and row.overlay)]
        report.line(_matrix(matrix, [row.target for row in built]))
    elif workspace.json:
        report.document("targets", {"targets": [_as_json(row) for row in rows]})
    else:
        header = ("TARGET", "RELEASE", "DOCKERFILE", "BLOB", "OVERLAY")
        report.table(header, [_cells(row) for row in rows])
    return Exit.OK


def _matrix(shape: str, names: list[str]) -> str:
    """As a CI wants what it multiplies a job by."""
    return json.dumps(names if shape == "tekton" else {"include": [{"target": t} for t in names]})


def _moved_upstream(
    workspace: Workspace, base: str | None, ref: str | None, *, remote: bool
) -> set[str]:
    """The targets that a sync would look into now."""
    from midstream.commands.sync import job, one_run, wanted_targets

    found: set[str] = set()
    for project in at.projects(workspace):
        made = job(workspace, project, str(workspace.root), base, ref, pushes=remote, dry_run=True)
        with one_run(made, wait=60):
            found.update(made.moved(wanted_targets(workspace, project, ())))
    return found


def _rows(workspace: Workspace, project: Project) -> list[Row]:
    lock = at.lock(workspace, project.name)
    folder = at.tree(workspace)
    known = overlaid(folder)
    rows = []
    for target in project.dockerfiles:
        path = project.path_of(target, lock.files) if lock else None
        overlay = _overlay(workspace, target, lock) if target in known and path else None
        blob = lock.files[path] if lock and path else None
        rendered = _rendered_blob(workspace, overlay)
        rows.append(
            Row(
                target=target,
                project=project.name,
                release=lock.name if lock else None,
                path=path,
                blob=blob,
                overlay=overlay,
                moved=overlay is not None and rendered != blob,
            )
        )
    return rows


def _overlay(workspace: Workspace, target: str, lock: Lock | None) -> str | None:
    try:
        version = lock.counts_as if lock else None
        return load_overlay(at.tree(workspace), target, version).folder
    except MidstreamError:
        return None


def _rendered_blob(workspace: Workspace, overlay: str | None) -> str | None:
    """The blob that the overlay's lock says was rebased last."""
    data = at.tree(workspace).read(f"{overlay}/lock.json") if overlay else None
    try:
        found = json.loads(data or b"null")
        return str(found["upstream"]["blob"])
    except (ValueError, KeyError, TypeError):
        return None


def _cells(row: Row) -> tuple[str, ...]:
    none = "-"
    return (
        row.target,
        f"{row.project} {row.release}" if row.release else "not tracked",
        row.path or none,
        (row.blob or none)[:10],
        row.overlay or none,
    )


def _as_json(row: Row) -> dict[str, object]:
    return {
        "target": row.target,
        "project": row.project,
        "release": row.release,
        "dockerfile": row.path,
        "blob": row.blob,
        "overlay": row.overlay,
        "moved": row.moved,
    }
