"""Upstream's own repository as a source: a branch, a release tag or a commit, as a snapshot."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from midstream.adapters import files, git
from midstream.adapters.blobs import Blobs
from midstream.adapters.git import NoSuchRef
from midstream.adapters.git_cache import Cache
from midstream.diagnostic import counted
from midstream.errors import IntegrityError, UsageError
from midstream.upstream.config import any_matches
from midstream.upstream.lock import Lock
from midstream.upstream.snapshot import NotInRelease, Snapshot
from midstream.upstream.versions import Tagged, version_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from midstream.adapters.git_cache import Commit, Entry
    from midstream.upstream.config import Git, Project
    from midstream.upstream.snapshot import Arriving


class GitSource(Struct, frozen=True, dict=True):
    """Finds commits, and brings their files into the cache."""

    project: Project
    cache: Path
    arriving: Arriving

    @property
    def blobs(self) -> Blobs:
        return Blobs(self.cache / "blobs")

    @cached_property
    def newest(self) -> Cache:
        """The newest trees: what a gate and a rebase need."""
        return Cache.of(self.cache, git.address(self._git.url), shallow=True)

    @cached_property
    def history(self) -> Cache:
        """All trees of the branch."""
        return Cache.of(self.cache, git.address(self._git.url), shallow=False)

    @property
    def _git(self) -> Git:
        if self.project.git is None:
            raise UsageError(
                f"`{self.project.source.name}` has no `git:` to fetch from",
                help="add `git: {url: https://…}`",
            )
        return self.project.git

    # --- what a person types ---

    def ref(self, said: str | None) -> str:
        """The full name behind what a person says: the tracked branch, a tag of the pattern, the
        newest tag (the pattern itself), a full name, or a commit's whole id.

        Raises `UnsafeName`, and `NoSuchRef` where no tag fits.
        """
        if said is None or said == self._git.branch:
            return git.full_ref(f"refs/heads/{self._git.branch}")
        if git.is_id(said):
            return said
        if said == self._git.tags:
            return self.newest_release()
        if any_matches((self._git.tags,), said):
            return git.full_ref(f"refs/tags/{said}")
        return git.full_ref(said)

    def release_of(self, ref: str) -> str:
        """The release that a tag is, without what the pattern has in front of it; or nothing."""
        name = ref.removeprefix("refs/tags/")
        if name == ref or not any_matches((self._git.tags,), name):
            return ""
        return name.removeprefix(self._prefix)

    def tag_of(self, release: str) -> str:
        return git.full_ref(f"refs/tags/{self._prefix}{release}")

    @property
    def _prefix(self) -> str:
        return self._git.tags.partition("*")[0].partition("?")[0]

    def newest_release(self) -> str:
        """The full name of the newest release's tag."""
        tags = self.newest.tags(self._git.tags)
        releases = _final_releases(name.removeprefix(self._prefix) for name in tags)
        if not releases:
            raise NoSuchRef(f"{self._git.url} has no release tag `{self._git.tags}`")
        return self.tag_of(releases[-1])

    # --- snapshots ---

    def at(self, said: str | None) -> Snapshot:
        """Upstream at a branch, a tag or a commit, with its watched files at hand."""
        lock = self.lock(self.ref(said))
        self.bring(lock)
        return Snapshot(lock, self.blobs)

    def tip(self, ref: str) -> str:
        """The commit that a ref names now."""
        if git.is_id(ref):
            return self.newest.commit(ref)
        try:
            return self.newest.tip(ref)
        except NoSuchRef as error:
            raise NoSuchRef(
                f"{self._git.url} has no `{ref}`; was it deleted or renamed?",
                help=f"look there, and say what to follow in {self.project.source.name}",
            ) from error

    def lock(self, ref: str) -> Lock:
        """What upstream is at a ref; nothing but trees and tags is fetched."""
        commit, release = self.tip(ref), self.release_of(ref)
        lock = self.lock_of(commit, release)
        is_branch = ref == f"refs/heads/{self._git.branch}"
        return lock if release else replace(lock, version=self.version(lock, is_branch=is_branch))

    def version(self, lock: Lock, *, is_branch: bool) -> str:
        """What a commit counts as where `releases:` are compared; nothing where no tag tells.

        `is_branch` says that it is the tip of the followed branch; else its history is looked at.
        What was found is kept, so that a look at a commit that didn't move asks for no tags.
        """
        kept = self._memory(lock.commit)
        if files.exists(kept):
            return files.read(kept).decode()
        date, ancestors = (lock.date, frozenset[str]()) if is_branch else self._left(lock)
        found = version_of(lock.commit, date, self._tags, ancestors)
        files.write(kept, found.encode())
        return found

    def _left(self, lock: Lock) -> tuple[str, frozenset[str]]:
        """When a commit's branch left the followed one, and the commits since."""
        commit = self.history.commit(lock.commit)
        meeting = self.history.meeting(self._branch, commit)
        if meeting == commit:
            return lock.date, frozenset()
        date = self.history.commits([meeting])[0].date if meeting else ""
        return date, self.history.since(meeting, commit)

    @cached_property
    def _branch(self) -> str:
        """The tip of the followed branch, with its history."""
        return self.history.tip(self.ref(None))

    @cached_property
    def _tags(self) -> list[Tagged]:
        cache = Cache.of(self.cache, git.address(self._git.url), shallow=True, bare=True)
        tags = cache.tagged(self._git.tags)
        return [Tagged(t.name.removeprefix(self._prefix), t.commit, t.date) for t in tags]

    def _memory(self, commit: str) -> Path:
        # The answer depends on what is followed, so the folder is named for it.
        followed = "\0".join((self._git.url, self._git.branch, self._git.tags))
        name = hashlib.sha256(followed.encode()).hexdigest()[:16]
        return self.cache / "versions" / name / commit

    def line(self, old: str, new: str, paths: Iterable[str]) -> tuple[Snapshot, ...]:
        """Upstream at one commit, and at each one up to another that changed one of these paths.

        All files come over one connection. Raises `UsageError` where one doesn't lead to the other.
        """
        first, last = (self._in_history(self.ref(each)) for each in (old, new))
        if not self.history.is_ancestor(first, last):
            raise UsageError(f"`{old}` is no part of the history of `{new}`", help="older..newer")
        commits = [first, *reversed(self.history.between(first, last, paths))]
        locks = self._counted([self.lock_of(each, within=self.history) for each in commits])
        self.bring_blobs(blob for lock in locks for blob in lock.files.values())
        return tuple(Snapshot(lock, self.blobs) for lock in locks)

    def _counted(self, line: list[Lock]) -> list[Lock]:
        """The locks of a line of commits, each with what it counts as."""
        on = self.history.is_ancestor(line[-1].commit, self._branch)
        return [replace(each, version=self.version(each, is_branch=on)) for each in line]

    def _in_history(self, ref: str) -> str:
        return self.history.commit(ref) if git.is_id(ref) else self.history.tip(ref)

    def lock_of(self, commit: str, release: str = "", within: Cache | None = None) -> Lock:
        """What upstream is at a commit that is in a cache: that of the newest trees."""
        cache = within or self.newest
        (about,) = cache.commits([commit])
        entries = cache.entries(commit)
        self._no_links(entries)
        kept = {
            path: entry.blob
            for path, entry in sorted(entries.items())
            if entry.is_file and self.project.wants(path)
        }
        return Lock(self.project.name, release, commit, about.date, None, kept)

    def locked(self, lock: Lock) -> Snapshot:
        """The locked files; fetched where the cache doesn't have all of them."""
        if self.blobs.missing(lock.files.values()):
            if not git.is_id(lock.commit):
                self._same_files(lock)
            self.bring(lock)
        return Snapshot(lock, self.blobs)

    def commits(self, old: Lock | None, new: Lock, paths: Iterable[str]) -> tuple[Commit, ...]:
        """The commits since a lock that changed one of these paths, newest first.

        The history has to be here. Where the old commit is no part of it, as a release's often
        isn't, those that are younger than it.
        """
        if old is None:
            return ()
        if git.is_id(old.commit) and self.history.is_ancestor(old.commit, new.commit):
            found = self.history.between(old.commit, new.commit, paths)
        else:
            found = self.history.younger(old.date, new.commit, paths)
        return self.history.commits(found)

    def bring(self, lock: Lock) -> None:
        """Fetch the files of a lock that aren't here, all at once."""
        self.bring_blobs(lock.files.values())

    def bring_blobs(self, names: Iterable[str]) -> None:
        missing = self.blobs.missing(dict.fromkeys(names))
        if missing:
            arrived = self.arriving(f"{counted(len(missing), 'file')} of {self.project.name}", 0)
            for _, data in self.newest.files(missing):
                self.blobs.put(data)
                arrived(len(data))
            arrived(0)

    def _same_files(self, lock: Lock) -> None:
        """A release that came from the index once: its tag holds the same files, or it isn't it."""
        there = self.lock(self.tag_of(lock.release))
        changed = [path for path, blob in lock.files.items() if there.files.get(path) != blob]
        if changed:
            raise IntegrityError(
                f"`{changed[0]}` of {lock.project} {lock.release} is another file in upstream's "
                "repository than the lock says",
                help="find out why before anything is built from it",
            )

    def _no_links(self, entries: dict[str, Entry]) -> None:
        """A target's Dockerfile is a file: what a link points at isn't followed."""
        for tracked in self.project.dockerfiles.values():
            for path in tracked.paths:
                if path in entries and not entries[path].is_file:
                    raise NotInRelease(
                        f"`{path}` is a symbolic link or a submodule in {self._git.url}",
                        help=f"give the file's own path in {self.project.source.name}",
                    )


def _final_releases(names: Iterable[str]) -> list[str]:
    """Those that are final releases by PEP 440, oldest first."""
    from packaging.version import InvalidVersion, Version

    found = []
    for name in names:
        try:
            version = Version(name)
        except InvalidVersion:
            continue
        if not version.is_prerelease:
            found.append((version, name))
    return [name for _, name in sorted(found)]
