"""Images as values: made here, byte for byte, and pushed by plain HTTP or written as OCI layout."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
IN_TOTO = "application/vnd.in-toto+json"
COSIGN_LAYER = "application/vnd.dev.cosign.simplesigning.v1+json"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A manifest or an index, with its blobs and its children."""

    media_type: str
    data: bytes = field(repr=False)
    blobs: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    children: tuple[Artifact, ...] = ()

    @property
    def digest(self) -> str:
        return digest_of(self.data)

    @property
    def content(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.data)
        return loaded

    @property
    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}

    def everything(self) -> Iterator[Artifact]:
        """Children first, as a registry wants them."""
        for each in self.children:
            yield from each.everything()
        yield self


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def layer(size: int, seed: int = 0) -> bytes:
    """A layer of about `size` bytes that doesn't get smaller, the same for the same seed."""
    content = random.Random(seed).randbytes(size)  # noqa: S311 - must be the same each time
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo(f"data-{seed}")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), compresslevel=1, mtime=0)


def image(
    *,
    layers: int = 2,
    size: int = 200,
    seed: int = 0,
    labels: Mapping[str, str] | None = None,
    platform: str = "linux/amd64",
    user: str = "2000",
    created: str = "2026-01-01T00:00:00Z",
    docker: bool = False,
) -> Artifact:
    """One platform's image. Another seed is another image, layers and all."""
    data = [layer(size, seed * 1000 + number) for number in range(layers)]
    system, _, machine = platform.partition("/")
    architecture, _, variant = machine.partition("/")
    config = _json(
        {
            "created": created,
            "architecture": architecture,
            "os": system,
            **({"variant": variant} if variant else {}),
            "config": {"User": user, "Labels": dict(labels or {})},
            "rootfs": {"type": "layers", "diff_ids": [_diff_id(each) for each in data]},
            "history": [
                {"created": created, "created_by": f"step {number}"} for number in range(layers)
            ],
        }
    )
    kind = DOCKER_MANIFEST if docker else OCI_MANIFEST
    manifest = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": _blob(DOCKER_CONFIG if docker else OCI_CONFIG, config),
        "layers": [_blob(DOCKER_LAYER if docker else OCI_LAYER, each) for each in data],
    }
    return Artifact(kind, _json(manifest), {digest_of(each): each for each in [config, *data]})


def of_config(whole: Artifact, config: Mapping[str, Any]) -> Artifact:
    """The same layers with other settings."""
    content, data = whole.content, _json(config)
    blobs = {**whole.blobs, digest_of(data): data}
    content["config"] = _blob(content["config"]["mediaType"], data)
    return Artifact(whole.media_type, _json(content), blobs)


def index(
    children: Mapping[str, Artifact], *, docker: bool = False, attested: bool = False
) -> Artifact:
    """An index of platform -> image. `attested`: with the entries that buildx adds."""
    entries = [_entry(each, platform) for platform, each in children.items()]
    parts = list(children.values())
    if attested:
        for each in children.values():
            attestation = _attestation(each)
            parts.append(attestation)
            entries.append(
                {
                    **_entry(attestation, "unknown/unknown"),
                    "annotations": {
                        "vnd.docker.reference.type": "attestation-manifest",
                        "vnd.docker.reference.digest": each.digest,
                    },
                }
            )
    kind = DOCKER_LIST if docker else OCI_INDEX
    content = {"schemaVersion": 2, "mediaType": kind, "manifests": entries}
    return Artifact(kind, _json(content), children=tuple(parts))


def multi_arch(
    *,
    seed: int = 0,
    platforms: Sequence[str] = ("linux/amd64", "linux/arm64"),
    docker: bool = False,
    attested: bool = False,
    **options: Any,
) -> Artifact:
    return index(
        {
            each: image(seed=seed * 10 + number, platform=each, docker=docker, **options)
            for number, each in enumerate(platforms)
        },
        docker=docker,
        attested=attested,
    )


def nested_index(seed: int = 0) -> Artifact:
    inner = multi_arch(seed=seed)
    return index({"linux/amd64": image(seed=seed + 5), "linux/arm64": inner})


