"""CMake and Meson install libraries into lib64 on EL; a RUN that reads them from lib finds none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding
from midstream.diagnostic import Rule
from midstream.dockerfile.arguments import transfer
from midstream.ubi.survey import stages_on_ubi

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.commands import Command
    from midstream.dockerfile.model import Stage
    from midstream.source import Span
    from midstream.ubi.subject import Subject

NAME = "install-libdir"

LIB64 = Rule(
    "MS310",
    NAME,
    """\
**What it says.** CMake or Meson installs below a prefix without being told the library folder, and
the stage reads `PREFIX/lib/…`, or a COPY puts the whole prefix over another tree.

**Why it matters.** On EL `GNUInstallDirs` and Meson choose `lib64`, on Debian `lib`. A copy from
the old folder fails, or takes an older library that happens to be there.

**The way out.** `args: {-DCMAKE_INSTALL_LIBDIR: lib}` on the configuring cmake command (for Meson
`args: {--libdir: lib}`), or an edit that reads from lib64.

**Source.** CMake's manual, GNUInstallDirs: `lib64` on 64-bit systems that are not Debian.
""",
)
RULES = (LIB64,)

_PREFIX = re.compile(r"(?:-DCMAKE_INSTALL_PREFIX(?::\w+)?=|--prefix=)(\S+)")


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Every read from `PREFIX/lib` after an install that chose its folder by itself, and every
    such PREFIX that is copied into another tree."""
    for stage in stages_on_ubi(subject):
        prefixes: dict[str, Command] = {}  # and what configured the install there
        yield from _stage(subject, stage, prefixes)
        yield from _copied(subject, stage, prefixes)


def _stage(subject: Subject, stage: Stage, prefixes: dict[str, Command]) -> Iterator[Diagnostic]:
    free: Command | None = None  # the configuring command that named no library folder
    told = False
    for instruction in stage.instructions:
        for command in subject.script(instruction).commands:
            configuring = _configures(command)
            if configuring is not None:
                free = None if configuring else command
            for prefix in _prefixes(command) if free is not None else ():
                prefixes[prefix] = free or command
            for prefix, configured in prefixes.items():
                span = _reads(command, prefix)
                if span is not None and command is not configured and not told:
                    told = True
                    yield finding(
                        subject, stage, LIB64, span,
                        f"`{prefix}/lib` is read, and on EL the install goes to `{prefix}/lib64`",
                        _WAY_OUT,
                    )  # fmt: skip


_WAY_OUT = "tell the configuring command: args: {-DCMAKE_INSTALL_LIBDIR: lib}"


def _copied(subject: Subject, stage: Stage, prefixes: dict[str, Command]) -> Iterator[Diagnostic]:
    """A whole prefix that is copied over another tree: its `lib64` doesn't go over the `lib` there.
    One that is copied to the same path stays as it was made."""
    for arrow in subject.graph.arrows:
        if arrow.target != stage.index or arrow.instruction.keyword != "COPY":
            continue
        moved = transfer(subject.dockerfile, arrow.instruction)
        there = moved.destination.text.rstrip("/") if moved.destination else ""
        for item in moved.sources:
            prefix = item.text.rstrip("/")
            if prefix in prefixes and prefix != there and arrow.stage in subject.live:
                yield finding(
                    subject, subject.dockerfile.stages[arrow.stage], LIB64, item.span,
                    f"`{prefix}` goes over `{there}`, and on EL its libraries are in `lib64`, "
                    "where those that they replace needn't be",
                    _WAY_OUT,
                )  # fmt: skip


def _configures(command: Command) -> bool | None:
    """Whether a command that configures a build names the library folder; None for any other."""
    words = [word.value for word in command.arguments]
    if command.name == "cmake" and not {"--build", "--install", "-E"} & set(words):
        return any("INSTALL_LIBDIR" in word for word in words)
    if command.name == "meson" and words[:1] == ["setup"]:
        return any(word.startswith(("--libdir", "-Dlibdir")) for word in words)
    return None


def _prefixes(command: Command) -> Iterator[str]:
    words = [word.value for word in command.arguments]
    for index, word in enumerate(words):
        found = _PREFIX.match(word)
        if found:
            yield found[1].strip("\"'").rstrip("/")
        elif word == "--prefix" and index + 1 < len(words):
            yield words[index + 1].rstrip("/")


def _reads(command: Command, prefix: str) -> Span | None:
    if not prefix or command.name in ("cmake", "meson", "ninja"):
        return None
    for word in command.arguments:
        if word.value.startswith((f"{prefix}/lib/", f"{prefix}/lib ")) or word.value == (
            f"{prefix}/lib"
        ):
            return word.span
    return None
