"""What belongs to an image without being in it: signatures, attestations, SBOMs, referrers.

Found at the source, copied byte for byte after the image, and looked at again in the destination.
That there is none is no error; that one is lost is.

The client copies them, and not skopeo: skopeo 1.9 rewrites an index whose entries have an
`artifactType`, which every fallback index is made of, and takes 60 ms for each.
"""

from __future__ import annotations

import json
import re
from collections import deque
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from midstream.adapters.blobs import digest_of
from midstream.adapters.registry import OCI_INDEX, OCI_MANIFEST, Manifest
from midstream.adapters.registry_errors import NotFound
from midstream.diagnostic import Rule
from midstream.errors import Exit, IntegrityError, MidstreamError, Refused

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from midstream.adapters.registry import Registry

COSIGN_SUFFIXES = ("sig", "att", "sbom")
IN_TOTO = "application/vnd.in-toto+json"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
_EMPTY = b"{}"

_MOST = 1000  # of all attachments of one image
_DEEPEST = 5  # an SBOM, its signature, that one's timestamp …
_BLOB_LIMIT = 256 << 20
_ATTEMPTS = 5
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


class Side(Struct, frozen=True):
    """A repository at one end of a promotion."""

    registry: Registry
    repository: str

    def __str__(self) -> str:
        return f"{self.registry.endpoint.host}/{self.repository}"

    def manifest(self, reference: str) -> Manifest | None:
        try:
            return self.registry.manifest(self.repository, reference)
        except NotFound:
            return None


class Attachment(Struct, frozen=True):
    """One manifest that belongs to `subject`. `tag` is cosign's; a referrer has none.

    `parts`: cosign adds signatures to a manifest as layers, so that one which holds all of these,
    and more, has lost nothing.
    """

    subject: str
    digest: str
    media_type: str
    tag: str = ""
    artifact_type: str = ""
    parts: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """What it is called for a person: `sig`, or its artifact type."""
        return self.tag.rpartition(".")[2] or self.artifact_type or "referrer"


class Lost(Struct, frozen=True):
    """An attachment that the destination lacks, and what it has in its place."""

    attachment: Attachment
    why: str


class AttachmentsLost(IntegrityError):
    """The destination does not hold what was copied to it."""


class AttachmentConflict(Refused):
    """Both ends have signatures that the other lacks: to copy would be to lose some."""


class TooManyAttachments(MidstreamError):
    """More than any image has: a circle, or somebody's mistake."""

    exit_code = Exit.REFUSED


def find(
    side: Side, image: Manifest | str, *, artifact_types: Collection[str] = (), cosign: bool = True
) -> tuple[Attachment, ...]:
    """All that belongs to an image, to each of its platforms, and to what was found.

    The image is a digest, or its manifest where that has been read already.

    Sorted by nothing but the way there: a subject comes before what refers to it. With
    `artifact_types`, other referrers are left out. Raises `NotFound` if the image isn't there.
    """
    found: dict[tuple[str, str], Attachment] = {}
    if isinstance(image, str):
        image = side.registry.manifest(side.repository, image)
    waiting = deque((each, 0) for each in (image.digest, *_children(image)))
    seen: set[str] = set()
    while waiting:
        subject, depth = waiting.popleft()
        seen.add(subject)
        if len(found) > _MOST or depth > _DEEPEST:
            raise TooManyAttachments(
                f"`{side}@{image.digest}` has more than {_MOST} attachments, or "
                f"{_DEEPEST} on each other",
                help="leave some out by naming the `artifact-types` to carry",
            )
        for each in _of(side, subject, artifact_types, cosign=cosign):
            found.setdefault((each.tag, each.digest), each)
            if each.digest not in seen:
                waiting.append((each.digest, depth + 1))
    return tuple(found.values())


def copy(attachments: Iterable[Attachment], source: Side, target: Side) -> tuple[Attachment, ...]:
    """Copy what the destination lacks, byte for byte. Returns what was written.

    Raises `AttachmentConflict` before it would take a signature away. The image itself has to be
    there before. A second run writes nothing.
    """
    return tuple(each for each in attachments if _carry(each, source, target))


def verify(attachments: Iterable[Attachment], target: Side) -> tuple[Lost, ...]:
    """What the destination lacks of these, by reading it. Empty where all is well."""
    listed: dict[str, frozenset[str]] = {}
    lost = []
    for each in attachments:
        why = _tag_lost(each, target) if each.tag else _referrer_lost(each, target, listed)
        if why:
            lost.append(Lost(each, why))
    return tuple(lost)


def must_be_there(attachments: Iterable[Attachment], target: Side) -> None:
    """Raises `AttachmentsLost` with the first that the destination lacks."""
    lost = verify(attachments, target)
    if lost:
        first = lost[0]
        raise AttachmentsLost(
            f"`{target}` lost {len(lost)} of the attachments: {first.attachment.name} of "
            f"`{first.attachment.subject}` {first.why}",
            help="run the promotion again; a registry that loses what it took needs its owner",
        )


