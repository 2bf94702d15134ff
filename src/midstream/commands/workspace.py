"""What several commands need of the tree they run on: upstream's project, its lock, a tracker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from midstream import report
from midstream.adapters import files
from midstream.adapters.index import PackageIndex
from midstream.errors import UsageError
from midstream.overlay.fragments import OVERLAYS
from midstream.source import Source
from midstream.upstream.config import FOLDER, Project, read_project
from midstream.upstream.lock import Lock, read_lock
from midstream.upstream.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midstream.adapters.endpoint import Endpoint
    from midstream.cli import Workspace
    from midstream.history.decisions import Decisions
    from midstream.upstream.git_source import GitSource


def tree(workspace: Workspace) -> files.Tree:
    return files.Tree(workspace.root)


def shared_tree(workspace: Workspace) -> files.Tree:
    """The tree whose `overlays/_shared` holds the tables: this one, or midstream's own."""
    here = tree(workspace)
    if here.names("overlays/_shared"):
        return here
    installed = Path(__file__).resolve().parent.parent / "tables"
    return files.Tree(installed if installed.is_dir() else installed.parents[2])


def projects(workspace: Workspace) -> tuple[Project, ...]:
    """All of `upstream/*.yaml`. Raises `ConfigurationError`, and `UsageError` for none."""
    folder = tree(workspace)
    names = [name for name in folder.names(FOLDER) if name.endswith(".yaml")]
    if not names:
        raise UsageError(
            f"there is no {FOLDER}/*.yaml in `{workspace.root}`",
            help="run midstream in the root of an overlay tree, or name it with --root",
        )
    return tuple(read_project(_source(folder, f"{FOLDER}/{name}")) for name in names)


def project(workspace: Workspace, name: str | None) -> Project:
    """One project; the only one where none is named."""
    found = projects(workspace)
    if name is None and len(found) == 1:
        return found[0]
    for each in found:
        if each.name == name:
            return each
    known = ", ".join(each.name for each in found)
    raise UsageError(
        f"no project `{name}`" if name else "there are several projects", help=f"known: {known}"
    )


def lock_path(workspace: Workspace, name: str) -> Path:
    return workspace.root / FOLDER / f"{name}.lock.json"


def lock(workspace: Workspace, name: str) -> Lock | None:
    """What the project is locked to; None where it was never tracked. Raises `UnreadableLock`."""
    path = f"{FOLDER}/{name}.lock.json"
    data = tree(workspace).read(path)
    return None if data is None else read_lock(Source.from_bytes(path, data))


def decisions(workspace: Workspace, target: str) -> tuple[Decisions, ...]:
    """The locks of a target's overlays, one for each range. Raises `UnreadableLock`."""
    from midstream.history.decisions import NAME, read_decisions

    folder = tree(workspace)
    top = f"{OVERLAYS}/{target}"
    paths = [f"{place}/{NAME}" for place in (top, *(f"{top}/{n}" for n in folder.names(top)))]
    found = ((path, folder.read(path)) for path in paths)
    return tuple(read_decisions(Source.from_bytes(p, data)) for p, data in found if data)


def tracker(of: Project) -> Sources:
    return Sources(of, PackageIndex(), files.cache_root(), report.arriving, report.note)


def endpoints(path: Path | None) -> Mapping[str, Endpoint]:
    """What `--registries FILE` says. Raises `ConfigurationError`."""
    if path is None:
        return {}
    from midstream.promotion import registries

    return registries.read(Source.from_bytes(str(path), files.read(path)), path.parent)


def commit_with_image(source: GitSource, ref: str, registries: Path | None) -> str:
    """The newest commit of a branch that upstream could build."""
    from midstream.adapters.skopeo import Skopeo
    from midstream.upstream.image import newest_with_image

    with Skopeo(timeout=60) as skopeo:
        return newest_with_image(source, ref, skopeo, endpoints(registries))


def _source(folder: files.Tree, path: str) -> Source:
    return Source.from_bytes(path, folder.read(path) or b"")
