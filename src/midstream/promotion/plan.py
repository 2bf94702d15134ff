"""The plan of a promotion, as a value: what was seen, and what would be done with each tag.

A plan has no time in it: the same registries and the same policy give the same bytes, and the name
of its run is their hash.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from midstream.diagnostic import Rule, Severity
from midstream.errors import Exit, MidstreamError, UsageError
from midstream.promotion.attachments import Attachment
from midstream.promotion.reference import Digest, Reference, Repository, Tag, parse_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VERSION = 1


class Kind(StrEnum):
    """How a tag behaves, in the order in which tags are written."""

    UNIQUE = "unique"
    RELEASE = "release"
    FLOATING = "floating"


class Action(StrEnum):
    """What a promotion would do with a tag."""

    CREATE = "create"
    UNCHANGED = "unchanged"
    MOVE = "move"
    REFUSED = "refused"
    HELD = "held"  # the rest of its group isn't in the plan


class TagPlan(Struct, frozen=True):
    """One destination tag. `there` is the digest that it held when it was looked at."""

    tag: Tag
    kind: Kind
    action: Action
    there: Digest | None


class Finding(Struct, frozen=True):
    """What is wrong with an image, or with the name it should get."""

    code: str
    name: str
    message: str
    help: str = ""
    severity: Severity = Severity.ERROR

    @classmethod
    def of(
        cls, rule: Rule, message: str, help: str = "", severity: Severity = Severity.ERROR
    ) -> Finding:
        return cls(rule.code, rule.name, message, help, severity)

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code, "name": self.name, "message": self.message, "help": self.help,
            "severity": str(self.severity),
        }  # fmt: skip

    @classmethod
    def from_json(cls, content: Mapping[str, str]) -> Finding:
        severity = Severity(content["severity"])
        return cls(content["code"], content["name"], content["message"], content["help"], severity)


class Unit(Struct, frozen=True):
    """One image on its way to one repository. `tag` is the one that its source was found by.

    `until`: when the image will be older than the policy lets it be, as RFC 3339 writes it.
    """

    name: str
    group: str
    source: Repository
    tag: Tag | None
    digest: Digest
    media_type: str
    manifest_size: int
    size: int
    layers: int
    platforms: tuple[str, ...]
    created: str
    labels: Mapping[str, str]
    destination: Repository
    tags: tuple[TagPlan, ...]
    attachments: tuple[Attachment, ...]
    findings: tuple[Finding, ...] = ()
    allowed: Mapping[str, str] = field(default_factory=dict)
    until: str = ""

    @property
    def pinned(self) -> Reference:
        return Reference(self.source, digest=self.digest)

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """The findings that stand in the way."""
        return tuple(
            each
            for each in self.findings
            if each.severity == "error" and each.code not in self.allowed
        )

    @property
    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.manifest_size}

    def of_kind(self, kind: Kind) -> tuple[TagPlan, ...]:
        return tuple(each for each in self.tags if each.kind is kind)


class Pacing(Struct, frozen=True):
    """How hard a registry may be worked: requests and copies at once, and begun per second."""

    in_flight: int = 8
    per_second: float = 0.0  # 0: as fast as it goes


class Failure(Struct, frozen=True):
    """An image that couldn't be planned."""

    name: str
    error: MidstreamError


class Plan(Struct, frozen=True, dict=True):
    """`pacing` is the policy's, so that whoever applies a plan needs nothing else."""

    units: tuple[Unit, ...]
    failures: tuple[Failure, ...] = ()
    pacing: Mapping[str, Pacing] = field(default_factory=dict)

    @property
    def exit_code(self) -> Exit:
        codes = [Exit(each.error.exit_code) for each in self.failures]
        if any(each.refusals for each in self.units):
            codes.append(Exit.REFUSED)
        return Exit.worst(codes)

    @cached_property
    def data(self) -> bytes:
        named = {"midstream": VERSION, "kind": "promotion-plan", "run": self.run}
        return f"{json.dumps(named | self._content, indent=1)}\n".encode()

    @cached_property
    def run(self) -> str:
        """The name of the run that carries it out: the same plan is the same run."""
        return hashlib.sha256(json.dumps(self._content).encode()).hexdigest()[:12]

    @cached_property
    def _content(self) -> dict[str, Any]:
        return {
            "registries": {
                host: {"in-flight": each.in_flight, "per-second": each.per_second}
                for host, each in sorted(self.pacing.items())
            },
            "units": [_unit_as_json(each) for each in self.units],
        }


class SourceMissing(MidstreamError):
    """The source has no such tag or digest."""

    exit_code = Exit.OUTSIDE


class SourceExpired(SourceMissing):
    """It was there, and its repository keeps images only for a time."""


