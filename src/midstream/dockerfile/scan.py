"""Text to `Dockerfile`, by BuildKit's rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from midstream.dockerfile.model import Dockerfile
    from midstream.source import Source


def parse(source: Source) -> Dockerfile:
    """Read a Dockerfile. Never raises for its content: what is wrong is in `diagnostics`."""
    raise NotImplementedError
