"""Where Python packages go: Debian's `dist-packages` is nowhere on EL; a builder has a place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding, occurrences
from midstream.diagnostic import Rule
from midstream.dockerfile.arguments import transfer
from midstream.edit import Edit
from midstream.ubi.outcome import Outcome
from midstream.ubi.survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.ubi.subject import Subject
    from midstream.ubi.tables import Base

NAME = "python-layout"

DIST_PACKAGES = Rule(
    "MS301",
    NAME,
    """\
**What it says.** A path names Debian's `dist-packages`, which EL doesn't have; or /usr/local, out
of an image whose Python lives in an environment of its own.

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
_PROGRAMS = re.compile(r"/usr/local(?:/bin)?(?:/|/(?:pip|python)[\d.]*)?(?![\w./-])")
_WHY = "packages go into the virtual environment"


def convert(subject: Subject) -> Outcome:
    """With a virtual environment, its one folder takes the place of the system's."""
    edits = []
    for stage, _, span in occurrences(subject, _PATH):
        found = _PATH.fullmatch(subject.dockerfile.text(span))
        venv = _environment(subject, stage)
        # Debian's folder for packages of every Python 3 has no counterpart in an environment.
        if venv and found and found["python"] != "python3" and not subject.is_claimed(span):
            text = f"{venv}/lib/{found['python']}/site-packages"
            edits.append(Edit(span, text, NAME, _WHY))
    return Outcome(tuple(edits))


def _environment(subject: Subject, stage: Stage | None) -> str:
    """The overlay's environment, or the one that Python belongs to in the image below a stage."""
    if subject.python.layout == "venv":
        return subject.python.path
    base = _base(subject, stage.index) if stage is not None else None
    return base.venv if base is not None else ""


def _base(subject: Subject, stage: int) -> Base | None:
    image = survey(subject)[stage].image if stage in subject.live else None
    return subject.platform.base_for(image) if image else None


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Every `dist-packages` that is left, and programs taken from where a builder has none."""
    for stage, _, span in occurrences(subject, _DEBIAN, holding=("dist-packages",)):
        yield finding(
            subject, stage, DIST_PACKAGES, span,
            "`dist-packages` is Debian's; on EL there is no such folder",
            "set `python: {layout: venv, …}` in the overlay, or name the folder with an edit",
        )  # fmt: skip
    for stage in subject.live_stages:
        for arrow in subject.graph.needs(stage.index)[1:]:
            base = _base(subject, arrow.target) if arrow.target is not None else None
            if base is not None and base.venv:
                yield from _programs(subject, stage, arrow.instruction, base)


def _programs(
    subject: Subject, stage: Stage, outer: Instruction, base: Base
) -> Iterator[Diagnostic]:
    instruction = outer.trigger or outer
    for item in transfer(subject.dockerfile, instruction).sources:
        if instruction.keyword == "COPY" and _PROGRAMS.fullmatch(item.text):
            yield finding(
                subject, stage, DIST_PACKAGES, item.span,
                f"packages and their programs are in {base.venv} there, not in /usr/local",
                f"name it with an edit: {base.venv}/bin, {base.venv}/lib",
            )  # fmt: skip
