"""Upstream from whichever answers: the package index, or its own repository."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.adapters.blobs import Blobs
from midstream.errors import Exit, MidstreamError
from midstream.upstream.snapshot import Snapshot, Tracker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from midstream.adapters.index import Index, SourceRelease
    from midstream.upstream.config import Project
    from midstream.upstream.git_source import GitSource
    from midstream.upstream.lock import Lock
    from midstream.upstream.snapshot import Arriving

# What another source may do better. Bytes that are wrong are wrong whoever brings them.
_OUTSIDE = (Exit.OUTSIDE, Exit.TRANSIENT, Exit.AUTHENTICATION)
_CALLED = {"index": "the index", "git": "upstream's repository"}


class Sources(Struct, frozen=True, dict=True):
    """The sources of a project, asked in the order of `first:`.

    `fell_back` is told what the first one said where the second one is asked.
    """

    project: Project
    index: Index
    cache: Path
    arriving: Arriving
    fell_back: Callable[[str], None]

    @property
    def blobs(self) -> Blobs:
        return Blobs(self.cache / "blobs")

    @cached_property
    def releases_of_index(self) -> Tracker:
        return Tracker(self.project, self.index, self.cache, self.arriving)

    @cached_property
    def git(self) -> GitSource:
        from midstream.upstream.git_source import GitSource  # most runs never ask git

        return GitSource(self.project, self.cache, self.arriving)

    def at(self, said: str | None) -> Snapshot:
        """Upstream at a branch, a tag or a commit of its repository."""
        return self.git.at(said)

    def locked(self, lock: Lock) -> Snapshot:
        """The locked files, from the cache or from a source that has them."""
        if not self.blobs.missing(lock.files.values()):
            return Snapshot(lock, self.blobs)
        if not lock.release:
            return self.git.locked(lock)
        return self._either(
            lambda: self.releases_of_index.locked(lock), lambda: self.git.locked(lock)
        )

    def release(self, version: str | None) -> Snapshot:
        """A release by its version, or the newest one."""
        return self._either(
            lambda: self.releases_of_index.release(version), lambda: self._from_tag(version)
        )

    def remembered(self, version: str) -> Snapshot | None:
        """A release that the cache has whole."""
        return self.releases_of_index.remembered(version)

    def releases(self) -> tuple[SourceRelease, ...]:
        """Every final release of the index, oldest first."""
        return self.releases_of_index.releases()

    def _from_tag(self, version: str | None) -> Snapshot:
        return self.git.at(self.git.tag_of(version) if version else self.git.newest_release())

    def _either(self, by_index: Callable[[], Snapshot], by_git: Callable[[], Snapshot]) -> Snapshot:
        ways = {"index": by_index, "git": by_git}
        there = [name for name in ways if getattr(self.project, name) is not None]
        first, *rest = sorted(there, key=lambda name: name != self.project.first)
        try:
            return ways[first]()
        except MidstreamError as error:
            if not rest or (error.exit_code not in _OUTSIDE):
                raise
            return self._second(rest[0], error, ways[rest[0]])

    def _second(self, other: str, error: MidstreamError, way: Callable[[], Snapshot]) -> Snapshot:
        """Ask the other source. Where it can't help either, the first one's answer counts."""
        self.fell_back(f"{error.message}; asking {_CALLED[other]} instead")
        try:
            return way()
        except MidstreamError as worse:
            if worse.exit_code in _OUTSIDE:
                raise error from worse
            raise
