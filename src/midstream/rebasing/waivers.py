"""Findings that an overlay accepts, each with a reason and perhaps only for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.diagnostic import Diagnostic, Rule, Severity
from midstream.overlay.select import select

if TYPE_CHECKING:
    from collections.abc import Iterable

    from midstream.dockerfile.model import Stage
    from midstream.overlay.model import Overlay, Waiver
    from midstream.ubi.subject import Subject

UNUSED_WAIVER = Rule(
    "MS525",
    "unused-waiver",
    """\
**What it says.** A waiver accepts a finding that there isn't (any more), or its `until:` lies
before the date of the upstream release, so that it accepts nothing.

**The way out.** Take the waiver out, so that it doesn't hide the next one; or give it a later day.
""",
)
RULES = (UNUSED_WAIVER,)


def waived(
    overlay: Overlay, subject: Subject, stage: Stage, found: Iterable[Diagnostic], date: str
) -> list[Diagnostic]:
    """The findings that no waiver accepts, and one for each waiver that accepts none. `date` is
    upstream's, as RFC 3339 writes it."""
    left = list(found)
    for waiver in overlay.waivers:
        if waiver.until is not None and date[:10] > waiver.until.isoformat():
            left.append(_unused(waiver, f"this waiver of `{waiver.rule}` was until {waiver.until}"))
            continue
        kept = [each for each in left if not _accepts(waiver, each, subject, stage)]
        if len(kept) == len(left):
            message = f"nothing is found that this waiver of `{waiver.rule}` accepts"
            kept.append(_unused(waiver, message))
        left = kept
    return left


def _accepts(waiver: Waiver, found: Diagnostic, subject: Subject, stage: Stage) -> bool:
    if waiver.rule not in (found.rule.code, found.rule.name):
        return False
    if waiver.at is None:
        return True
    spans = (match.instruction.span for match in select(subject, stage, waiver.at))
    here = found.source is subject.dockerfile.source
    return here and any(found.span in span for span in spans)


def _unused(waiver: Waiver, message: str) -> Diagnostic:
    return Diagnostic(
        rule=UNUSED_WAIVER,
        severity=Severity.WARNING,
        message=message,
        source=waiver.place.source,
        span=waiver.place.span,
        help="take it out",
    )
