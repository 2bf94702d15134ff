"""The shipped image has the seven labels that certification asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.diagnostic import Rule
from midstream.dockerfile.arguments import pairs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.checks.view import View
    from midstream.diagnostic import Diagnostic

NAME = "labels"

MISSING = Rule(
    "MS355",
    NAME,
    """\
**What it says.** The shipped image lacks a label that Red Hat's certification asks for, or has it
empty.

**Why it matters.** A label that isn't set is inherited from the base: the image would then call
itself `ubi9`, with UBI's version.

**The way out.** A LABEL at the end of "@ship", which may take its values from `labels:` of the
overlay (`{{ labels.name }}`).

**Source.** preflight's `HasRequiredLabel`: name, vendor, version, release, summary, description,
maintainer.
""",
)
RULES = (MISSING,)

REQUIRED = ("name", "vendor", "version", "release", "summary", "description", "maintainer")


def check(view: View) -> Iterator[Diagnostic]:
    """What is missing of the seven, at the shipped stage."""
    found = shipped_labels(view)
    missing = [name for name in REQUIRED if not found.get(name)]
    if missing:
        listed = ", ".join(f"`{name}`" for name in missing)
        yield view.finding(
            MISSING, view.ship.origin.keyword_span, f"the shipped image has no label {listed}",
            'put a LABEL with them at the end of "@ship"', stage=view.ship,
        )  # fmt: skip


def shipped_labels(view: View) -> dict[str, str]:
    """Every label of the shipped lineage, as written, quotes taken off."""
    found: dict[str, str] = {}
    for _, instruction in view.shipped():
        if instruction.keyword == "LABEL":
            for pair in pairs(view.subject.dockerfile, instruction):
                found[pair.name] = (pair.value or "").strip("\"'")
    return found