def parse(data: bytes, name: str) -> Plan:
    """Read what `Plan.data` made. Every reference goes through the grammar again."""
    try:
        content = json.loads(data)
        known = (content["kind"], content["midstream"]) == ("promotion-plan", VERSION)
        run = content.get("run")
        units = tuple(_unit_from_json(each) for each in content["units"]) if known else None
        pacing = {
            _text(host): Pacing(int(each["in-flight"]), float(each["per-second"]))
            for host, each in content["registries"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        units, pacing, run = None, {}, None
    if units is None:
        raise UsageError(
            f"`{name}` is no plan", help="`midstream promote plan --out plan.json` makes one"
        )
    made = Plan(units, pacing=pacing)
    if run != made.run:
        raise UsageError(
            f"`{name}` was changed after it was made: what it says has passed no gate",
            help="say what it should do in promotion.yaml, or to `promote plan`, and make it again",
        )
    return made


def lines(plan: Plan) -> Iterator[str]:
    """The plan for a person, as docs/promotion.md shows it."""
    for unit in plan.units:
        yield from _unit_lines(unit)


# --- for a person ----------------------------------------------------------------------------


def short(digest: str | None) -> str:
    return f"{digest.partition(':')[2][:4]}…" if digest else "nothing"


def size(number: int) -> str:
    """Decimal units, as registries show them: 8.9 GB."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if value >= 100 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _unit_lines(unit: Unit) -> Iterator[str]:
    source = f"{unit.source}:{unit.tag}" if unit.tag else f"{unit.source}"
    machines = ",".join(each.partition("/")[2] for each in unit.platforms)
    kind = "index" if "index" in unit.media_type or "list" in unit.media_type else "image"
    seen = f"{kind} {machines}  {size(unit.size)}" if unit.platforms else kind
    yield f"{unit.name}  {source} -> {unit.destination}  @{unit.digest[:19]}  {seen}"
    width = max((len(each.tag) for each in unit.tags), default=0)
    for each in unit.tags:
        yield f"  {_line(each, unit, width)}".rstrip()
    if unit.attachments:
        names = [each.name for each in unit.attachments]
        counted = ", ".join(f"{names.count(name)} {name}" for name in sorted(set(names)))
        yield f"  + attachments: {counted}"
    if unit.created:
        yield f"  built {unit.created[:10]}"
    for found in unit.findings:
        yield from _finding_lines(found, unit)


def _line(each: TagPlan, unit: Unit, width: int) -> str:
    tag = each.tag.ljust(width)
    match each.action:
        case Action.CREATE:
            return f"+ {tag}  create     {each.kind}"
        case Action.UNCHANGED:
            return f"= {tag}  unchanged  {each.kind}"
        case Action.MOVE:
            return f"~ {tag}  move {short(each.there)} -> {short(unit.digest)}  {each.kind}"
        case Action.HELD:
            return f"- {tag}  held       {each.kind}: the rest of `{unit.group}` isn't in this plan"
        case Action.REFUSED:
            wants = f"{each.kind} tag holds {short(each.there)}, want {short(unit.digest)}"
            return f"! {tag}  REFUSED    {wants}"


def _finding_lines(found: Finding, unit: Unit) -> Iterator[str]:
    if found.code in unit.allowed:
        yield f"  allowed[{found.code}]: {found.message}: {unit.allowed[found.code]}"
    else:
        yield f"  {found.severity}[{found.code}]: {found.message}"
        if found.help:
            yield f"    = help: {found.help}"


# --- as JSON ---------------------------------------------------------------------------------


def _unit_as_json(unit: Unit) -> dict[str, Any]:
    return {
        "name": unit.name,
        "group": unit.group,
        "source": str(unit.source),
        "tag": unit.tag,
        "digest": unit.digest,
        "mediaType": unit.media_type,
        "manifestSize": unit.manifest_size,
        "size": unit.size,
        "layers": unit.layers,
        "platforms": list(unit.platforms),
        "created": unit.created,
        "until": unit.until,
        "labels": dict(sorted(unit.labels.items())),
        "destination": str(unit.destination),
        "tags": [
            {"tag": each.tag, "kind": each.kind, "action": each.action, "there": each.there}
            for each in unit.tags
        ],
        "attachments": [attachment_as_json(each) for each in unit.attachments],
        "findings": [each.as_json() for each in unit.findings],
        "allowed": dict(sorted(unit.allowed.items())),
    }


def _unit_from_json(content: Mapping[str, Any]) -> Unit:
    source, destination = (Repository.parse(content[key]) for key in ("source", "destination"))
    return Unit(
        name=_text(content["name"]),
        group=_text(content["group"]),
        source=source,
        tag=source.tagged(content["tag"]).tag if content["tag"] else None,
        digest=parse_digest(content["digest"]),
        media_type=_text(content["mediaType"]),
        manifest_size=int(content["manifestSize"]),
        size=int(content["size"]),
        layers=int(content["layers"]),
        platforms=tuple(_text(each) for each in content["platforms"]),
        created=_text(content["created"]),
        until=_text(content["until"]),
        labels={_text(key): _text(value) for key, value in content["labels"].items()},
        destination=destination,
        tags=tuple(_tag_from_json(each, destination) for each in content["tags"]),
        attachments=tuple(attachment_from_json(each) for each in content["attachments"]),
        findings=tuple(Finding.from_json(each) for each in content["findings"]),
        allowed={_text(key): _text(value) for key, value in content["allowed"].items()},
    )


def _tag_from_json(content: Mapping[str, Any], destination: Repository) -> TagPlan:
    tag = destination.tagged(content["tag"]).tag
    there = content["there"]
    if tag is None:
        raise ValueError
    return TagPlan(
        tag,
        Kind(content["kind"]),
        Action(content["action"]),
        parse_digest(there) if there is not None else None,
    )


def attachment_as_json(each: Attachment) -> dict[str, Any]:
    return {
        "subject": each.subject,
        "digest": each.digest,
        "mediaType": each.media_type,
        "tag": each.tag,
        "artifactType": each.artifact_type,
        "parts": sorted(each.parts),
    }


def attachment_from_json(content: Mapping[str, Any]) -> Attachment:
    return Attachment(
        parse_digest(content["subject"]),
        parse_digest(content["digest"]),
        _text(content["mediaType"]),
        _text(content["tag"]),
        _text(content["artifactType"]),
        frozenset(_text(each) for each in content["parts"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


MOVED = Rule(
    "MS411",
    "moved-since",
    """\
A destination tag holds something else than it did when the plan was made.

**Why it matters.** Somebody else promotes, too. To go on would undo their work, or ours.

**Way out.** Make the plan again, and look at it.
""",
)
RULES = (MOVED,)
