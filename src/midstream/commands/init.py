"""`midstream init`: begin an overlay tree for somebody else's Dockerfiles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from midstream import report
from midstream.adapters import files
from midstream.commands import workspace as at
from midstream.dockerfile.scan import parse
from midstream.errors import Exit, Refused, UsageError
from midstream.source import Source
from midstream.starting import (
    EVERY_DOCKERFILE,
    Start,
    overlay_files,
    project_file,
    targets_of,
)
from midstream.upstream.config import read_project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.cli import Workspace
    from midstream.upstream.config import Project
    from midstream.upstream.snapshot import Snapshot


@click.command("init")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--git", "url", metavar="URL", default="", help="Upstream's repository.")
@click.option("--branch", metavar="NAME", default="", help="Its branch; else its default one.")
@click.option("--index", metavar="NAME", default="",
              help="Its name on the package index, if its releases hold Dockerfiles.")  # fmt: skip
@click.option("--project", metavar="NAME", help="What to call it; else as its source is called.")
@click.option("--dockerfile", "said", multiple=True, metavar="TARGET=PATH",
              help="A Dockerfile to carry, and its target's name; several times.")  # fmt: skip
@click.pass_obj
def command(
    workspace: Workspace,
    folder: Path,
    url: str,
    branch: str,
    index: str,
    project: str | None,
    said: tuple[str, ...],
) -> int:
    """Begin an overlay tree in DIR: upstream's lock, the tables, and an overlay for each target."""
    if not (url or index):
        raise UsageError(
            "where does upstream come from?", help="give --git URL, --index NAME or both"
        )
    _nothing_there(folder)
    name = project or (index or url.rstrip("/").rpartition("/")[2].removesuffix(".git")).lower()
    start = Start(name, url, branch or "main", index, _dockerfiles(said))
    start.check()
    if url and not branch:
        start = replace(start, branch=_default_branch(start))
    snapshot = _newest(start)
    if not start.dockerfiles:
        raise UsageError("which Dockerfiles shall be carried?", help=_offered(start, snapshot))
    contents = dict(_contents(workspace, start, snapshot))
    files.write_all({folder / path: data for path, data in contents.items()})
    if workspace.json:
        report.document("init", {"folder": str(folder), "files": sorted(contents)})
        return Exit.OK
    for path in sorted(contents):
        if "/_shared/" not in path:
            report.line(f"wrote {folder / path}")
    report.line(f"wrote {folder / 'overlays/_shared'}, the tables: packages, images, platforms")
    first = next(iter(start.dockerfiles))
    report.note(f"now: cd {folder} && midstream rebase --target {first}")
    return Exit.OK


def _nothing_there(folder: Path) -> None:
    for name in ("upstream", "overlays"):
        if files.exists(folder / name):
            raise Refused(
                f"`{folder / name}` is there already", help="begin in another folder, or add to it"
            )


def _dockerfiles(said: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for each in said:
        target, equals, path = each.partition("=")
        if not (target and equals and path):
            raise UsageError(
                f"`{each}` names no target and path", help="--dockerfile app=Dockerfile"
            )
        found[target] = path
    return found


def _default_branch(start: Start) -> str:
    """The branch that upstream shows first; `main` where it doesn't say."""
    return at.tracker(_project(start)).git.newest.default_branch() or start.branch


def _newest(start: Start) -> Snapshot:
    """Upstream's newest release on the index, or its branch's newest commit."""
    sources = at.tracker(_project(start))
    return sources.release(None) if start.index else sources.at(None)


def _project(start: Start) -> Project:
    """What is tracked, as far as it is known by now."""
    # Any target will do to read the sources: which Dockerfiles there are isn't known yet.
    whole = replace(start, dockerfiles=start.dockerfiles or {start.project: "Dockerfile"})
    text = project_file(whole, () if start.dockerfiles else EVERY_DOCKERFILE)
    return read_project(Source(f"upstream/{start.project}.yaml", text))


def _offered(start: Start, snapshot: Snapshot) -> str:
    """The options to paste, one for each Dockerfile that upstream has."""
    found = targets_of(start.project, snapshot.lock.files)
    options = [f"--dockerfile {target}={path}" for target, path in found.items()]
    return f"those that are meant: {' '.join(options)}" if options else "upstream has none here"


def _contents(
    workspace: Workspace, start: Start, snapshot: Snapshot
) -> Iterator[tuple[str, bytes]]:
    """Every file of the tree by its path."""
    yield f"upstream/{start.project}.yaml", project_file(start).encode()
    yield f"upstream/{start.project}.lock.json", snapshot.lock.as_bytes()
    tables = at.shared_tree(workspace)
    for path in ("packages.yaml", "images.yaml", "repositories.yaml", *_platforms(tables)):
        yield f"overlays/_shared/{path}", tables.read(f"overlays/_shared/{path}") or b""
    at_root = [path for path in snapshot.lock.files if "/" not in path]
    for target, path in start.dockerfiles.items():
        dockerfile = parse(snapshot.source(path))
        for name, text in overlay_files(start, target, dockerfile, at_root).items():
            yield f"overlays/{name}", text.encode()


def _platforms(tables: files.Tree) -> list[str]:
    return [f"platforms/{name}" for name in tables.names("overlays/_shared/platforms")]
