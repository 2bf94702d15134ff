"""`/usr/local/lib` is one of Debian's linker folders; on EL `ldconfig` doesn't look there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding
from midstream.diagnostic import Rule, Severity
from midstream.dockerfile.arguments import transfer
from midstream.ubi.survey import stages_on_ubi
from midstream.ubi.tables import INSTALLERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.commands import Command, Script
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.source import Span
    from midstream.ubi.subject import Subject

NAME = "linker-folder"

NOT_LOOKED_AT = Rule(
    "MS314",
    NAME,
    """\
**What it says.** Libraries are put into `/usr/local/lib`, `ldconfig` is called, and nothing tells
it of that folder; or a library is put into `/usr/lib`, and nothing calls `ldconfig` after that.

**Why it matters.** Debian lists the folder in `/etc/ld.so.conf.d/libc.conf`, EL lists none but its
own. `ldconfig` says nothing, and the library isn't found when the program runs. In `/usr/lib`
Debian's loader looks by itself; EL's looks into `/usr/lib64`, and knows the other by `ldconfig`.

**The way out.** An edit that writes the folder first:
`echo /usr/local/lib > /etc/ld.so.conf.d/local.conf`, or `ENV LD_LIBRARY_PATH`. For `/usr/lib`, name
`/usr/lib64` in its place, or call `ldconfig` after.

**Source.** ld.so(8), ldconfig(8); glibc's packages on Debian and EL.
""",
)
RULES = (NOT_LOOKED_AT,)

_FOLDER = re.compile(r"/usr/local/lib(?:64)?(?:/?|/[^/]*\.so[^/]*)")
_SYSTEMS = re.compile(r"(?:/usr)?/lib/?(?P<file>/[^/\s]*\.so[\d.]*)?")
_LIBRARY = re.compile(r"\.so(?:[.*\d]|$)")
_MOVING = frozenset(("cp", "install", "mv"))
_PREFIX = re.compile(r"(?:-DCMAKE_INSTALL_PREFIX(?::\w+)?=|--prefix=|DESTDIR=|PREFIX=)(.*)")
_CONFIGURING = frozenset(("cmake", "configure", "meson"))
_BUILDING = frozenset(("cmake", "make", "meson", "ninja"))
_PUTTING = frozenset(("cp", "install", "ln", "mv"))


def check(subject: Subject) -> Iterator[Diagnostic]:
    """The first `ldconfig` of a stage that comes after such libraries."""
    for stage in stages_on_ubi(subject):
        path = subject.graph.scope.environment(stage.index).get("LD_LIBRARY_PATH", "")
        if "/usr/local/lib" not in path:
            yield from _stage(subject, stage)
        if "/usr/lib" not in re.split(r"[:;]", path):
            yield from _unknown(subject, stage)


def _unknown(subject: Subject, stage: Stage) -> Iterator[Diagnostic]:
    """The last library that is put into /usr/lib, where nothing makes the loader know of it."""
    last: Span | None = None
    for instruction in stage.instructions:
        if instruction.keyword in ("COPY", "ADD"):
            copied = transfer(subject.dockerfile, instruction)
            texts = [item.text.strip("\"'") for item in copied.sources]
            to = copied.destination
            if to is not None and _is_library(texts, to.text.strip("\"'")):
                last = to.span
        for command in subject.script(instruction).commands:
            words = [word for word in command.arguments if not word.value.startswith("-")]
            if command.name in _MOVING and len(words) > 1:
                if _is_library([word.value for word in words[:-1]], words[-1].value):
                    last = words[-1].span
            elif _refreshes(command):
                last = None
    if last is not None and not _is_refreshed_below(subject, stage):
        yield finding(
            subject, stage, NOT_LOOKED_AT, last,
            "EL's loader doesn't look into /usr/lib, and no ldconfig comes after",
            "name /usr/lib64 with an edit, or call ldconfig after", Severity.WARNING,
        )  # fmt: skip


def _is_library(sources: list[str], to: str) -> bool:
    found = _SYSTEMS.fullmatch(to)
    return found is not None and bool(found["file"] or any(map(_LIBRARY.search, sources)))


def _refreshes(command: Command) -> bool:
    """RPMs that bring libraries have glibc call ldconfig, whatever they are."""
    values = [word.value for word in command.arguments]
    installs = command.name in INSTALLERS and "install" in values
    return installs or (command.name == "ldconfig" and "-p" not in values)


def _is_refreshed_below(subject: Subject, stage: Stage) -> bool:
    """Whether a stage that is made FROM this one calls ldconfig, or installs anything."""
    return any(
        _refreshes(command)
        for other in subject.live_stages
        if stage.index in subject.graph.lineage(other.index)[1:]
        for instruction in other.instructions
        for command in subject.script(instruction).commands
    )


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
