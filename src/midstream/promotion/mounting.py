"""Layers that a registry takes from another repository of its own: nobody sends them.

skopeo mounts what it has noted itself, and so sends each first copy of an image through the
promoter's machine, also where a registry has both ends. This is only for speed: whatever it does
or doesn't do, skopeo sees to every layer after it, and the copy is read back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from midstream.errors import MidstreamError
from midstream.promotion.pace import Stopped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.adapters.registry import Manifest
    from midstream.promotion.attachments import Side

_WORTH_IT = 1 << 20  # bytes; to send less takes no longer than to ask


def mount(source: Side, target: Side, digest: str) -> int:
    """Mount the layers of an image, and say how many. Ends at the first that isn't mounted."""
    count = 0
    try:
        for each in _layers(source, source.registry.manifest(source.repository, digest)):
            if not target.registry.mount(target.repository, each, source.repository):
                break
            count += 1
    except Stopped:
        raise
    except MidstreamError:  # skopeo does it then, or says better what is wrong
        pass
    return count


def _layers(side: Side, manifest: Manifest) -> Iterator[str]:
    if manifest.is_index:
        for child in _entries(manifest.content.get("manifests")):
            yield from _layers(side, side.registry.manifest(side.repository, str(child["digest"])))
        return
    for layer in _entries(manifest.content.get("layers")):
        size = layer.get("size")
        if isinstance(size, int) and size >= _WORTH_IT:
            yield str(layer["digest"])


def _entries(value: Any) -> list[dict[str, Any]]:
    several = value if isinstance(value, list) else []
    return [each for each in several if isinstance(each, dict) and "digest" in each]
