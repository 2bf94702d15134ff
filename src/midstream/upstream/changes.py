"""What differs between two releases, file by file."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from midstream.upstream.config import Project
    from midstream.upstream.lock import Lock


class Kind(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    MOVED = "moved"
    REMOVED = "removed"


class Change(Struct, frozen=True):
    """One watched file. `was` is its older path where it moved; `target` whose Dockerfile it is."""

    kind: Kind
    path: str
    was: str | None = None
    target: str | None = None


def compare(project: Project, old: Lock, new: Lock) -> tuple[Change, ...]:
    """Every difference, by path. A file that moved and changed is one change, and `moved`."""
    moves = [*_moved_blobs(old, new), *_moved_targets(project, old, new)]
    moved = {path: was for path, was in moves if path not in old.files}
    gone = set(moved.values())
    owners = _owners(project, old) | _owners(project, new)
    found = []
    for path in sorted({*old.files, *new.files}):
        before, after = old.files.get(path), new.files.get(path)
        if path in moved:
            found.append(Change(Kind.MOVED, path, moved[path], owners.get(path)))
        elif path in gone and after is None:
            continue
        elif before is None:
            found.append(Change(Kind.ADDED, path, target=owners.get(path)))
        elif after is None:
            found.append(Change(Kind.REMOVED, path, target=owners.get(path)))
        elif before != after:
            found.append(Change(Kind.CHANGED, path, target=owners.get(path)))
    return tuple(found)


def _owners(project: Project, lock: Lock) -> dict[str, str]:
    paths = {target: project.path_of(target, lock.files) for target in project.dockerfiles}
    return {path: target for target, path in paths.items() if path is not None}


def _moved_targets(project: Project, old: Lock, new: Lock) -> list[tuple[str, str]]:
    """A target whose Dockerfile stands at another of its paths now."""
    pairs = (
        (project.path_of(target, new.files), project.path_of(target, old.files))
        for target in project.dockerfiles
    )
    return [(now, was) for now, was in pairs if now and was and now != was]


def _moved_blobs(old: Lock, new: Lock) -> list[tuple[str, str]]:
    """A file that went, and one that came with the very same bytes."""
    gone = {blob: path for path, blob in old.files.items() if path not in new.files}
    return [
        (path, gone[blob])
        for path, blob in new.files.items()
        if path not in old.files and blob in gone
    ]
