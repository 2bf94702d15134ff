"""What all tags of a repository hold at one time, and what changed between two such times."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from midstream.adapters.http import Transient
from midstream.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from midstream.promotion.attachments import Side

_ATTEMPTS = 5
_LONGEST_PAUSE = 60.0


class Snapshot(Struct, frozen=True):
    """Tags with the digests that their bytes hash to. It has no time in it: a file's name may."""

    repository: str
    tags: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        return {"repository": self.repository, "tags": dict(sorted(self.tags.items()))}


class Difference(Struct, frozen=True):
    """`moved`: tag -> what it held before, and what it holds now."""

    added: Mapping[str, str]
    removed: Mapping[str, str]
    moved: Mapping[str, tuple[str, str]]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.moved)

    def as_json(self) -> dict[str, Any]:
        moved = {tag: {"from": old, "to": new} for tag, (old, new) in sorted(self.moved.items())}
        return {
            "added": dict(sorted(self.added.items())),
            "removed": dict(sorted(self.removed.items())),
            "moved": moved,
        }


def take(side: Side, *, jobs: int = 4, pause: Callable[[float], object] = time.sleep) -> Snapshot:
    """Read every tag and hash it, `jobs` at a time. Raises `NotFound` without a repository."""
    names = list(side.registry.tags(side.repository))
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        digests = list(pool.map(lambda tag: _digest(side, tag, pause), names))
    tags = {tag: digest for tag, digest in zip(names, digests, strict=True) if digest}
    return Snapshot(str(side), tags)


def parse(data: bytes, name: str) -> Snapshot:
    """Read what `as_json` made, alone or as the one object that `--json` prints."""
    try:
        content = json.loads(data)
        repository, tags = content["repository"], content["tags"]
        texts = [repository, *tags, *tags.values()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        repository, tags, texts = "", {}, [None]
    if not all(isinstance(each, str) for each in texts):
        raise UsageError(
            f"`{name}` is no snapshot", help="`midstream promote snapshot REPO --json` makes one"
        )
    return Snapshot(repository, tags)


def difference(before: Snapshot, after: Snapshot) -> Difference:
    old, new = before.tags, after.tags
    return Difference(
        added={tag: digest for tag, digest in new.items() if tag not in old},
        removed={tag: digest for tag, digest in old.items() if tag not in new},
        moved={
            tag: (old[tag], digest)
            for tag, digest in new.items()
            if tag in old and old[tag] != digest
        },
    )


def _digest(side: Side, tag: str, pause: Callable[[float], object]) -> str | None:
    """None where the tag has gone since it was listed."""
    for attempt in range(_ATTEMPTS - 1):
        try:
            found = side.manifest(tag)
        except Transient as error:
            asked = error.retry_after if error.retry_after is not None else 0.5 * 2**attempt
            pause(min(asked, _LONGEST_PAUSE))
        else:
            return found.digest if found else None
    found = side.manifest(tag)
    return found.digest if found else None
