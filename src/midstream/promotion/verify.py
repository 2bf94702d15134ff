"""Whether the destinations still hold what a record says; for a schedule, and for the anxious."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.errors import Exit, MidstreamError
from midstream.promotion import attachments
from midstream.promotion.plan import Kind

if TYPE_CHECKING:
    from midstream.promotion.attachments import Lost
    from midstream.promotion.outside import Outside
    from midstream.promotion.record import Named, Promoted, Record
    from midstream.promotion.reference import Digest


class Holds(StrEnum):
    """What a tag of a record is found to be."""

    SAME = "same"
    MOVED = "moved"  # holds another image
    GONE = "gone"
    UNREADABLE = "unreadable"


class Checked(Struct, frozen=True):
    """One tag. That a floating one has moved on is news, and no harm."""

    reference: str
    kind: Kind
    wanted: Digest
    there: str
    holds: Holds
    error: MidstreamError | None = None

    @property
    def exit_code(self) -> Exit:
        if self.holds is Holds.SAME:
            return Exit.OK
        if self.error is not None:
            return Exit(self.error.exit_code)
        if self.kind is Kind.FLOATING and self.holds is Holds.MOVED:
            return Exit.FINDINGS
        return Exit.INTEGRITY


class Verdict(Struct, frozen=True):
    tags: tuple[Checked, ...]
    lost: tuple[tuple[str, Lost], ...] = ()
    errors: tuple[MidstreamError, ...] = ()

    @property
    def exit_code(self) -> Exit:
        codes = [each.exit_code for each in self.tags]
        codes += [Exit(each.exit_code) for each in self.errors]
        codes += [Exit.INTEGRITY] * bool(self.lost)
        return Exit.worst(codes)


def verify(record: Record, outside: Outside, *, jobs: int = 4) -> Verdict:
    """Read every tag and every attachment of a record. Writes nothing."""
    pairs = [(each, tag) for each in record.promoted for tag in each.tags]
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        tags = tuple(pool.map(lambda pair: _check(pair[0], pair[1], outside), pairs))
    lost: list[tuple[str, Lost]] = []
    errors: list[MidstreamError] = []
    for each in record.promoted:
        try:
            side = outside.side(each.destination)
            found = attachments.verify(each.attachments, side) if each.attachments else ()
            lost += [(str(each.destination), one) for one in found]
        except MidstreamError as error:
            errors.append(error)
    return Verdict(tags, tuple(lost), tuple(errors))


def _check(promoted: Promoted, named: Named, outside: Outside) -> Checked:
    reference = str(promoted.destination.tagged(named.tag))
    try:
        manifest = outside.side(promoted.destination).manifest(named.tag)
    except MidstreamError as error:
        return Checked(reference, named.kind, promoted.digest, "", Holds.UNREADABLE, error)
    there = manifest.digest if manifest else ""
    holds = Holds.SAME if there == promoted.digest else Holds.MOVED if there else Holds.GONE
    return Checked(reference, named.kind, promoted.digest, there, holds)
