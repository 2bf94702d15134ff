"""Programs that EL installs beside PATH: Open MPI's below /usr/lib64/openmpi/bin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.assumptions.places import finding
from midstream.diagnostic import Rule, Severity
from midstream.ubi.survey import stages_on_ubi
from midstream.ubi.tables import INSTALLERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.model import Stage
    from midstream.ubi.subject import Subject

NAME = "tool-path"

BESIDE_PATH = Rule(
    "MS311",
    NAME,
    """\
**What it says.** A package is installed whose programs and libraries EL keeps out of PATH and of
the linker's folders: Open MPI and MPICH are environment modules there.

**Why it matters.** On Debian `mpicc` and `libmpi.so` are found at once. On EL they aren't; a build
that looks for MPI goes on without it.

**The way out.** Set PATH and LD_LIBRARY_PATH for the folder that the finding names, in an edit.

**Source.** Fedora's packaging guidelines for MPI, which EL follows.
""",
)
RULES = (BESIDE_PATH,)

_FOLDERS = {
    "openmpi": "/usr/lib64/openmpi",
    "openmpi-devel": "/usr/lib64/openmpi",
    "mpich": "/usr/lib64/mpich",
    "mpich-devel": "/usr/lib64/mpich",
}


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Such packages in a stage whose PATH doesn't have their folder when it is done."""
    for stage in stages_on_ubi(subject):
        yield from _stage(subject, stage)


def _stage(subject: Subject, stage: Stage) -> Iterator[Diagnostic]:
    path = subject.graph.scope.environment(stage.index).get("PATH", "")
    for instruction in stage.instructions:
        for command in subject.script(instruction).commands:
            if command.name not in INSTALLERS:
                continue
            for word in command.arguments:
                folder = _FOLDERS.get(word.value)
                if folder and folder not in path:
                    yield finding(
                        subject, stage, BESIDE_PATH, word.span,
                        f"EL keeps `{word.value}`'s programs in {folder}/bin, which isn't on PATH",
                        f"set ENV PATH={folder}/bin:$PATH with an edit, or waive MS311 if nothing "
                        "here uses MPI",
                        Severity.WARNING,
                    )  # fmt: skip
