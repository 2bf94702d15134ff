"""The way back: floating tags to what they held before a run, by copying that digest again.

A plan like any other, so that it is carried out, read back and recorded like any other. Unique and
release tags stay: what has them was pulled by them. Nothing is deleted: a registry that deletes a
manifest takes every tag of it along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.adapters.registry_errors import NotFound
from midstream.errors import Refused, UsageError
from midstream.promotion.plan import Action, Kind, Plan, SourceMissing, TagPlan, Unit, short
from midstream.promotion.reference import Digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from midstream.promotion.outside import Outside
    from midstream.promotion.record import Named, Promoted, Record


def plan(record: Record, outside: Outside, *, tags: Collection[str] = ()) -> Plan:
    """Raises `Refused` where a tag has moved on since, and `SourceMissing` without the old image.

    With `tags`, the others stay. A tag that the run made new has nothing to go back to, and stays.
    """
    known = {each.tag for promoted in record.promoted for each in _movable(promoted)}
    for tag in tags:
        if tag not in known:
            shown = ", ".join(sorted(known)) or "none"
            raise UsageError(f"the run moved no floating tag `{tag}`", help=f"it moved: {shown}")
    units = [unit for each in record.promoted for unit in _back(each, outside, tags)]
    return Plan(tuple(units))


def stays(record: Record, *, tags: Collection[str] = ()) -> tuple[str, ...]:
    """The floating tags that the run made new, so that there is nothing to go back to."""
    return tuple(
        str(promoted.destination.tagged(each.tag))
        for promoted in record.promoted
        for each in promoted.tags
        if each.kind is Kind.FLOATING and each.previous is None and (not tags or each.tag in tags)
    )


def _movable(promoted: Promoted) -> list[Named]:
    return [
        each
        for each in promoted.tags
        if each.kind is Kind.FLOATING and each.previous not in (None, promoted.digest)
    ]


def _back(promoted: Promoted, outside: Outside, tags: Collection[str]) -> Iterator[Unit]:
    """One unit for each digest that is to come back: tags may have held different ones."""
    wanted: dict[Digest, list[TagPlan]] = {}
    side = outside.side(promoted.destination)
    for each in _movable(promoted):
        if each.previous is None or (tags and each.tag not in tags):
            continue
        manifest = side.manifest(each.tag)
        there = Digest(manifest.digest) if manifest else None
        if there not in (promoted.digest, each.previous):
            raise Refused(
                f"`{promoted.destination}:{each.tag}` holds `{short(there)}`, and not what the "
                f"run gave it: it has moved on",
                help="roll back the run that moved it, or name other tags with `--tag`",
            )
        action = Action.UNCHANGED if there == each.previous else Action.MOVE
        wanted.setdefault(each.previous, []).append(TagPlan(each.tag, Kind.FLOATING, action, there))
    for digest, moves in wanted.items():
        yield _unit(promoted, digest, moves, outside)


def _unit(promoted: Promoted, digest: Digest, moves: list[TagPlan], outside: Outside) -> Unit:
    side = outside.side(promoted.destination)
    try:
        manifest = side.registry.manifest(side.repository, digest)
    except NotFound:
        reference = promoted.destination.pinned(digest)
        raise SourceMissing(
            f"`{reference}`, which the tags held before, is gone",
            help="promote an image that is still there",
        ) from None
    return Unit(
        name=promoted.image,
        group=promoted.group,
        source=promoted.destination,
        tag=None,
        digest=digest,
        media_type=manifest.media_type,
        manifest_size=len(manifest.data),
        size=0,
        layers=0,
        platforms=(),
        created="",
        labels={},
        destination=promoted.destination,
        tags=tuple(moves),
        attachments=(),
    )
