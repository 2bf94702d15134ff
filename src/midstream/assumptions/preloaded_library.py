"""`LD_PRELOAD` of a library that no package here brings: a line on stderr, and a slower program."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding
from midstream.diagnostic import Rule
from midstream.dockerfile.arguments import pairs
from midstream.ubi.survey import stages_on_ubi
from midstream.ubi.tables import INSTALLERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.ubi.subject import Subject

NAME = "preloaded-library"

NOT_THERE = Rule(
    "MS315",
    NAME,
    """\
**What it says.** `ENV LD_PRELOAD` names a library of the system that isn't installed, or that EL
has in `lib64`.

**Why it matters.** The loader ignores it with a line on stderr: the image works, with another
memory allocator than the one that upstream measures with.

**The way out.** Install the package that the finding names (EPEL has it), or name the right folder
with an edit.

**Source.** ld.so(8), LD_PRELOAD.
""",
)
RULES = (NOT_THERE,)

_PACKAGES = {
    "libjemalloc": ("jemalloc", "jemalloc-devel"),
    "libtcmalloc": ("gperftools-libs", "gperftools", "gperftools-devel"),
    "libtcmalloc_minimal": ("gperftools-libs", "gperftools", "gperftools-devel"),
}
_SYSTEMS = frozenset(("/lib", "/lib64", "/usr/lib", "/usr/lib64"))


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Such libraries in the ENV of live stages."""
    for stage in stages_on_ubi(subject):
        for instruction in stage.instructions:
            yield from _instruction(subject, stage, instruction)


def _instruction(subject: Subject, stage: Stage, instruction: Instruction) -> Iterator[Diagnostic]:
    if instruction.keyword != "ENV":
        return
    for pair in pairs(subject.dockerfile, instruction):
        if pair.name != "LD_PRELOAD":
            continue
        for path in re.split(r"[:\s]+", (pair.value or "").strip("\"'")):
            folder, name = posixpath.split(path)
            packages = _PACKAGES.get(name.partition(".so")[0], ())
            if folder not in _SYSTEMS or not packages:
                continue
            if not _installed(subject, stage).isdisjoint(packages):
                if folder.endswith("lib64"):
                    continue
                message, advice = f"EL has `{name}` in /usr/lib64", "swap the folder with an edit"
            else:
                message = f"`{path}` isn't there: nothing installs `{packages[0]}`"
                advice = f"install `{packages[0]}` with an edit, or take the library out"
            yield finding(subject, stage, NOT_THERE, pair.span, message, advice)


def _installed(subject: Subject, stage: Stage) -> frozenset[str]:
    """What is installed in a stage, in what it is FROM, and in what is made FROM it."""
    near = set(subject.graph.lineage(stage.index))
    for other in subject.live_stages:
        line = subject.graph.lineage(other.index)
        if stage.index in line:
            near.update(line)
    return frozenset(
        word.value
        for index in near
        for instruction in subject.dockerfile.stages[index].instructions
        for command in subject.script(instruction).commands
        if command.name in INSTALLERS
        for word in command.arguments
    )
