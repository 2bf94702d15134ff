"""What a commit that is no release counts as, where `releases:` are compared.

It is what setuptools-scm would call it, without the distance: the last number of the newest release
before it, plus one, with `.dev0`. Upstream tags a release on a branch that left the main one some
days earlier, so that the tag is no ancestor of anything there; what counts on the followed branch
is therefore which tags are no younger than the commit. Off that branch its own ancestors count, and
what was older than the place where it left.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.version import Version


class Tagged(Struct, frozen=True):
    """A release tag: its name without what the pattern has in front of it, the commit that it is
    on, and that commit's date."""

    release: str
    commit: str
    date: str


def version_of(
    commit: str, date: str, tags: Iterable[Tagged], ancestors: frozenset[str] = frozenset()
) -> str:
    """The version of a commit; nothing where no release is older.

    `date` is that of the commit, or of the one where its branch left the followed one; `ancestors`
    are the commits since then.
    """
    known = [(version, tag) for tag in tags if (version := _release(tag.release)) is not None]
    its_own = [version for version, tag in known if tag.commit == commit]
    if its_own:
        return str(max(its_own))
    older = [v for v, tag in known if tag.date <= date or tag.commit in ancestors]
    return _after(max(older)) if older else ""


def _release(name: str) -> Version | None:
    """The version that a tag stands for; a local one (`0.6.2+rocm`) is somebody's own build."""
    from packaging.version import InvalidVersion, Version

    try:
        version = Version(name)
    except InvalidVersion:
        return None
    return None if version.local else version


def _after(version: Version) -> str:
    """`0.33.1.dev0` after 0.33.0, `0.34.0rc2.dev0` after 0.34.0rc1."""
    text = str(version).partition(".dev")[0]
    return re.sub(r"\d+$", lambda last: str(int(last[0]) + 1), text) + ".dev0"
