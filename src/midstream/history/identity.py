"""Whether a Dockerfile is still the one that its path held before."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midstream.source import Source

_MARGIN = 0.15  # by how much another file has to resemble it more


def other_predecessor(new: Source, own: Source, others: Mapping[str, Source]) -> str | None:
    """The path whose old text the new one resembles more than the old text of its own path.

    None where its own is the nearest, as it mostly is.
    """
    mine = _alike(new.text, own.text)
    best = max(others, key=lambda path: _alike(new.text, others[path].text), default=None)
    if best is None or _alike(new.text, others[best].text) < mine + _MARGIN:
        return None
    return best


def _alike(first: str, second: str) -> float:
    """The share of the lines that both have; blank lines and comments play no part."""
    one, two = _lines(first), _lines(second)
    return len(one & two) / max(1, len(one | two))


@lru_cache(maxsize=128)  # a release's Dockerfiles are compared with each other, each many times
def _lines(text: str) -> frozenset[str]:
    stripped = (line.strip() for line in text.splitlines())
    return frozenset(line for line in stripped if line and not line.startswith("#"))
