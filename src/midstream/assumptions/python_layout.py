"""Where Python packages go: Debian's `dist-packages` is nowhere on EL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding, occurrences
from midstream.diagnostic import Rule
from midstream.edit import Edit
from midstream.ubi.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.ubi.subject import Subject

NAME = "python-layout"

DIST_PACKAGES = Rule(
    "MS301",
    NAME,
    """\
**What it says.** A path names Debian's `dist-packages`, which EL doesn't have.

**Why it matters.** A `COPY` from there fails; worse, `rm -f` and `if [ -f … ]` on it do nothing,
and the build is green. On EL pure packages go to `lib/python3.X/site-packages` and compiled ones to
`lib64/python3.X/site-packages`, so that one Debian folder is two.

**The way out.** `python: {layout: venv, path: /opt/app}` in the overlay: in a virtual environment
`lib64` is a link to `lib`, and midstream converts the paths. Or name the folder with an edit.
""",
)
RULES = (DIST_PACKAGES,)

_PATH = re.compile(
    r"/usr(?:/local)?/lib(?:64)?/"
    r"(?P<python>python(?:3(?:\.\d+)?|\$\{?\w+\}?))/(?:dist|site)-packages"
)
_DEBIAN = re.compile(r"\bdist-packages\b")


def convert(subject: Subject) -> Outcome:
    """With a virtual environment, its one folder takes the place of the system's."""
    if subject.python.layout != "venv":
        return Outcome()
    edits = []
    for _, _, span in occurrences(subject, _PATH):
        found = _PATH.fullmatch(subject.dockerfile.text(span))
        # Debian's folder for packages of every Python 3 has no counterpart in an environment.
        if found and found["python"] != "python3" and not subject.is_claimed(span):
            text = f"{subject.python.path}/lib/{found['python']}/site-packages"
            edits.append(Edit(span, text, NAME, "packages go into the virtual environment"))
    return Outcome(tuple(edits))


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Every `dist-packages` that is left."""
    for stage, _, span in occurrences(subject, _DEBIAN):
        yield finding(
            subject, stage, DIST_PACKAGES, span,
            "`dist-packages` is Debian's; on EL there is no such folder",
            "set `python: {layout: venv, …}` in the overlay, or name the folder with an edit",
        )  # fmt: skip
