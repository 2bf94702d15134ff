"""What is in an image, read whole and hashed: its manifest, its platforms, their settings."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from midstream.adapters.http import BadReply
from midstream.adapters.registry import DOCKER_MANIFEST, INDEX_TYPES, OCI_MANIFEST, Manifest
from midstream.adapters.registry_errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from midstream.promotion.attachments import Side

_IMAGE_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
_CONFIG_TYPES = frozenset({
    "application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json",
})  # fmt: skip
_LEAST_YEAR = 2000  # what was built for the same bytes each time says 1970, or 1980


class Part(Struct, frozen=True):
    """One platform's image."""

    platform: str
    digest: str
    config: Mapping[str, Any]
    layers: int

    @property
    def labels(self) -> Mapping[str, str]:
        labels = self._runs_with.get("Labels")
        return labels if isinstance(labels, dict) else {}

    @property
    def user(self) -> str:
        return str(self._runs_with.get("User") or "")

    @property
    def exposed(self) -> tuple[str, ...]:
        return tuple(self._runs_with.get("ExposedPorts") or ())

    @property
    def created(self) -> datetime | None:
        """None where it isn't told, or is a time that only stands for none."""
        try:
            found = datetime.fromisoformat(str(self.config.get("created") or ""))
        except ValueError:
            return None
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        return found.astimezone(UTC) if found.year >= _LEAST_YEAR else None

    @property
    def _runs_with(self) -> Mapping[str, Any]:
        config = self.config.get("config")
        return config if isinstance(config, dict) else {}


class Image(Struct, frozen=True):
    """`size` is that of all manifests, settings and layers, each once, in bytes.

    `missing`: what the index names and the repository lacks. `nested`: indexes in the index.
    `odd`: entries with an `artifactType`, which skopeo before 1.15 doesn't keep.
    """

    manifest: Manifest
    parts: tuple[Part, ...]
    size: int
    attestations: int = 0
    missing: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        return self.manifest.digest

    @property
    def is_index(self) -> bool:
        return self.manifest.is_index

    @property
    def created(self) -> datetime | None:
        """When the newest of its platforms was built."""
        return max((each.created for each in self.parts if each.created), default=None)

    @property
    def platforms(self) -> tuple[str, ...]:
        return tuple(each.platform for each in self.parts)


def read(side: Side, reference: str) -> Image:
    """By a tag, once, or by a digest. Raises `NotFound`, `IntegrityError` and what `http` does."""
    manifest = side.registry.manifest(side.repository, reference)
    sizes = {manifest.digest: len(manifest.data)}
    if not manifest.is_index:
        part = _part(side, manifest, "", sizes)
        return Image(manifest, (part,) if part else (), sum(sizes.values()))
    parts: list[Part] = []
    missing, nested, odd = [], [], []
    attestations = 0
    for entry in _entries(manifest):
        digest = str(entry.get("digest") or "")
        if entry.get("artifactType"):
            odd.append(digest)
        if entry.get("mediaType") in INDEX_TYPES:
            nested.append(digest)
            continue
        try:
            child = side.registry.manifest(side.repository, digest)
        except NotFound:
            missing.append(digest)
            continue
        sizes[digest] = len(child.data)
        part = _part(side, child, _platform(entry), sizes)
        if _is_attestation(entry):
            attestations += 1
        elif part is not None:
            parts.append(part)
    return Image(
        manifest,
        tuple(parts),
        sum(sizes.values()),
        attestations,
        tuple(missing),
        tuple(nested),
        tuple(odd),
    )


def _part(side: Side, manifest: Manifest, platform: str, sizes: dict[str, int]) -> Part | None:
    """None for what is no image: an artifact, or the format of 2014."""
    content = manifest.content
    described = content.get("config")
    if manifest.media_type not in _IMAGE_TYPES or not isinstance(described, dict):
        return None
    layers = [each for each in content.get("layers") or () if isinstance(each, dict)]
    for each in (described, *layers):
        size = each.get("size")
        sizes[str(each.get("digest"))] = size if isinstance(size, int) else 0
    if described.get("mediaType") not in _CONFIG_TYPES:
        return None
    config = _json(side.registry.blob(side.repository, str(described.get("digest") or "")))
    named = "/".join(
        str(config[key]) for key in ("os", "architecture", "variant") if config.get(key)
    )
    return Part(platform or named, manifest.digest, config, len(layers))


def _json(data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise BadReply("the settings of an image are no JSON object")
    return content


def _entries(index: Manifest) -> Iterator[dict[str, Any]]:
    entries = index.content.get("manifests")
    for each in entries if isinstance(entries, list) else ():
        if isinstance(each, dict):
            yield each


def _platform(entry: Mapping[str, Any]) -> str:
    named = entry.get("platform")
    if not isinstance(named, dict):
        return ""
    parts = (named.get("os"), named.get("architecture"), named.get("variant"))
    return "/".join(str(each) for each in parts if each)


def _is_attestation(entry: Mapping[str, Any]) -> bool:
    """What buildx adds for each platform: kept with the index, and no platform of its own."""
    annotations = entry.get("annotations")
    return (
        isinstance(annotations, dict) and "vnd.docker.reference.type" in annotations
    ) or _platform(entry) == "unknown/unknown"