def attach(
    target: Side,
    subject: Mapping[str, Any],
    payload: bytes,
    *,
    artifact_type: str = IN_TOTO,
    annotations: Mapping[str, str] | None = None,
) -> Attachment:
    """Put `payload` beside an image as an OCI referrer, and read it back.

    `subject` is the descriptor of the image's manifest. The same payload again changes nothing.
    """
    data = record_manifest(subject, payload, artifact_type, annotations or {})
    made = Attachment(
        str(subject["digest"]), digest_of(data), OCI_MANIFEST, artifact_type=artifact_type
    )
    if not verify([made], target):
        return made
    target.registry.put_blob(target.repository, _EMPTY)
    target.registry.put_blob(target.repository, payload)
    _put_referrer(made, data, target)
    must_be_there([made], target)
    return made


def record_manifest(
    subject: Mapping[str, Any], payload: bytes, artifact_type: str, annotations: Mapping[str, str]
) -> bytes:
    """The OCI 1.1 artifact that carries a payload. The same inputs give the same bytes."""
    content: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": _descriptor(_EMPTY_TYPE, _EMPTY),
        "layers": [_descriptor(artifact_type, payload)],
        "subject": {key: subject[key] for key in ("mediaType", "digest", "size")},
    }
    if annotations:
        content["annotations"] = dict(sorted(annotations.items()))
    return json.dumps(content, separators=(",", ":")).encode()


def cosign_tag(subject: str, suffix: str) -> str:
    return f"{subject.replace(':', '-')}.{suffix}"


def fallback_tag(subject: str) -> str:
    """Where the referrers are listed if the registry doesn't: OCI distribution 1.1."""
    algorithm, _, value = subject.partition(":")
    return f"{algorithm[:32]}-{value[:64]}"


def _of(
    side: Side, subject: str, artifact_types: Collection[str], *, cosign: bool
) -> Iterator[Attachment]:
    for suffix in COSIGN_SUFFIXES if cosign else ():
        tag = cosign_tag(subject, suffix)
        manifest = side.manifest(tag)
        if manifest is not None:
            kind, parts = manifest.media_type, _layers(manifest)
            yield Attachment(subject, manifest.digest, kind, tag, parts=parts)
    for each in _entries(side, subject):
        kind = _text(each, "artifactType")
        if not artifact_types or kind in artifact_types:
            yield Attachment(subject, each["digest"], _text(each, "mediaType"), artifact_type=kind)


def _entries(side: Side, subject: str) -> list[dict[str, Any]]:
    """Both ways: a registry that learnt to list may still have the tag of the time before."""
    listed = side.registry.referrers(side.repository, subject) or ()
    tagged = side.manifest(fallback_tag(subject))
    found = {
        each["digest"]: each
        for each in (*listed, *(_manifests(tagged) if tagged else ()))
        if isinstance(each, dict) and _DIGEST.fullmatch(_text(each, "digest"))
    }
    return [found[digest] for digest in sorted(found)]


def _carry(each: Attachment, source: Side, target: Side) -> bool:
    if each.tag:
        if not _tag_lost(each, target):
            return False
        return _carry_tag(each, source, target)
    if not _referrer_lost(each, target, {}):
        return False
    manifest = source.registry.manifest(source.repository, each.digest)
    _copy_parts(manifest, source, target)
    _put_referrer(each, manifest.data, target)
    return True


def _carry_tag(each: Attachment, source: Side, target: Side) -> bool:
    manifest = source.registry.manifest(source.repository, each.digest)
    there = target.manifest(each.tag)
    if there is not None and not _adds_to(manifest, there):
        raise AttachmentConflict(
            f"`{target}:{each.tag}` holds signatures that `{source}` lacks",
            help="sign in one place, or copy them by hand to the source first",
        )
    _copy_parts(manifest, source, target)
    target.registry.put_manifest(target.repository, each.tag, manifest.data, manifest.media_type)
    return True


def _adds_to(manifest: Manifest, there: Manifest) -> bool:
    """Nothing is lost if what is there is the same, or signatures that we have all of."""
    known = _layers(there)
    return there.digest == manifest.digest or (bool(known) and known <= _layers(manifest))


def _copy_parts(manifest: Manifest, source: Side, target: Side, depth: int = 0) -> None:
    """What a registry wants to have before it takes a manifest."""
    if depth > _DEEPEST:
        raise TooManyAttachments(f"`{source}@{manifest.digest}` is nested too deeply")
    for child in _children(manifest):
        part = source.registry.manifest(source.repository, child)
        _copy_parts(part, source, target, depth + 1)
        target.registry.put_manifest(target.repository, child, part.data, part.media_type)
    for digest in _blobs(manifest):
        if not target.registry.has_blob(target.repository, digest):
            data = source.registry.blob(source.repository, digest, limit=_BLOB_LIMIT)
            target.registry.put_blob(target.repository, data)


