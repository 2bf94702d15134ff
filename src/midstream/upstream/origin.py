"""The upstream text that one target is made from, and the files that stand beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.errors import UsageError
from midstream.upstream.config import is_dockerfile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.source import Source
    from midstream.upstream.config import Project
    from midstream.upstream.snapshot import Snapshot


class Origin(Struct, frozen=True, dict=True):
    """Upstream for one target. `release` is None for a text that belongs to no release.

    `blob` is the git blob id of the Dockerfile, `date` the release's as RFC 3339 writes it.
    """

    project: str
    release: str | None
    commit: str
    date: str
    blob: str
    dockerfile: Source
    snapshot: Snapshot | None = None

    @property
    def label(self) -> str:
        """What findings call it: `vllm 0.33.0`, or `vllm 0123456789ab` off the releases."""
        return self.snapshot.label if self.snapshot else self.dockerfile.name

    @property
    def counts_as(self) -> str | None:
        """What ranges of releases are compared with; None where nothing tells."""
        return self.release or (self.snapshot.lock.counts_as if self.snapshot else None)

    def file(self, path: str) -> Source:
        """A file beside the Dockerfile. Raises `NotInRelease`, or `UsageError`."""
        if self.snapshot is None:
            raise UsageError(
                f"`{path}` can't be read: {self.dockerfile.name} belongs to no release",
                help="name a release with --release instead of --dockerfile",
            )
        return self.snapshot.source(path)

    def find(self, path: str) -> Source | None:
        return self.file(path) if self.snapshot and path in self.snapshot else None

    def requirements(self) -> list[str]:
        """The requirements files that are watched."""
        names = self.snapshot.lock.files if self.snapshot else ()
        return sorted(name for name in names if name.startswith("requirements"))

    def scripts(self) -> Mapping[str, Source]:
        """The scripts that are watched, which RUNs may call. Each is read when it is asked
        for: most never are."""
        return _Scripts(self.snapshot) if self.snapshot is not None else {}


class _Scripts(Mapping[str, "Source"]):
    """The `*.sh` and `*.py` of a release, by path."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._paths = [path for path in snapshot.lock.files if path.endswith((".sh", ".py"))]

    def __getitem__(self, path: str) -> Source:
        if path not in self._paths:
            raise KeyError(path)
        return self._snapshot.source(path)

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


class Earlier(Struct, frozen=True):
    """Upstream as it was when a target's lock was made: its Dockerfile, the other ones, and all
    watched files where they are at hand."""

    dockerfile: Source
    others: Mapping[str, Source] = {}
    snapshot: Snapshot | None = None


def dockerfiles_beside(origin: Origin) -> dict[str, Source]:
    """The other Dockerfiles of the same release."""
    snapshot = origin.snapshot
    if snapshot is None:
        return {}
    return {
        path: snapshot.source(path)
        for path in snapshot.lock.files
        if path != origin.dockerfile.name and is_dockerfile(path)
    }


def origin_of(project: Project, snapshot: Snapshot, target: str) -> Origin:
    """A target's Dockerfile at a release. Raises `UsageError` where the release has none."""
    lock = snapshot.lock
    if target not in project.dockerfiles:
        known = ", ".join(project.dockerfiles)
        raise UsageError(f"{project.source.name} has no target `{target}`", help=f"known: {known}")
    path = project.path_of(target, lock.files)
    if path is None:
        tried = ", ".join(project.dockerfiles[target].paths)
        raise UsageError(
            f"{snapshot.label} has no Dockerfile for `{target}`", help=f"looked for {tried}"
        )
    return Origin(
        project=lock.project,
        release=lock.release or None,
        commit=lock.commit,
        date=lock.date,
        blob=lock.files[path],
        dockerfile=snapshot.source(path),
        snapshot=snapshot,
    )
