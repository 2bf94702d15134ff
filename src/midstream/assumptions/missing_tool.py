"""Programs that every Debian image has and UBI hasn't: `which`, `tar` and `find` on ubi-minimal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding
from midstream.diagnostic import Rule, Severity
from midstream.ubi.survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.commands import Command
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.ubi.subject import Subject

NAME = "missing-tool"

NOT_THERE = Rule(
    "MS307",
    NAME,
    """\
**What it says.** A RUN uses a program that neither the base image brings nor anything installs
before.

**Why it matters.** Essential on Debian, absent from UBI: `which`, and on ubi-minimal `tar`, `gzip`,
`find`, `xargs`, `useradd`, `ps` and `diff` as well. Behind `|| true` or inside `if` nobody notices.

**The way out.** Install the package that the finding names, in an edit before that RUN. If another
package brings the program along, waive the finding with that reason.

**Source.** What each base image has is in `overlays/_shared/platforms/*.yaml`.
""",
)
RULES = (NOT_THERE,)

_INSTALLERS = frozenset(("dnf", "microdnf", "yum", "tdnf"))
# What a package brings along beside the program that it is named for.
_BRINGS = {
    "gcc-c++": ("g++", "gcc"),
    "gcc": ("gcc",),
    "rpm-build": ("gcc", "make", "patch", "tar", "xz", "unzip", "file"),
    "git": ("less",),
    "git-core": ("git", "less"),
    "autoconf": ("perl",),
    "vim-enhanced": ("vim", "xxd", "which"),
    "python3.12": ("python3.12",),
    "procps-ng": ("ps", "top", "free"),
}
_FROM_PYTHON = frozenset(("cmake", "ninja", "uv"))


@dataclass
class _Shelf:
    """The programs that are there at one point of a stage."""

    tools: set[str]
    asked: set[str] = field(default_factory=set)

    def copy(self) -> _Shelf:
        return _Shelf(set(self.tools), set(self.asked))


def check(subject: Subject) -> Iterator[Diagnostic]:
    """The first use of each missing program in each lineage."""
    shelves: dict[int, _Shelf] = {}
    for stage in subject.live_stages:
        shelf = shelves[stage.index] = _start(subject, stage, shelves)
        if survey(subject)[stage.index].manager is None:
            continue
        for instruction in stage.instructions:
            yield from _instruction(subject, stage, instruction, shelf)


def tools_at_end(subject: Subject, index: int) -> frozenset[str]:
    """The programs that a stage has when it is done: what an image made FROM it starts with."""
    shelves: dict[int, _Shelf] = {}
    for stage in subject.live_stages:
        shelf = shelves[stage.index] = _start(subject, stage, shelves)
        for instruction in stage.instructions:
            for command in subject.script(instruction).commands:
                _install(subject, command, shelf)
    return frozenset(shelves[index].tools)


def _start(subject: Subject, stage: Stage, shelves: dict[int, _Shelf]) -> _Shelf:
    parent = subject.graph.base(stage.index).target
    if parent is not None and parent in shelves:
        return shelves[parent].copy()
    return _Shelf(set(survey(subject)[stage.index].tools))


def _instruction(
    subject: Subject, stage: Stage, instruction: Instruction, shelf: _Shelf
) -> Iterator[Diagnostic]:
    script = subject.script(instruction)
    own = frozenset(script.functions)
    for command in script.commands:
        _install(subject, command, shelf)
        name = command.name
        package = subject.platform.tool_packages.get(name)
        if package is None or name in shelf.tools or name in own or name in shelf.asked:
            continue
        shelf.asked.add(name)
        yield finding(
            subject, stage, NOT_THERE, (command.program or command.words[0]).span,
            f"`{name}` isn't in the base image, and nothing installs it before",
            f"install `{package}` before, or waive MS307 with the package that brings it along",
            Severity.WARNING,
        )  # fmt: skip


def _install(subject: Subject, command: Command, shelf: _Shelf) -> None:
    values = [word.value for word in command.arguments]
    if command.name in _INSTALLERS and "install" in values:
        for tool, package in subject.platform.tool_packages.items():
            if package in values:
                shelf.tools.add(tool)
        for value in values:
            shelf.tools.update(_BRINGS.get(value, ()))
    elif command.name in ("pip", "pip3", "uv", "python3", "python") and "install" in values:
        names = {value.partition("<")[0].partition("=")[0].partition(">")[0] for value in values}
        shelf.tools.update(names & _FROM_PYTHON)