def _put_referrer(each: Attachment, data: bytes, target: Side) -> None:
    media_type = each.media_type or OCI_MANIFEST
    stored = target.registry.put_manifest(target.repository, each.digest, data, media_type)
    # A registry that answers 201 and stores nothing would refuse the entry in words that mislead.
    if not stored.knows_referrers and target.manifest(each.digest) is not None:
        _list_in_fallback(each, data, target)


def _list_in_fallback(each: Attachment, data: bytes, target: Side) -> None:
    """Add an entry to the tag that stands in for the API, and look again.

    A registry has no way to say "if it is still what I read": whoever writes at the same moment
    may take our entry away, so it is put back a few times.
    """
    tag = fallback_tag(each.subject)
    entry = _descriptor(each.media_type or OCI_MANIFEST, data)
    content = json.loads(data)
    entry["artifactType"] = each.artifact_type or _kind(content)
    if content.get("annotations"):
        entry["annotations"] = content["annotations"]
    for _ in range(_ATTEMPTS):
        there = target.manifest(tag)
        entries = _manifests(there) if there else []
        if any(_text(known, "digest") == each.digest for known in entries):
            return
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*entries, entry]}
        written = json.dumps(index, separators=(",", ":")).encode()
        target.registry.put_manifest(target.repository, tag, written, OCI_INDEX)


def _tag_lost(each: Attachment, target: Side) -> str:
    there = target.manifest(each.tag)
    if there is None:
        return "isn't there"
    if there.digest == each.digest or (each.parts and each.parts <= _layers(there)):
        return _blob_lost(there, target)
    return f"is another: `{there.digest}`"


def _referrer_lost(each: Attachment, target: Side, listed: dict[str, frozenset[str]]) -> str:
    there = target.manifest(each.digest)
    if there is None:
        return "isn't there"
    if each.subject not in listed:
        found = frozenset(known["digest"] for known in _entries(target, each.subject))
        listed[each.subject] = found
    if each.digest not in listed[each.subject]:
        return "isn't listed"
    return _blob_lost(there, target)


def _blob_lost(manifest: Manifest, target: Side) -> str:
    for digest in _blobs(manifest):
        if not target.registry.has_blob(target.repository, digest):
            return f"lacks its blob `{digest}`"
    return ""


def _layers(manifest: Manifest) -> frozenset[str]:
    """Each layer with its annotations, where cosign keeps the signature itself."""
    layers = _objects(manifest.content.get("layers"))
    return frozenset(json.dumps(each, sort_keys=True) for each in layers)


def _children(manifest: Manifest) -> list[str]:
    return [each["digest"] for each in _manifests(manifest)] if manifest.is_index else []


def _manifests(index: Manifest) -> list[dict[str, Any]]:
    entries = _objects(index.content.get("manifests"))
    return [each for each in entries if _DIGEST.fullmatch(_text(each, "digest"))]


def _blobs(manifest: Manifest) -> list[str]:
    content = manifest.content
    parts = _objects([content.get("config")]) + _objects(content.get("layers"))
    digests = (_text(each, "digest") for each in parts)
    return [digest for digest in dict.fromkeys(digests) if _DIGEST.fullmatch(digest)]


def _kind(content: Mapping[str, Any]) -> str:
    config = content.get("config")
    named = _text(content, "artifactType")
    return named or (_text(config, "mediaType") if isinstance(config, dict) else "")


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""


def _descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


ATTACHMENTS_LOST = Rule(
    "MS450",
    "attachments-lost",
    """\
A signature, attestation, SBOM or referrer that the source has is not in the destination.

**Why it matters.** Clusters that check signatures refuse the image, and what was known of it is
known no more. midstream copies attachments byte for byte after the image and reads each of them
again; this one was taken by the registry and isn't there, or isn't listed.

**Way out.** Run `midstream promote resume`. If it is lost again, the registry's owner has to look:
some drop manifests without a tag, and some have no referrers API and no fallback tag.

Source: OCI distribution specification 1.1, *Listing Referrers*; cosign's signature specification.
""",
)
ATTACHMENT_CONFLICT = Rule(
    "MS451",
    "attachment-conflict",
    """\
The destination has signatures for this image that the source lacks, under the same cosign tag.

**Why it matters.** `sha256-<digest>.sig` holds all signatures of an image in one manifest. To copy
the source's over it would take the destination's away.

**Example.** Staging signs with one key, and a release job signs the promoted image with another;
then the same digest is promoted again.

**Way out.** Sign in one place, or bring both together first:
`cosign copy --only=sig`, then promote again. With all of the source's signatures in the
destination there is no conflict, and nothing is written.
""",
)
RULES = (ATTACHMENTS_LOST, ATTACHMENT_CONFLICT)
