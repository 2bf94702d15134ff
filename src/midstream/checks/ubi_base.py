"""The shipped image stands on UBI, and every other base is one that the profile accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.diagnostic import Rule
from midstream.ubi.survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.checks.view import View
    from midstream.diagnostic import Diagnostic

NAME = "ubi-base"

NOT_UBI = Rule(
    "MS353",
    NAME,
    """\
**What it says.** The shipped stage doesn't stand on a UBI image, or a build stage stands on an
image that the profile doesn't accept.

**Why it matters.** What ships on another base isn't covered by UBI's licence terms, updates and
certification (preflight's `BasedOnUbi`).

**The way out.** Map the base with `to:` in overlays/_shared/images.yaml, or accept it with `keep:`,
a reason and the `profiles:` that take it.
""",
)
RULES = (NOT_UBI,)


def check(view: View) -> Iterator[Diagnostic]:
    """The base of every stage's lineage that isn't one of the platform's."""
    subject = view.subject
    footings = survey(subject)
    line = subject.graph.lineage(view.ship.index)
    for stage in subject.live_stages:
        base = subject.graph.base(stage.index)
        if base.target is not None or base.image in (None, "scratch"):
            continue
        footing = footings[stage.index]
        if footing.manager is not None and not footing.kept:
            continue
        rule = subject.images.find(base.image or "")
        accepted = rule is not None and rule.to is None and view.profile in rule.profiles
        if stage.index in line or not accepted:
            yield view.finding(
                NOT_UBI, base.span, f"`{base.image}` is not UBI",
                f"map it in overlays/_shared/images.yaml, or keep it for `{view.profile}`",
                stage=stage,
            )  # fmt: skip
