"""The shipped image carries a licence below /licenses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.diagnostic import Rule
from midstream.dockerfile.arguments import transfer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.checks.view import View
    from midstream.diagnostic import Diagnostic

NAME = "licence"

NO_LICENCE = Rule(
    "MS357",
    NAME,
    """\
**What it says.** Nothing is copied to /licenses in the shipped image.

**Why it matters.** Certification asks for the licence terms of what the image adds to UBI.

**The way out.** `COPY LICENSE /licenses/app`, with upstream's own file, at the end of "@ship"; or
the terms themselves, as a here-document, where upstream has none.

**Source.** preflight's `HasLicense`.
""",
)
RULES = (NO_LICENCE,)

_LICENSES = re.compile(r"/licenses(?:/|$)")


def check(view: View) -> Iterator[Diagnostic]:
    """Whether any COPY or ADD of the shipped lineage goes there."""
    for _, instruction in view.shipped():
        if instruction.keyword in ("COPY", "ADD"):
            to = transfer(view.subject.dockerfile, instruction).destination
            if to is not None and _LICENSES.match(to.text.strip("\"'")):
                return
    yield view.finding(
        NO_LICENCE, view.ship.origin.keyword_span, "nothing is copied to /licenses",
        'put the terms there at the end of "@ship": COPY LICENSE /licenses/…', stage=view.ship,
    )  # fmt: skip
