"""What a result depends on beside upstream: every file that is written for midstream."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from midstream.overlay.fragments import OVERLAYS
from midstream.upstream.config import FOLDER, is_dockerfile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from midstream.adapters.files import Tree
    from midstream.upstream.config import Project
    from midstream.upstream.lock import Lock

_SIBLING = re.compile(rb"""sibling\(\s*["']([^"']+)["']\s*\)""")
_NO_MATTER = ("commit", "version")  # of the upstream that a plan and a lock name


def overlay_digest(tree: Tree) -> str:
    """One digest of all overlays and of what is tracked, with the answers in their locks."""
    total = hashlib.sha256()
    for path, data in _files(tree, OVERLAYS):
        total.update(f"{path}\0{len(data)}\0".encode("utf-8", "surrogateescape") + data)
    for path, data in _files(tree, FOLDER):
        if path.endswith(".yaml"):
            total.update(f"{path}\0{len(data)}\0".encode("utf-8", "surrogateescape") + data)
    return f"sha256:{total.hexdigest()}"


def siblings(tree: Tree) -> tuple[str, ...] | None:
    """The targets whose images any overlay takes; None where its texts don't tell."""
    texts = [data for _, data in _files(tree, OVERLAYS)]
    found = [name.decode() for text in texts for name in _SIBLING.findall(text)]
    return tuple(found) if len(found) == sum(text.count(b"sibling(") for text in texts) else None


def matter(
    project: Project, target: str, used: tuple[str, ...] | None, lock: Lock
) -> Mapping[str, str]:
    """The upstream files that a target's result can depend on: all but the Dockerfiles of targets
    whose image nobody here uses."""
    if used is None:
        return lock.files
    own = {path for t in (target, *used) for path in _paths(project, t)}
    return {p: blob for p, blob in lock.files.items() if p in own or not is_dockerfile(p)}


def _paths(project: Project, target: str) -> tuple[str, ...]:
    tracked = project.dockerfiles.get(target)
    return tracked.paths if tracked else ()


def _files(tree: Tree, folder: str) -> Iterator[tuple[str, bytes]]:
    for name in tree.names(folder):
        path = f"{folder}/{name}"
        data = tree.read(path)
        if data is None:
            yield from _files(tree, path)
        elif not name.startswith("."):
            yield path, data


def same_outcome(old: Mapping[str, bytes | None], new: Mapping[str, bytes]) -> bool:
    """Whether two sets of results differ in nothing but the commit that they were made from."""
    return all(_essence(path, old.get(path)) == _essence(path, data) for path, data in new.items())


def _essence(path: str, data: bytes | None) -> Any:
    if data is None or not path.endswith((".build.json", "/lock.json")):
        return data
    try:
        content = json.loads(data)
        kept = {k: v for k, v in content["upstream"].items() if k not in _NO_MATTER}
    except (ValueError, KeyError, TypeError, AttributeError):
        return data
    return {**content, "upstream": kept}
