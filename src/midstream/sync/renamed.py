"""Where a file went that upstream no longer has at its path."""

from __future__ import annotations

import difflib
import posixpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from midstream.upstream.git_source import GitSource
    from midstream.upstream.lock import Lock

_ALIKE = 0.6  # of the lines; vLLM's renames kept more than nine of ten


def moved_to(source: GitSource, blob: str, before: Lock, now: Lock) -> str | None:
    """The path that holds the very same file, or a new Dockerfile that is much like it."""
    entries = {p: e for p, e in source.newest.entries(now.commit).items() if e.is_file}
    same = [path for path, entry in entries.items() if entry.blob == blob]
    if same:
        return same[0]
    named = [p for p in entries if "dockerfile" in posixpath.basename(p).lower()]
    new = {path: entries[path].blob for path in named if path not in before.files}
    source.bring_blobs([blob, *new.values()])
    old = source.blobs.get(blob).splitlines()
    likeness = {path: _alike(old, source.blobs.get(name)) for path, name in new.items()}
    best = max(likeness, key=lambda path: likeness[path], default=None)
    return best if best is not None and likeness[best] >= _ALIKE else None


def _alike(old: list[bytes], data: bytes) -> float:
    return difflib.SequenceMatcher(None, old, data.splitlines(), autojunk=False).ratio()
