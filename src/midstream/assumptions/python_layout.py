"""Where Python packages go: Debian's `dist-packages` is nowhere on EL; a builder has a place."""

from __future__ import annotations

import posixpath
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
    from midstream.source import Span
    from midstream.ubi.subject import Subject
    from midstream.ubi.tables import Base

NAME = "python-layout"

DIST_PACKAGES = Rule(
    "MS301",
    NAME,
    """\
**What it says.** A path names Debian's `dist-packages`, which EL doesn't have; or /usr/local, out
of or in an image whose Python lives in an environment of its own: `/usr/local/bin/gunicorn`.

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
_PYTHON = re.compile(r"(?<![\w.}/-])/usr/local/bin/(?P<name>(?:python|pip)[\d.]*)(?![\w./-])")
_INSTALLED = re.compile(r"/usr/local/bin/[\w.-]+")
_PUTTING = frozenset(("cp", "install", "ln", "mv"))
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
    for span, text, is_linked in _pythons(subject):
        if not is_linked and not subject.is_claimed(span):
            edits.append(Edit(span, text, NAME, "Python has an environment of its own there"))
    return Outcome(tuple(edits))


def _pythons(subject: Subject) -> Iterator[tuple[Span, str, bool]]:
    """Where `/usr/local/bin/python` is run or named in an image that has it in an environment, and
    whether a link leads there, which `system-python` may take out."""
    for stage, outer, span in occurrences(subject, _PYTHON, holding=("/usr/local/bin/p",)):
        base = _base(subject, stage.index) if stage is not None else None
        found = _PYTHON.fullmatch(subject.dockerfile.text(span))
        keyword = (outer.trigger or outer).keyword
        if base is None or not base.venv or found is None or keyword in ("COPY", "ADD"):
            continue
        commands = [c for c in subject.script(outer).commands if span in c.span]
        put = [c for c in commands if c.name in _PUTTING and c.arguments]
        if not any(span in each.arguments[-1].span for each in put):
            text = f"{base.venv}/bin/{found['name']}"
            yield span, text, any(each.name == "ln" for each in put)


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
    for span, text, _ in _pythons(subject):
        yield finding(
            subject, None, DIST_PACKAGES, span, f"no Python is there in this image; it is `{text}`",
            "name it with an edit",
        )  # fmt: skip
    for stage in subject.live_stages:
        yield from _run(subject, stage)
        for arrow in subject.graph.needs(stage.index)[1:]:
            base = _base(subject, arrow.target) if arrow.target is not None else None
            if base is not None and base.venv:
                yield from _programs(subject, stage, arrow.instruction, base)


def _run(subject: Subject, stage: Stage) -> Iterator[Diagnostic]:
    """A package's program that is run by the path which it has in Debian's Python images."""
    base = _base(subject, stage.index)
    if base is None or not base.venv:
        return
    for instruction in stage.instructions:
        for command in subject.script(instruction).commands:
            word = command.program
            if word is None or not _INSTALLED.fullmatch(word.value) or _PYTHON.match(word.value):
                continue
            if not _is_filled(subject, stage, instruction):
                yield finding(
                    subject, stage, DIST_PACKAGES, word.span,
                    f"nothing puts `{word.value}` there, and packages have theirs in {base.venv}",
                    f"name it with an edit: {base.venv}/bin/{posixpath.basename(word.value)}",
                )  # fmt: skip


def _is_filled(subject: Subject, stage: Stage, instruction: Instruction) -> bool:
    """Whether another instruction of a stage's lineage has to do with /usr/local/bin."""
    others = (each for each in subject.lineage(stage) if each is not instruction)
    return any("/usr/local" in subject.dockerfile.text(each.span) for each in others)


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
