"""The plan of a promotion: each source pinned to a digest, each destination tag looked at.

Planning reads, and writes to no registry. A plan has no time in it: the same registries and the
same policy give the same bytes, and the name of its run is their hash.
"""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from midstream.adapters.registry import Expired, NotFound
from midstream.diagnostic import Rule
from midstream.errors import Exit, MidstreamError, UsageError
from midstream.promotion import attachments, gates, image
from midstream.promotion.attachments import Attachment
from midstream.promotion.gates import Finding, Wanted, shown_age
from midstream.promotion.policy import Kind, Pacing
from midstream.promotion.reference import Digest, Reference, Repository, Tag, parse_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from midstream.promotion.image import Image
    from midstream.promotion.outside import Outside
    from midstream.promotion.policy import ImagePolicy, Policy

VERSION = 1


class Action(StrEnum):
    """What a promotion would do with a tag."""

    CREATE = "create"
    UNCHANGED = "unchanged"
    MOVE = "move"
    REFUSED = "refused"
    HELD = "held"  # the rest of its group isn't in the plan


@dataclass(frozen=True, slots=True)
class TagPlan:
    """One destination tag. `there` is the digest that it held when it was looked at."""

    tag: Tag
    kind: Kind
    action: Action
    there: Digest | None


@dataclass(frozen=True, slots=True)
class Unit:
    """One image on its way to one repository. `tag` is the one that its source was found by."""

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


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that couldn't be planned."""

    name: str
    error: MidstreamError


@dataclass(frozen=True, slots=True)
class Plan:
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

    @property
    def data(self) -> bytes:
        content = {
            "midstream": VERSION,
            "kind": "promotion-plan",
            "registries": {
                host: {"in-flight": each.in_flight, "per-second": each.per_second}
                for host, each in sorted(self.pacing.items())
            },
            "units": [_unit_as_json(each) for each in self.units],
        }
        return f"{json.dumps(content, indent=1)}\n".encode()

    @property
    def run(self) -> str:
        """The name of the run that carries it out: the same plan is the same run."""
        return hashlib.sha256(self.data).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be planned. `locked`: the labels of a target's rebase; see `gates.Wanted`.

    `committed`: when the upstream commit was made, by which an expired image is told apart.
    """

    policy: Policy
    names: tuple[str, ...]
    values: Mapping[str, str]
    now: datetime
    digests: Mapping[str, Digest] = field(default_factory=dict)
    locked: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    allowed: Mapping[str, str] = field(default_factory=dict)
    committed: datetime | None = None
    seen_before: Callable[[str], str | None] = field(default=lambda _reference: None)


class SourceMissing(MidstreamError):
    """The source has no such tag or digest."""

    exit_code = Exit.OUTSIDE


class SourceExpired(SourceMissing):
    """It was there, and its repository keeps images only for a time."""


def make(order: Order, outside: Outside, *, jobs: int = 4) -> Plan:
    """Look at all of it, `jobs` images side by side. What can't be planned is a failure in it."""
    for code in order.allowed:
        if code not in ALLOWABLE:
            known = ", ".join(sorted(ALLOWABLE))
            raise UsageError(f"`{code}` can't be allowed", help=f"these can: {known}")

    def one(name: str) -> Unit | Failure:
        try:
            return _plan(order.policy.images[name], order, outside)
        except MidstreamError as error:
            return Failure(name, error)

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        made = list(pool.map(one, order.names))
    units = _without_clashes([each for each in made if isinstance(each, Unit)])
    failures = tuple(each for each in made if isinstance(each, Failure))
    return Plan(tuple(units), failures, order.policy.registries)


