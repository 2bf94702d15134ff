"""A wheel tag or binary for a newer glibc than the platform's: installers refuse it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding, occurrences
from midstream.diagnostic import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.ubi.subject import Subject

NAME = "glibc-tag"

TOO_NEW = Rule(
    "MS300",
    NAME,
    """\
**What it says.** A wheel is tagged, or asked for, with a `manylinux_2_NN` that is newer than the
platform's glibc.

**Why it matters.** UBI 9 has glibc 2.34, UBI 10 has 2.39. pip and uv refuse a wheel with a newer
tag (PEP 600), so a wheel that this very build made can't be installed in its last stage.

**The way out.** Build on the platform and tag for it: an edit with
`args: {--plat: manylinux_2_34_x86_64}`. For a download, take the wheel for an older glibc.
""",
)
RULES = (TOO_NEW,)

_TAG = re.compile(r"manylinux_2_(\d+)")


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Every tag that the platform's installers would refuse."""
    most = int(subject.platform.glibc.partition(".")[2])
    for stage, _, span in occurrences(subject, _TAG):
        tag = subject.dockerfile.text(span)
        found = _TAG.fullmatch(tag)
        if found and int(found[1]) > most:
            yield finding(
                subject, stage, TOO_NEW, span,
                f"`{tag}` is newer than the platform's glibc {subject.platform.glibc}",
                f"tag it {subject.platform.manylinux}, with an edit: "
                f"args: {{--plat: {subject.platform.manylinux}_$(uname -m)}}",
            )  # fmt: skip
