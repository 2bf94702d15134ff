"""Which upstream releases a range holds, by PEP 440."""

from __future__ import annotations

from midstream.errors import UsageError


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
    is known against it. Pre-releases count, by their own number: 0.33.0rc1 is older than 0.33.
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
    return SpecifierSet(releases).contains(version, prereleases=True)
