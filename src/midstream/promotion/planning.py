"""Making a plan: each source pinned to a digest, each destination tag looked at. Only reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from midstream.adapters.registry_errors import Expired, NotFound
from midstream.diagnostic import Rule
from midstream.errors import MidstreamError, UsageError
from midstream.promotion import attachments, gates, going_back, image
from midstream.promotion.gates import Wanted, shown_age
from midstream.promotion.plan import (
    Action,
    Failure,
    Finding,
    Kind,
    Plan,
    SourceExpired,
    SourceMissing,
    TagPlan,
    Unit,
    short,
)
from midstream.promotion.reference import Digest, Reference, Repository, Tag, parse_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from midstream.promotion.attachments import Attachment
    from midstream.promotion.image import Image
    from midstream.promotion.outside import Outside
    from midstream.promotion.policy import ImagePolicy, Policy


class Order(Struct, frozen=True):
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

    made = _all(one, order.names, min(jobs, len(order.names)))
    units = _without_clashes([each for each in made if isinstance(each, Unit)])
    failures = tuple(each for each in made if isinstance(each, Failure))
    return Plan(tuple(units), failures, order.policy.registries)


def _all(
    one: Callable[[str], Unit | Failure], names: tuple[str, ...], jobs: int
) -> list[Unit | Failure]:
    if jobs <= 1:
        return [one(name) for name in names]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, names))


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
        carried = attachments.find(side, found.manifest, artifact_types=wanted.attachments)
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
        findings=_sorted(
            [
                *findings,
                *_tag_findings(tags, wanted, digest),
                *going_back.findings(found, tags, outside.side(wanted.destination)),
            ]
        ),
        allowed=order.allowed,
        until=_until(found, wanted),
    )


def _until(found: Image, wanted: ImagePolicy) -> str:
    """A plan may be applied long after it was made."""
    if wanted.max_age is None or found.created is None:
        return ""
    return (found.created + wanted.max_age).isoformat()


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


class _TagRule(Struct, frozen=True):
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
CLASH = Rule(
    "MS429",
    "tag-clash",
    """\
Two images of one plan want the same tag in the same repository.

**Way out.** Give them repositories or tags of their own in `promotion.yaml`.
""",
)
RULES = (TAG_TAKEN, CLASH)
ALLOWABLE = frozenset(
    rule.code
    for rule in (
        TAG_TAKEN, gates.NO_PLATFORM, gates.EXPIRING, gates.LABEL_MISSING, gates.LABEL_REFUSED,
        gates.ROOT, gates.NOT_LOCKED, gates.TOO_OLD, gates.LABEL_WRONG, gates.PREFLIGHT,
        gates.NAMED_USER, going_back.GOES_BACK,
    )
)  # fmt: skip
