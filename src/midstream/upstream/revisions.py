"""What upstream's commits made of one file between two states, out of the history in the cache."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.adapters import git
from midstream.diagnostic import UpstreamCommit
from midstream.errors import MidstreamError
from midstream.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from midstream.adapters.git_cache import Commit
    from midstream.upstream.git_source import GitSource

_CUT = timedelta(days=90)
"""How long before its release a release's branch may have left the main one."""
_MOST = 300  # versions of a file; nobody reads further back


class State(Struct, frozen=True):
    """Upstream as a lock names it: by a release, a commit's id (perhaps abbreviated), or both."""

    release: str
    commit: str
    date: str = ""


class Revision(Struct, frozen=True):
    """A file as a commit left it. `text` is None where the file isn't there, or wasn't wanted."""

    commit: UpstreamCommit
    text: Source | None


class Revisions(Struct, frozen=True):
    """A file's versions, newest first. `start` is what it was before the oldest of them."""

    newest_first: tuple[Revision, ...]
    start: Source | None


def revisions(
    source: GitSource,
    then: State,
    now: State,
    paths: Sequence[str],
    *,
    fetches: bool,
    texts: bool = True,
) -> Revisions | None:
    """The commits from one state to another that changed a file, which had these paths.

    None where the history isn't at hand. `fetches` says that it may be brought. Where the old state
    is on another branch, as a release's often is, from where the two parted; where it isn't known
    at all, those of the time since.
    """
    new = _commit(source, now, fetches=fetches)
    if new is None:
        return None
    old = _commit(source, then, fetches=fetches)
    history = source.history
    start = history.meeting(old, new) if old else None
    since = "" if start else _before(then.date)
    if not start and (not since or not texts):
        return None  # of a script it isn't known what it was, to stop there
    commits = history.commits(history.line(start, new, paths, since)[:_MOST])
    about = [UpstreamCommit(each.id, each.date, each.subject) for each in commits]
    if not texts:
        return Revisions(tuple(Revision(each, None) for each in about), None)
    versions = _back_from(source, new, commits, paths)
    if not _at_hand(source, (blob for _, blob in versions if blob), fetches=fetches):
        return None
    read = [_text(source, *each) for each in versions]
    named = zip(about, read[:-1], strict=True)
    return Revisions(tuple(Revision(commit, text) for commit, text in named), read[-1])


def bring(source: GitSource, releases: Iterable[str]) -> int:
    """Fetch what naming commits takes: the followed branch, the tags of some releases, and every
    version of the targets' Dockerfiles. Gives how many versions there are.

    A release without a tag is left out. Raises what keeps git from fetching the branch.
    """
    history = source.history
    tips = [history.tip(source.ref(None))]
    for release in dict.fromkeys(releases):
        found = _commit(source, State(release, ""), fetches=True)
        tips += [found] if found else []
    names = set()
    for tracked in source.project.dockerfiles.values():
        for tip in tips:
            commits = history.commits(history.line(None, tip, tracked.paths))
            steps = history.steps(commits, tracked.paths)
            names |= {touch.new for step in steps for touch in step if touch.new}
    source.bring_blobs(sorted(names))
    return len(names)


def _commit(source: GitSource, state: State, *, fetches: bool) -> str | None:
    """A state's commit, where the history has it, or can be made to have it."""
    history = source.history
    tag = source.tag_of(state.release) if state.release else ""
    for name in (state.commit, tag):
        if fetches and (name.startswith("refs/") or git.is_id(name)):
            try:
                return history.tip(name) if name.startswith("refs/") else history.commit(name)
            except MidstreamError:
                continue  # it was deleted, or nobody answers: then it can't be named
        found = history.known(name) if name and history.is_there else None
        if found:
            return found
    return None


def _before(date: str) -> str:
    if not date:
        return ""
    return f"{datetime.fromisoformat(date) - _CUT:%Y-%m-%dT%H:%M:%SZ}"


def _back_from(
    source: GitSource, new: str, commits: Sequence[Commit], paths: Sequence[str]
) -> list[tuple[str, str | None]]:
    """The path and the blob of a file after each commit, newest first, and before the oldest."""
    entries = source.history.entries(new)
    there = {path: entries[path].blob for path in paths if path in entries}
    versions = []
    for step in source.history.steps(commits, paths):
        versions.append(_first(there, paths))
        for touch in step:
            there.pop(touch.path, None)
            if touch.old:
                there[touch.path] = touch.old
    return [*versions, _first(there, paths)]


def _first(there: Mapping[str, str], paths: Sequence[str]) -> tuple[str, str | None]:
    """The first of a file's paths that is there, and its blob."""
    return next(((path, there[path]) for path in paths if path in there), (paths[0], None))


def _at_hand(source: GitSource, blobs: Iterable[str], *, fetches: bool) -> bool:
    missing = source.blobs.missing(dict.fromkeys(blobs))
    if missing and fetches:
        source.bring_blobs(missing)
    return fetches or not missing


def _text(source: GitSource, path: str, blob: str | None) -> Source | None:
    return Source.from_bytes(path, source.blobs.get(blob)) if blob else None
