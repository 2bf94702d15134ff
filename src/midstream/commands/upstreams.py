"""Upstream's text for the commands that rebase: from the lock, another release, or a file."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from midstream.adapters import files
from midstream.adapters.blobs import blob_id
from midstream.checks.view import COMMUNITY
from midstream.commands import workspace as at
from midstream.errors import MidstreamError, UsageError
from midstream.overlay.choosing import targets as overlaid
from midstream.rebasing.flow import Rebaser
from midstream.source import Source
from midstream.upstream.config import is_dockerfile
from midstream.upstream.origin import Earlier, Origin, origin_of

if TYPE_CHECKING:
    from pathlib import Path

    from midstream.cli import Workspace
    from midstream.history.decisions import Decisions
    from midstream.overlay.fragments import Folder
    from midstream.upstream.config import Project
    from midstream.upstream.lock import Lock
    from midstream.upstream.revisions import Revisions
    from midstream.upstream.snapshot import Snapshot
    from midstream.upstream.sources import Sources


def rebaser(
    workspace: Workspace,
    release: str | None = None,
    dockerfile: tuple[str, Path] | None = None,
    profile: str = COMMUNITY,
    ref: str | None = None,
) -> tuple[Rebaser, Origins]:
    """What rebases the targets of a tree, and where it takes upstream's text from."""
    origins = Origins(workspace, release, dockerfile, ref)
    return rebaser_of(at.tree(workspace), origins, profile), origins


def rebaser_of(folder: Folder, origins: Origins, profile: str = COMMUNITY) -> Rebaser:
    """What rebases the targets of any tree, with upstream's text from there."""
    cache = files.cache_root()
    return Rebaser(folder, origins, cache, origins.earlier, origins.revisions, profile)


class Origins:
    """Upstream's text for each target, from the lock, another release or commit, or a file."""

    def __init__(
        self,
        workspace: Workspace,
        release: str | None = None,
        dockerfile: tuple[str, Path] | None = None,
        ref: str | None = None,
    ) -> None:
        self.workspace = workspace
        self.release = release
        self.ref = ref
        self.dockerfile = dockerfile  # of one target; what that is built on stays as locked
        self.may_fetch = ref is not None  # where git is asked anyway, for its history too
        self._snapshots: dict[str, Snapshot] = {}

    def at(self, release: str) -> None:
        """From now on, the texts of this release."""
        if release != self.release:
            self.release = release
            self._snapshots.clear()

    def use(self, snapshot: Snapshot) -> None:
        """From now on, these texts for the targets of its project, which came from git."""
        self.may_fetch = True
        self._snapshots[snapshot.lock.project] = snapshot

    @cached_property
    def projects(self) -> dict[str, Project]:
        """What `upstream/*.yaml` say, by name."""
        return {each.name: each for each in at.projects(self.workspace)}

    def __call__(self, target: str) -> Origin:
        project = self._project(target)
        if self.dockerfile is not None and self.dockerfile[0] == target:
            path = self.dockerfile[1]
            data = files.read(path)
            return self._on_disk(project, Source.from_bytes(path.name, data))
        return origin_of(self.projects[project], self.snapshot(project), target)

    def _on_disk(self, project: str, source: Source) -> Origin:
        """A text in upstream's place, with the locked release around it if there is one."""
        if at.lock(self.workspace, project) is None and self.release is None and not self.ref:
            return Origin(project, None, "", "", blob_id(source.data), source)
        snapshot = self.snapshot(project)
        lock = snapshot.lock
        blob = blob_id(source.data)
        release = lock.release or None
        return Origin(project, release, lock.commit, lock.date, blob, source, snapshot)

    def snapshot(self, name: str) -> Snapshot:
        if name not in self._snapshots:
            project = self.projects[name]
            tracker = at.tracker(project)
            if self.ref is not None:
                self._snapshots[name] = tracker.at(self.ref)
            elif self.release is not None:
                self._snapshots[name] = tracker.release(self.release)
            else:
                self._snapshots[name] = tracker.locked(_lock(self.workspace, name))
        return self._snapshots[name]

    def _project(self, target: str) -> str:
        found = [p.name for p in self.projects.values() if target in p.dockerfiles]
        if not found:
            known = [t for p in self.projects.values() for t in p.dockerfiles]
            raise UsageError(f"no target `{target}`", help=f"known: {', '.join(known)}")
        return found[0]

    def has(self, target: str) -> bool:
        """Whether the release has a Dockerfile for a target."""
        project = self.projects[self._project(target)]
        return project.path_of(target, self.snapshot(project.name).lock.files) is not None

    def targets(self) -> tuple[str, ...]:
        """The targets with an overlay whose Dockerfile the release has."""
        return tuple(each for each in overlaid(at.tree(self.workspace)) if self.has(each))

    def earlier(self, lock: Decisions) -> Earlier | None:
        """Upstream as a target's lock knows it: by its blob, or from its release again.

        None where it can't be had; then the report lacks what changed, and nothing else.
        """
        name = lock.upstream.get("project")
        if not name:
            return None
        try:
            return _earlier(at.tracker(self.projects[name]), lock)
        except MidstreamError:
            return None

    def revisions(
        self, lock: Decisions, origin: Origin, path: str, texts: bool
    ) -> Revisions | None:
        """What upstream's commits made of a file since a target's lock was made, newest first.

        None where the history isn't at hand: then the findings name no commits, and nothing else.
        """
        project = self.projects[origin.project]
        if project.git is None:
            return None
        from midstream.upstream.revisions import State, revisions

        sources = at.tracker(project)
        release = lock.upstream.get("release") or ""
        known = sources.remembered(release) if release else None
        date = known.lock.date if known else ""
        then = State(release, lock.upstream.get("commit") or "", date)
        now = State(origin.release or "", origin.commit, origin.date)
        tracked = (each.paths for each in project.dockerfiles.values() if path in each.paths)
        paths = next(tracked, (path,))
        try:
            return revisions(sources.git, then, now, paths, fetches=self.may_fetch, texts=texts)
        except MidstreamError:
            return None


def _earlier(sources: Sources, lock: Decisions) -> Earlier | None:
    blob, path = lock.upstream.get("blob"), lock.upstream.get("path")
    release, commit = lock.upstream.get("release"), lock.upstream.get("commit")
    if not (blob and path and (release or commit)):
        return None
    snapshot = _as_it_was(sources, release, commit)
    if snapshot is None or snapshot.lock.files.get(path) != blob:
        return Earlier(Source.from_bytes(path, sources.blobs.get(blob)))
    others = {
        each: snapshot.source(each)
        for each in snapshot.lock.files
        if each != path and is_dockerfile(each)
    }
    return Earlier(snapshot.source(path), others, snapshot)


def _as_it_was(sources: Sources, release: str | None, commit: str | None) -> Snapshot | None:
    """All watched files of a release or commit; None where no source has them now."""
    try:
        if release:
            return sources.remembered(release) or sources.release(release)
        return sources.at(commit)
    except MidstreamError:
        return None


def _lock(workspace: Workspace, name: str) -> Lock:
    lock = at.lock(workspace, name)
    if lock is None:
        raise UsageError(
            f"`{name}` was never tracked", help="run: midstream track, or name a --release"
        )
    return lock
