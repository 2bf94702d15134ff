"""Dockerfiles, each text read once: what a release has unchanged, the last one had.

Upstream's text of a release is that of the release before in half of all cases; the results made
of the two are the same then, too. With a Dockerfile goes all that was read of it: its scripts, its
pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.dockerfile.scan import parse

if TYPE_CHECKING:
    from midstream.dockerfile.model import Dockerfile
    from midstream.source import Source

_OF_ONE_NAME = 2  # the text of now, and the one that it is compared with


class Dockerfiles:
    """Remembers the last two texts of each name, so that a long replay doesn't grow."""

    def __init__(self) -> None:
        self._read: dict[str, list[Dockerfile]] = {}

    def of(self, source: Source) -> Dockerfile:
        """As `parse` gives it; where the text is known, with the `source` that had it first. Take
        it from the Dockerfile then: findings are told apart by the source that they are in."""
        last = self._read.setdefault(source.name, [])
        known = next((each for each in last if each.source == source), None)
        if known is None:
            known = parse(source)
            last.insert(0, known)
            del last[_OF_ONE_NAME:]
        return known
