"""Which upstream releases a range holds, by PEP 440."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.specifiers import Specifier
    from packaging.version import Version


class NotARelease(UsageError):
    """A release that isn't numbered as PEP 440 says can't be compared with a range."""


def is_range(text: str) -> bool:
    """Whether `text` is a range such as `>=0.11,<0.33`."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return len(SpecifierSet(text)) > 0
    except InvalidSpecifier:
        return False


def holds(releases: str | None, release: str | None) -> bool:
    """Whether a range (None holds all) holds a release.

    A release of None is a text that belongs to no release: every range holds it, since nothing
    is known against it, and who asks has to say so. Pre-releases count, by their own number:
    0.33.0rc1 is older than 0.33, so that `<0.33` holds it. PEP 440 wouldn't have it so, and no
    pair of ranges would meet without a gap.
    """
    if releases is None or release is None:
        return True
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        version = Version(release)
    except InvalidVersion:
        raise NotARelease(
            f"`{release}` is not a release that the range `{releases}` can be compared with",
            help="give a release such as 0.33.0",
        ) from None
    return all(_holds(each, version) for each in SpecifierSet(releases))


def _holds(one: Specifier, version: Version) -> bool:
    from packaging.version import Version

    if one.operator == "<":
        return version < Version(one.version)
    if one.operator == ">":
        return Version(version.public) > Version(one.version)
    return one.contains(version, prereleases=True)


def newest_before(release: str, others: Iterable[str]) -> str | None:
    """The newest of some releases that is older than this one. What is no release plays no part."""
    limit = _version(release)
    known = {each: _version(each) for each in others}
    older = {each: v for each, v in known.items() if v is not None and limit and v < limit}
    return max(older, key=lambda each: older[each], default=None)


def is_older(release: str, other: str) -> bool:
    """Whether a release is older than another one; no where one of them is no release."""
    one, two = _version(release), _version(other)
    return one is not None and two is not None and one < two


def _version(text: str) -> Version | None:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(text)
    except InvalidVersion:
        return None
