"""What a finished run leaves behind: an in-toto statement of what was given which names.

Everything a later question needs is in it: where the image came from, what each tag held before,
what was allowed and why.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from midstream import __version__
from midstream.errors import UsageError
from midstream.promotion import attachments
from midstream.promotion.plan import (
    Action,
    Kind,
    attachment_as_json,
    attachment_from_json,
)
from midstream.promotion.reference import Digest, Repository, Tag, parse_digest, parse_tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midstream.promotion.apply import Report
    from midstream.promotion.attachments import Attachment
    from midstream.promotion.outside import Outside
    from midstream.promotion.plan import Plan, Unit

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:midstream:promotion:v1"


class Named(Struct, frozen=True):
    """A tag that the run gave, and what it held before."""

    tag: Tag
    kind: Kind
    previous: Digest | None


class Promoted(Struct, frozen=True):
    """One image of a finished run."""

    image: str
    group: str
    source: str
    source_tag: str
    digest: Digest
    media_type: str
    size: int
    platforms: tuple[str, ...]
    labels: Mapping[str, str]
    destination: Repository
    tags: tuple[Named, ...]
    attachments: tuple[Attachment, ...]
    allowed: Mapping[str, str] = field(default_factory=dict)


class Record(Struct, frozen=True):
    run: str
    finished: str
    versions: Mapping[str, str]
    promoted: tuple[Promoted, ...]

    @property
    def data(self) -> bytes:
        """The statement: canonical enough that the same record is the same bytes."""
        subjects = {
            (str(each.destination), each.digest): {
                "name": str(each.destination),
                "digest": {"sha256": each.digest.partition(":")[2]},
            }
            for each in self.promoted
        }
        content = {
            "_type": STATEMENT,
            "subject": [subjects[key] for key in sorted(subjects)],
            "predicateType": PREDICATE,
            "predicate": {
                "run": self.run,
                "finishedOn": self.finished,
                "versions": dict(sorted(self.versions.items())),
                "promoted": [_as_json(each) for each in self.promoted],
            },
        }
        return f"{json.dumps(content, indent=1)}\n".encode()


def make(plan: Plan, report: Report, *, finished: str, skopeo: str) -> Record:
    """Of a run whose every tag was read back. Raises `ValueError` where one wasn't."""
    if not report.is_done:
        raise ValueError("a run that isn't done has no record")
    versions = {"midstream": __version__, **({"skopeo": skopeo} if skopeo else {})}
    return Record(plan.run, finished, versions, tuple(_promoted(each) for each in plan.units))


def parse(data: bytes, name: str) -> Record:
    try:
        content = json.loads(data)
        known = (content["_type"], content["predicateType"]) == (STATEMENT, PREDICATE)
        record = _from_json(content["predicate"]) if known else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        record = None
    if record is None:
        raise UsageError(f"`{name}` is no record of a promotion")
    return record


def attach(record: Record, outside: Outside) -> tuple[Attachment, ...]:
    """Put the statement beside each promoted digest, as an OCI referrer. Twice changes nothing."""
    made = []
    for each in record.promoted:
        subject = {"mediaType": each.media_type, "digest": each.digest, "size": each.size}
        side = outside.side(each.destination)
        made.append(attachments.attach(side, subject, record.data))
    return tuple(made)


def _promoted(unit: Unit) -> Promoted:
    return Promoted(
        image=unit.name,
        group=unit.group,
        source=str(unit.source),
        source_tag=unit.tag or "",
        digest=unit.digest,
        media_type=unit.media_type,
        size=unit.manifest_size,
        platforms=unit.platforms,
        labels=unit.labels,
        destination=unit.destination,
        tags=tuple(
            Named(each.tag, each.kind, each.there)
            for each in unit.tags
            if each.action is not Action.HELD
        ),
        attachments=unit.attachments,
        allowed=unit.allowed,
    )


def _as_json(each: Promoted) -> dict[str, Any]:
    return {
        "image": each.image,
        "group": each.group,
        "source": {"repository": each.source, "tag": each.source_tag},
        "digest": each.digest,
        "mediaType": each.media_type,
        "size": each.size,
        "platforms": list(each.platforms),
        "labels": dict(sorted(each.labels.items())),
        "destination": str(each.destination),
        "tags": [{"tag": tag.tag, "kind": tag.kind, "previous": tag.previous} for tag in each.tags],
        "attachments": [attachment_as_json(found) for found in each.attachments],
        "allowed": dict(sorted(each.allowed.items())),
    }


def _from_json(content: Mapping[str, Any]) -> Record:
    return Record(
        str(content["run"]),
        str(content["finishedOn"]),
        {str(key): str(value) for key, value in content["versions"].items()},
        tuple(_promoted_from_json(each) for each in content["promoted"]),
    )


def _promoted_from_json(content: Mapping[str, Any]) -> Promoted:
    tags = (
        Named(
            parse_tag(each["tag"]),
            Kind(each["kind"]),
            parse_digest(each["previous"]) if each["previous"] else None,
        )
        for each in content["tags"]
    )
    return Promoted(
        image=str(content["image"]),
        group=str(content["group"]),
        source=str(content["source"]["repository"]),
        source_tag=str(content["source"]["tag"]),
        digest=parse_digest(content["digest"]),
        media_type=str(content["mediaType"]),
        size=int(content["size"]),
        platforms=tuple(str(each) for each in content["platforms"]),
        labels={str(key): str(value) for key, value in content["labels"].items()},
        destination=Repository.parse(content["destination"]),
        tags=tuple(tags),
        attachments=tuple(attachment_from_json(each) for each in content["attachments"]),
        allowed={str(key): str(value) for key, value in content["allowed"].items()},
    )
