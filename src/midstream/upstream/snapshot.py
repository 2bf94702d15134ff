"""Upstream at one release: its files, each proved by its git blob id when it is read."""

from __future__ import annotations

import hashlib
import re
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.adapters import files
from midstream.adapters.blobs import Blobs
from midstream.adapters.index import NoSuchRelease, WrongArchive
from midstream.errors import UsageError
from midstream.source import Source
from midstream.upstream.lock import Archive, Lock, UnreadableLock, read_lock
from midstream.upstream.release_arguments import PIPELINE, read_release_builds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from midstream.adapters.index import Index, SourceRelease
    from midstream.upstream.config import Project
    from midstream.upstream.release_arguments import ReleaseBuild

    Arriving = Callable[[str, int], Callable[[int], None]]


class NotInRelease(UsageError):
    """A file that upstream doesn't have at this release."""


class Snapshot(Struct, frozen=True, dict=True):
    """Upstream as a lock describes it, with its files at hand."""

    lock: Lock
    blobs: Blobs

    @property
    def label(self) -> str:
        """What findings call it: `vllm 0.33.0`, or `vllm 0123456789ab` off the releases."""
        return self.lock.label

    def __contains__(self, path: str) -> bool:
        return path in self.lock.files

    def read(self, path: str) -> bytes:
        """A file's bytes. Raises `NotInRelease` and `WrongBytes`."""
        if path not in self.lock.files:
            raise NotInRelease(
                f"{self.label} has no `{path}` among its watched files",
                help="list it under `watch:` of upstream/"
                f"{self.lock.project}.yaml, and run `midstream track`",
            )
        return self.blobs.get(self.lock.files[path])

    def source(self, path: str) -> Source:
        """A file as a text; read once. Raises as `read`."""
        if path not in self._sources:
            self._sources[path] = Source.from_bytes(path, self.read(path))
        return self._sources[path]

    @cached_property
    def _sources(self) -> dict[str, Source]:
        return {}

    @cached_property
    def release_builds(self) -> tuple[ReleaseBuild, ...]:
        """What upstream's own release pipeline builds, where it is among the watched files."""
        if PIPELINE not in self:
            return ()
        return read_release_builds(self.source(PIPELINE), self._text)

    def _text(self, path: str) -> str | None:
        return self.source(path).text if path in self else None


class Tracker(Struct, frozen=True):
    """Finds releases, and brings their files into the cache.

    `arriving` is called with a title and a size in bytes before a download, and gives what is
    called with each piece's length.
    """

    project: Project
    index: Index
    cache: Path
    arriving: Arriving

    @property
    def blobs(self) -> Blobs:
        return Blobs(self.cache / "blobs")

    def locked(self, lock: Lock) -> Snapshot:
        """The locked release; fetched where the cache doesn't have all of it.

        Raises `WrongArchive` where the index offers another archive under that version now.
        """
        if self.blobs.missing(lock.files.values()):
            fetched = self._fetch(self._find(lock.release), lock.archive)
            changed = [p for p, blob in lock.files.items() if fetched.files.get(p) != blob]
            if changed:
                raise WrongArchive(
                    f"`{changed[0]}` of {lock.project} {lock.release} is not what the lock says",
                    help="the lock was edited, or lists files that are no longer watched: "
                    f"midstream track --release {lock.release}",
                )
        return Snapshot(lock, self.blobs)

    def releases(self) -> tuple[SourceRelease, ...]:
        """Every final release with a source archive, oldest first."""
        return self.index.releases(self._name())

    def release(self, version: str | None) -> Snapshot:
        """A release by its version, or the newest one of the index."""
        known = self._remembered(version) if version else None
        if known is None:
            found = self._find(version)
            known = self._remembered(found.version) or self._fetch(found, None)
        return Snapshot(known, self.blobs)

    def remembered(self, version: str) -> Snapshot | None:
        """A release as far as the cache has it; nothing is fetched."""
        known = self._remembered(version)
        return Snapshot(known, self.blobs) if known else None

    def _find(self, version: str | None) -> SourceRelease:
        name = self._name()
        found = self.index.releases(name)
        if not found:
            raise NoSuchRelease(f"the index has no source release of `{name}`")
        if version is None:
            return found[-1]
        for release in found:
            if release.version == version:
                return release
        newest = ", ".join(each.version for each in found[-3:])
        raise NoSuchRelease(
            f"the index has no source release {version} of `{name}`", help=f"newest: {newest}"
        )

    def _name(self) -> str:
        if self.project.index is None:
            raise UsageError(
                f"`{self.project.source.name}` has no `index:` to fetch releases from",
                help="add `index: {name: …}`",
            )
        return self.project.index.name

    def _fetch(self, release: SourceRelease, promised: Archive | None) -> Lock:
        if promised is not None and promised.sha256 != release.sha256:
            raise WrongArchive(
                f"the index now offers another archive as `{release.name}`: sha256 "
                f"{release.sha256}, locked {promised.sha256}",
                help="find out why before anything is built from it",
            )
        arrived = self.arriving(release.name, release.size)
        kept = self.index.files(release, self._wants, arrived)
        commit = self._commit(kept)
        paths = [path for path in kept if self.project.wants(path)]
        lock = Lock(
            project=self.project.name,
            release=release.version,
            commit=commit,
            date=release.date,
            archive=Archive(release.name, release.sha256, release.size),
            files={path: self.blobs.put(kept[path]) for path in sorted(paths)},
        )
        self.remember(lock)
        return lock

    def remember(self, lock: Lock) -> None:
        """Keep what a release holds, so that it needn't be fetched again."""
        files.write(self._memory(lock.release), lock.as_bytes())

    def _wants(self, path: str) -> bool:
        return path == self._version_file or self.project.wants(path)

    @property
    def _version_file(self) -> str | None:
        return self.project.index.version_file if self.project.index else None

    def _commit(self, kept: dict[str, bytes]) -> str:
        text = kept.get(self._version_file or "", b"").decode(errors="replace")
        # setuptools-scm writes `g` and the abbreviated id, as `git describe` does.
        found = re.search(r"^(?:__)?commit_id(?:__)?\b.*=\s*'g([0-9a-f]+)'", text, re.MULTILINE)
        return found[1] if found else ""

    def _memory(self, version: str) -> Path:
        # What was kept depends on what was watched, so the folder is named for it.
        tracked = [each.paths for each in self.project.dockerfiles.values()]
        kept = repr((sorted(self.project.watch), sorted(tracked), self._version_file))
        name = hashlib.sha256(kept.encode()).hexdigest()[:12]
        return self.cache / "releases" / self.project.name / name / f"{version}.json"

    def _remembered(self, version: str) -> Lock | None:
        """What the cache knows of a release."""
        path = self._memory(version)
        if not _is_plain(version) or not files.exists(path):
            return None
        try:
            lock = read_lock(Source.from_bytes(str(path), files.read(path)))
        except UnreadableLock:
            return None  # a cache; it is made again
        return None if self.blobs.missing(lock.files.values()) else lock


def _is_plain(version: str) -> bool:
    return re.fullmatch(r"[0-9A-Za-z.+!_-]+", version) is not None