def parse(data: bytes, name: str) -> Plan:
    """Read what `Plan.data` made. Every reference goes through the grammar again."""
    try:
        content = json.loads(data)
        known = (content["kind"], content["midstream"]) == ("promotion-plan", VERSION)
        units = tuple(_unit_from_json(each) for each in content["units"]) if known else None
        pacing = {
            _text(host): Pacing(int(each["in-flight"]), float(each["per-second"]))
            for host, each in content["registries"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        units, pacing = None, {}
    if units is None:
        raise UsageError(
            f"`{name}` is no plan", help="`midstream promote plan --out plan.json` makes one"
        )
    return Plan(units, pacing=pacing)


def lines(plan: Plan) -> Iterator[str]:
    """The plan for a person, as docs/promotion.md shows it."""
    for unit in plan.units:
        yield from _unit_lines(unit)


def _plan(wanted: ImagePolicy, order: Order, outside: Outside) -> Unit:
    found, tag = _resolve(wanted, order, outside)
    digest = parse_digest(found.digest)
    values = {**order.values, "digest": digest.partition(":")[2]}
    locked = order.locked.get(wanted.target, {}) if wanted.target else None
    findings = gates.findings(found, Wanted(wanted, values, locked, order.now))
    held = set(order.policy.group_of(wanted.name).images) - set(order.names)
    rule = _TagRule(digest, held=bool(held), movable=TAG_TAKEN.code in order.allowed)
    tags = tuple(_tags(wanted, values, rule, outside))
    carried: tuple[Attachment, ...] = ()
    if wanted.attachments is not None:
        side = outside.side(wanted.origin.repository)
        carried = attachments.find(side, digest, artifact_types=wanted.attachments)
    created = found.created
    return Unit(
        name=wanted.name,
        group=order.policy.group_of(wanted.name).name,
        source=wanted.origin.repository,
        tag=tag,
        digest=digest,
        media_type=found.manifest.media_type,
        manifest_size=len(found.manifest.data),
        size=found.size,
        layers=sum(each.layers for each in found.parts),
        platforms=found.platforms,
        created=created.isoformat() if created else "",
        labels=_built_from(found),
        destination=wanted.destination,
        tags=tags,
        attachments=carried,
        findings=_sorted([*findings, *_tag_findings(tags, wanted, digest)]),
        allowed=order.allowed,
    )


def _resolve(wanted: ImagePolicy, order: Order, outside: Outside) -> tuple[Image, Tag | None]:
    side = outside.side(wanted.origin.repository)
    given = order.digests.get(wanted.name)
    if given is not None:
        try:
            return image.read(side, given), None
        except NotFound:
            reference = wanted.origin.repository.pinned(given)
            raise SourceMissing(
                f"there is no `{reference}`", help="is it the right digest?"
            ) from None
    if wanted.origin.tag is None:
        raise UsageError(
            f"nothing says which image `{wanted.name}` is to be",
            help=f"give `--digest {wanted.name}=sha256:…`, or a `tag:` under its `source:`",
        )
    reference = wanted.origin.repository.tagged(wanted.origin.tag.tag(order.values))
    try:
        return image.read(side, reference.name), reference.tag
    except NotFound as error:
        raise _missing(wanted, reference, order, error, outside) from None


def _missing(
    wanted: ImagePolicy, reference: Reference, order: Order, error: NotFound, outside: Outside
) -> SourceMissing:
    """Gone, or never there? By what the registry says, what we saw, and how old the commit is."""
    if isinstance(error, Expired):
        return SourceExpired(f"`{reference}` was there, and has expired", help=_BUILD_AGAIN)
    before = order.seen_before(str(reference))
    if before:
        return SourceExpired(
            f"`{reference}` was there as `{before}`, and is gone", help=_BUILD_AGAIN
        )
    keeps, committed = wanted.origin.expires, order.committed
    if keeps and committed and order.now - committed > keeps:
        return SourceExpired(
            f"`{reference}` has expired, if it ever was: its commit is "
            f"{shown_age(order.now - committed)} old, and images stay there for {shown_age(keeps)}",
            help=_BUILD_AGAIN,
        )
    try:
        next(outside.side(reference.repository).registry.tags(reference.repository.path), None)
    except NotFound:
        return SourceMissing(f"there is no repository `{reference.repository}`, or it is private")
    except MidstreamError:  # not every registry lists tags for everybody
        pass
    return SourceMissing(
        f"there is no `{reference}`, and nothing says that there ever was",
        help="has it been built and pushed? `--digest` names another one",
    )


@dataclass(frozen=True, slots=True)
class _TagRule:
    """`held`: floating tags stay where they are. `movable`: a person allowed to move the others."""

    digest: Digest
    held: bool
    movable: bool

    def action(self, kind: Kind, there: Digest | None) -> Action:
        if there == self.digest:
            return Action.UNCHANGED
        if kind is Kind.FLOATING and self.held:
            return Action.HELD
        if there is None:
            return Action.CREATE
        return Action.MOVE if kind is Kind.FLOATING or self.movable else Action.REFUSED


def _tags(
    wanted: ImagePolicy, values: Mapping[str, str], rule: _TagRule, outside: Outside
) -> Iterator[TagPlan]:
    side = outside.side(wanted.destination)
    seen: set[Tag] = set()
    for kind in Kind:
        for template in wanted.tags.get(kind, ()):
            tag = template.tag(values)
            if tag in seen:
                continue
            seen.add(tag)
            manifest = side.manifest(tag)
            there = parse_digest(manifest.digest) if manifest else None
            yield TagPlan(tag, kind, rule.action(kind, there), there)


def _tag_findings(
    tags: Iterable[TagPlan], wanted: ImagePolicy, digest: Digest
) -> Iterator[Finding]:
    for each in tags:
        if each.kind is not Kind.FLOATING and each.there not in (None, digest):
            yield Finding.of(
                TAG_TAKEN,
                f"`{wanted.destination}:{each.tag}` holds `{short(each.there)}`, "
                f"and a {each.kind} tag is never moved",
                "give the image a new version; or say why: `--allow MS410=REASON`",
            )


def _without_clashes(units: list[Unit]) -> Iterator[Unit]:
    """Two images that want one tag of one repository can't both have it."""
    from dataclasses import replace

    taken: dict[tuple[Repository, Tag], Unit] = {}
    for unit in units:
        clashes = []
        for each in unit.tags:
            first = taken.setdefault((unit.destination, each.tag), unit)
            if first.digest != unit.digest:
                message = f"`{unit.destination}:{each.tag}` is wanted by `{first.name}`, too"
                clashes.append(Finding.of(CLASH, message, "name them apart in promotion.yaml"))
        yield replace(unit, findings=_sorted([*unit.findings, *clashes])) if clashes else unit


def _sorted(found: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(found, key=lambda each: (each.code, each.message)))


def _built_from(found: Image) -> dict[str, str]:
    """What the image says it was made of, where all of its platforms say the same."""
    names = sorted({name for part in found.parts for name in part.labels if _tells(name)})
    values = {name: {part.labels.get(name) for part in found.parts} for name in names}
    return {name: str(each.pop()) for name, each in values.items() if len(each) == 1}


def _tells(label: str) -> bool:
    return label.startswith(("io.midstream.", "org.opencontainers.image.")) or label == "version"


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
    kind = "index" if len(unit.platforms) > 1 or "index" in unit.media_type else "image"
    yield (
        f"{unit.name}  {source} -> {unit.destination}  @{unit.digest[:19]}  {kind} {machines}  "
        f"{size(unit.size)}"
    )
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


_BUILD_AGAIN = "build it again from its commit; a digest of a build that is gone can't be promoted"

TAG_TAKEN = Rule(
    "MS410",
    "tag-taken",
    """\
A release tag, or one that is to be unique, already holds another image.

**Why it matters.** Whoever pulled `0.33.0` yesterday and pulls it today must get the same. Caches,
mirrors, signatures and lock files all go by that.

**Example.** A fix was built under the old version and is promoted over it.

**Way out.** A new version (`0.33.0.post1`), or a template with `{digest:12}` in it. To move the tag
all the same, say why: `--allow MS410="0.33.0 never worked"`; the reason goes into plan and record.
""",
)
MOVED = Rule(
    "MS411",
    "moved-since",
    """\
A destination tag holds something else than it did when the plan was made.

**Why it matters.** Somebody else promotes, too. To go on would undo their work, or ours.

**Way out.** Make the plan again, and look at it.
""",
)
CLASH = Rule(
    "MS429",
    "tag-clash",
    """\
Two images of one plan want the same tag in the same repository.

**Way out.** Give them repositories or tags of their own in `promotion.yaml`.
""",
)
RULES = (TAG_TAKEN, MOVED, CLASH)
ALLOWABLE = frozenset(
    rule.code
    for rule in (
        TAG_TAKEN, gates.NO_PLATFORM, gates.EXPIRING, gates.LABEL_MISSING, gates.LABEL_REFUSED,
        gates.ROOT, gates.NOT_LOCKED, gates.TOO_OLD, gates.LABEL_WRONG, gates.PREFLIGHT,
        gates.NAMED_USER,
    )
)  # fmt: skip
