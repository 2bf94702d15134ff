"""`/opt/python/cp312-cp312`: a folder that only manylinux images have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding, occurrences
from midstream.diagnostic import Rule
from midstream.ubi.survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.ubi.subject import Subject

NAME = "manylinux-python"

ONLY_THERE = Rule(
    "MS306",
    NAME,
    """\
**What it says.** A path below `/opt/python/cp3…` in a stage that doesn't stand on such an image.

**Why it matters.** Only the manylinux builders have those folders. On UBI, PATH and links that name
them lead nowhere, and the system's Python is used without a word.

**The way out.** Keep the manylinux base for that stage (`keep:` in images.yaml), or name the
platform's Python with an edit.
""",
)
RULES = (ONLY_THERE,)

_FOLDER = re.compile(r"/opt/python/cp3\S*?(?=[/\"'\s:]|$)")


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Every such folder in a stage that stands on the platform."""
    footings = survey(subject)
    for stage, _, span in occurrences(subject, _FOLDER):
        if stage is not None and footings[stage.index].manager is not None:
            yield finding(
                subject, stage, ONLY_THERE, span,
                f"`{subject.dockerfile.text(span)}` is only in manylinux images",
                "name the platform's Python with an edit, or keep the stage's base",
            )  # fmt: skip
