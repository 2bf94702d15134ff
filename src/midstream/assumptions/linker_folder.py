"""`/usr/local/lib` is one of Debian's linker folders; on EL `ldconfig` doesn't look there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding
from midstream.diagnostic import Rule
from midstream.dockerfile.arguments import transfer
from midstream.ubi.survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.commands import Command, Script
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.ubi.subject import Subject

NAME = "linker-folder"

NOT_LOOKED_AT = Rule(
    "MS314",
    NAME,
    """\
**What it says.** Libraries are put into `/usr/local/lib`, `ldconfig` is called, and nothing tells
it of that folder.

**Why it matters.** Debian lists the folder in `/etc/ld.so.conf.d/libc.conf`, EL lists none but its
own. `ldconfig` says nothing, and the library isn't found when the program runs.

**The way out.** An edit that writes the folder first:
`echo /usr/local/lib > /etc/ld.so.conf.d/local.conf`, or `ENV LD_LIBRARY_PATH`.

**Source.** ld.so(8); glibc's packages on Debian and EL.
""",
)
RULES = (NOT_LOOKED_AT,)

_FOLDER = re.compile(r"/usr/local/lib(?:64)?(?:/?|/[^/]*\.so[^/]*)")
_PREFIX = re.compile(r"(?:-DCMAKE_INSTALL_PREFIX(?::\w+)?=|--prefix=|DESTDIR=|PREFIX=)(.*)")
_CONFIGURING = frozenset(("cmake", "configure", "meson"))
_BUILDING = frozenset(("cmake", "make", "meson", "ninja"))
_PUTTING = frozenset(("cp", "install", "ln", "mv"))


def check(subject: Subject) -> Iterator[Diagnostic]:
    """The first `ldconfig` of a stage that comes after such libraries."""
    footings = survey(subject)
    for stage in subject.live_stages:
        environment = subject.graph.scope.environment(stage.index)
        known = "/usr/local/lib" in environment.get("LD_LIBRARY_PATH", "")
        if footings[stage.index].manager is not None and not known:
            yield from _stage(subject, stage)


def _stage(subject: Subject, stage: Stage) -> Iterator[Diagnostic]:
    put = False
    for instruction in stage.instructions:
        put = put or _is_copied(subject, instruction)
        script = subject.script(instruction)
        if "/etc/ld.so.conf" in subject.dockerfile.text(instruction.span):
            return  # it is told of a folder
        for command in script.commands:
            put = put or _puts(command) or _installs(script, command)
            if put and _reads_all(command):
                yield finding(
                    subject, stage, NOT_LOOKED_AT, command.core,
                    "EL's ldconfig doesn't look into /usr/local/lib",
                    "tell it before: echo /usr/local/lib > /etc/ld.so.conf.d/local.conf",
                )  # fmt: skip
                return


def _is_copied(subject: Subject, instruction: Instruction) -> bool:
    if instruction.keyword not in ("COPY", "ADD"):
        return False
    to = transfer(subject.dockerfile, instruction).destination
    return to is not None and _FOLDER.fullmatch(to.text.strip("\"'")) is not None


def _puts(command: Command) -> bool:
    words = [word.value for word in command.arguments if not word.value.startswith("-")]
    return command.name in _PUTTING and len(words) > 1 and bool(_FOLDER.fullmatch(words[-1]))


def _installs(script: Script, command: Command) -> bool:
    """Whether a build is installed whose configuration, in the same RUN, names no other prefix."""
    values = [word.value for word in command.arguments]
    if command.name not in _BUILDING or not {"install", "--install"} & set(values):
        return False
    configured = [each for each in script.commands if each.name in _CONFIGURING]
    words = [w.value for each in (*configured, command) for w in (*each.arguments,)]
    found = (_PREFIX.match(word) for word in words)
    prefixes = [match[1] for match in found if match]
    return bool(configured) and "--prefix" not in words and set(prefixes) <= {"/usr/local"}


def _reads_all(command: Command) -> bool:
    return command.name == "ldconfig" and all(
        word.value in ("-v", "--verbose", "-X") for word in command.arguments
    )
