"""Debian's multiarch folders, `lib/x86_64-linux-gnu`: on EL they are lib64."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding, occurrences
from midstream.diagnostic import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.ubi.subject import Subject

NAME = "linux-gnu"

MULTIARCH = Rule(
    "MS304",
    NAME,
    """\
**What it says.** A path names one of Debian's multiarch folders, such as `lib/x86_64-linux-gnu`, or
stands for whichever there is: `/usr/lib/*/libcudnn.so`.

**Why it matters.** EL has libraries in `lib64`. A library path that isn't there is no error: the
program starts without the library, or with another one.

**The way out.** An edit, such as `swap: ["lib/$(uname -m)-linux-gnu", lib64]`.
""",
)
RULES = (MULTIARCH,)

# A path's last part, or a pattern's; a compiler's triple such as x86_64-unknown-linux-gnu is none.
# EL's gcc has no such folders: `-print-multiarch` prints nothing, `-dumpmachine` a triple.
_FOLDER = re.compile(
    r"-print-multiarch\b|(?<=/)\$\((?:gcc|g\+\+|cc) -dumpmachine\)|(?<=/lib/)\*(?=/[^\s/*]*\.so\b)|"
    r"(?<=[/*])(?:x86_64|aarch64|arm64|powerpc64le|s390x|\*|\$\([^()\n]*\)|\$\{?\w+\}?)-linux-gnu\b"
)
_HOLDING = ("-print-multiarch", "-dumpmachine", "/lib/*", "-linux-gnu")


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Every multiarch folder that is left."""
    for stage, _, span in occurrences(subject, _FOLDER, holding=_HOLDING):
        name = subject.dockerfile.text(span)
        yield finding(
            subject, stage, MULTIARCH, span,
            f"`{name}` is one of Debian's folders; on EL libraries are in lib64",
            f'swap it with an edit: swap: ["lib/{name}", lib64]',
        )  # fmt: skip