def without_child(whole: Artifact, number: int = -1) -> Artifact:
    """The same index, where one of its children was never pushed."""
    kept = [each for each in whole.children if each is not whole.children[number]]
    return Artifact(whole.media_type, whole.data, whole.blobs, tuple(kept))


def cosign(subject: str, suffix: str = "sig", seed: int = 0) -> tuple[Artifact, str]:
    """What `cosign sign` (or attest, attach) pushes, and the tag it pushes it to."""
    payload = _json({"critical": {"image": {"docker-manifest-digest": subject}}, "seed": seed})
    config = _json(
        {
            "architecture": "",
            "os": "",
            "rootfs": {"type": "layers", "diff_ids": [digest_of(payload)]},
        }
    )
    # Not as midstream would write it: indented, since its bytes have to stay as they are.
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": _blob(OCI_CONFIG, config),
            "layers": [
                {
                    **_blob(COSIGN_LAYER, payload),
                    "annotations": {"dev.cosignproject.cosign/signature": f"MEUCIQ{seed}="},
                }
            ],
        },
        indent=3,
    ).encode()
    blobs = {digest_of(config): config, digest_of(payload): payload}
    return Artifact(OCI_MANIFEST, manifest, blobs), f"{subject.replace(':', '-')}.{suffix}"


def referrer(
    subject: Artifact, artifact_type: str = IN_TOTO, seed: int = 0, body: bytes = b""
) -> Artifact:
    """An OCI 1.1 artifact that names its subject."""
    payload = body or _json({"seed": seed, "about": subject.digest})
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": _blob(OCI_EMPTY, b"{}"),
        "layers": [_blob(artifact_type, payload)],
        "subject": subject.descriptor,
        "annotations": {"org.example.seed": str(seed)},
    }
    blobs = {digest_of(b"{}"): b"{}", digest_of(payload): payload}
    return Artifact(OCI_MANIFEST, _json(manifest), blobs)


def fallback_index(referrers: Sequence[Artifact]) -> Artifact:
    """What the tag `sha256-<hex>` holds where a registry has no referrers API."""
    entries = [
        {**each.descriptor, "artifactType": each.content.get("artifactType", "")}
        for each in referrers
    ]
    content = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    return Artifact(OCI_INDEX, _json(content), children=tuple(referrers))


def write_layout(folder: Path, artifact: Artifact, tag: str) -> str:
    """Write an OCI image layout that skopeo reads as `oci:FOLDER:TAG`. Returns the digest."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    (folder / "oci-layout").write_bytes(b'{"imageLayoutVersion": "1.0.0"}')
    for each in artifact.everything():
        for digest, data in [(each.digest, each.data), *each.blobs.items()]:
            (blobs / digest.partition(":")[2]).write_bytes(data)
    named = {
        **artifact.descriptor,
        "annotations": {"org.opencontainers.image.ref.name": tag},
    }
    content = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [named]}
    (folder / "index.json").write_bytes(_json(content))
    return artifact.digest


def _attestation(subject: Artifact) -> Artifact:
    statement = _json({"_type": "https://in-toto.io/Statement/v0.1", "subject": subject.digest})
    config = _json(
        {
            "architecture": "unknown",
            "os": "unknown",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(statement)]},
        }
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _blob(OCI_CONFIG, config),
        "layers": [
            {
                **_blob(IN_TOTO, statement),
                "annotations": {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"},
            }
        ],
    }
    blobs = {digest_of(config): config, digest_of(statement): statement}
    return Artifact(OCI_MANIFEST, _json(manifest), blobs)


def _entry(child: Artifact, platform: str) -> dict[str, Any]:
    system, _, machine = platform.partition("/")
    architecture, _, variant = machine.partition("/")
    named = {
        "architecture": architecture,
        "os": system,
        **({"variant": variant} if variant else {}),
    }
    return {**child.descriptor, "platform": named}


def _blob(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def _diff_id(packed: bytes) -> str:
    return digest_of(gzip.decompress(packed))


def _json(content: object) -> bytes:
    return json.dumps(content, indent=1).encode()
