"""`upstream/<project>.lock.json`: what upstream was when it was last tracked.

Every file has its git blob id, so that any source may deliver the bytes: a source release, a
clone, a cache. Bytes with another id are refused.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from midstream.diagnostic import Diagnostic, Rule, Severity
from midstream.errors import UsageError
from midstream.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Mapping

BAD_LOCK = Rule(
    "MS550",
    "unreadable-lock",
    """\
**What it says.** A lock file is no lock: truncated, edited by hand, from a newer midstream, or with
git's conflict markers in it.

**Why it matters.** The lock says which bytes are upstream's. Nothing is guessed from half of it.

**The way out.** `git checkout` the file as it was, or write it anew: `midstream track`.
""",
)
RULES = (BAD_LOCK,)

VERSION = 1


class UnreadableLock(UsageError):
    """A lock that can't be used; the finding says where and why."""


class Archive(Struct, frozen=True):
    """A source release as the index offers it. `size` is in bytes, 0 where it isn't said."""

    name: str
    sha256: str
    size: int


class Lock(Struct, frozen=True):
    """Upstream at one release or commit.

    `release` is empty for a commit that is no release. `commit` is as the source says it, perhaps
    abbreviated, or empty. `date` is that of the commit
    or the release, as RFC 3339 writes it. `files` maps paths to git blob ids. `version` is what a
    commit counts as where `releases:` are compared; empty where that can't be told.
    """

    project: str
    release: str
    commit: str
    date: str
    archive: Archive | None
    files: Mapping[str, str]
    version: str = ""

    @property
    def counts_as(self) -> str | None:
        """What ranges of releases are compared with: the release, or the commit's version."""
        return self.release or self.version or None

    @property
    def name(self) -> str:
        """The release, or the beginning of the commit's id."""
        return self.release or self.commit[:12]

    @property
    def label(self) -> str:
        return f"{self.project} {self.name}"

    def as_bytes(self) -> bytes:
        content: dict[str, Any] = {
            "midstream": VERSION,
            "project": self.project,
            "release": self.release,
            **({"version": self.version} if self.version else {}),
            "commit": self.commit,
            "date": self.date,
        }
        if self.archive is not None:
            archive = self.archive
            content["archive"] = {
                "name": archive.name, "sha256": archive.sha256, "size": archive.size
            }  # fmt: skip
        content["files"] = dict(sorted(self.files.items()))
        return f"{json.dumps(content, indent=1)}\n".encode()


def read_lock(source: Source) -> Lock:
    """Raises `UnreadableLock`."""
    content = read_json(source)
    try:
        return Lock(
            project=_text(content, "project"),
            release=_text(content, "release"),
            commit=_text(content, "commit"),
            date=_text(content, "date"),
            archive=_archive(content["archive"]) if "archive" in content else None,
            files={path: _blob(path, name) for path, name in content["files"].items()},
            version=_text(content, "version") if "version" in content else "",
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(source, f"a value is missing or of another kind: {error}", 0) from None


def read_json(source: Source) -> dict[str, Any]:
    """The object in a lock of this version. Raises `UnreadableLock`."""
    marks = re.search(r"^<<<<<<< ", source.text, re.MULTILINE)
    if marks:
        raise _unreadable(source, "git's conflict markers are in it", marks.start(), _MERGED)
    try:
        content = json.loads(source.text, object_pairs_hook=_each_once)
    except json.JSONDecodeError as error:
        raise _unreadable(source, f"not JSON: {error.msg}", error.pos) from None
    except (RecursionError, ValueError) as error:  # nested too deeply; a number of 5,000 digits
        raise _unreadable(source, f"not a lock: {error}", 0) from None
    if not isinstance(content, dict) or content.get("midstream") != VERSION:
        found = content.get("midstream") if isinstance(content, dict) else None
        message = f"made for version {found!r} of the format, not {VERSION}"
        raise _unreadable(source, message, 0, _OTHER)
    return content


_BACK = "git checkout -- {path}"
_OTHER = f"use the midstream that wrote it, or go back to the one before: {_BACK}"
_MERGED = "midstream decide --target {target} --merge"


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Where a name stands twice, as a merge can leave it, JSON's reader would drop the first."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"`{name}` stands in it twice")
        found[name] = value
    return found


def _archive(content: Mapping[str, Any]) -> Archive:
    size = content["size"]
    if not isinstance(size, int):
        raise TypeError("`size` is no whole number")
    return Archive(_text(content, "name"), _text(content, "sha256"), size)


def _blob(path: str, name: object) -> str:
    # An id becomes a path in the cache, and part of a command that a person is told to type.
    if not isinstance(name, str) or not re.fullmatch(r"[0-9a-f]{40}", name):
        raise ValueError(f"`{path}` has no git blob id")
    return name


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content[key]
    if not isinstance(value, str):
        raise TypeError(f"`{key}` is no text")
    return value


def _unreadable(source: Source, message: str, at: int, way_out: str = _BACK) -> UnreadableLock:
    parts = source.name.split("/")
    is_overlays = parts[0] == "overlays" and len(parts) > 1
    if way_out is _MERGED and not is_overlays:
        way_out = f"{_BACK}, and run: midstream track"
    found = Diagnostic(
        rule=BAD_LOCK,
        severity=Severity.ERROR,
        message=message,
        source=source,
        span=Span(min(at, len(source.text)), min(at + 1, len(source.text))),
        help=way_out.format(path=source.name, target=parts[1] if is_overlays else ""),
    )
    return UnreadableLock(f"can't use {source.name}", diagnostics=[found])
