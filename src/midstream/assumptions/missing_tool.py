"""Programs that every Debian image has and UBI hasn't: `which`, `tar` and `find` on ubi-minimal."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding
from midstream.assumptions.script_with_apt import find_scripts
from midstream.diagnostic import Rule, Severity
from midstream.dockerfile.commands import LOOKING
from midstream.dockerfile.shell import called_script
from midstream.ubi.survey import survey
from midstream.ubi.tables import INSTALLERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.commands import Command, Word
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.source import Span
    from midstream.ubi.subject import Subject

NAME = "missing-tool"

NOT_THERE = Rule(
    "MS307",
    NAME,
    """\
**What it says.** A RUN uses a program that neither the base image brings nor anything installs
before.

**Why it matters.** Essential on Debian, absent from UBI: `which`, and on ubi-minimal `tar`, `gzip`,
`find`, `xargs`, `useradd`, `ps` and `diff` as well; `pip` is in the images for Python alone. Behind
`|| true` or inside `if` nobody notices.

**The way out.** Install the package that the finding names, in an edit before that RUN. If another
package brings the program along, waive the finding with that reason.

**Source.** What each base image has is in `overlays/_shared/platforms/*.yaml`.
""",
)
RULES = (NOT_THERE,)

_INSTALLERS = INSTALLERS | {"tdnf"}
_PYTHONS = frozenset(("pip", "pip3", "uv", "python3", "python"))
_BEHIND_A_NAME = re.compile(r"[<>=!~\[; ]")
_COMPILER = ("make", "gcc")  # gcc's RPM requires make, which its lto-wrapper calls
_ACCOUNTS = ("groupadd", "useradd", "usermod")
_TOOLSET = ("make", "diff", *_ACCOUNTS)
# What a package brings along beside the program that it is named for: requirements of its RPM, as
# upstream's own UBI images (ppc64le, s390x) show by what they call and never install.
_BRINGS = {
    "autoconf": ("perl",),
    "automake": ("perl",),
    "g++": ("g++", *_COMPILER),
    "gcc": _COMPILER,
    "gcc-c++": ("g++", *_COMPILER),
    "gcc-fortran": _COMPILER,
    "gcc-gfortran": _COMPILER,
    "git": ("less", "perl", *_ACCOUNTS),
    "git-core": ("git", "less"),
    "libtool": ("tar", "find", "xargs", *_COMPILER),
    "perl": ("perl",),
    "perl-core": ("perl",),
    "procps": ("ps", "top", "free", "pgrep", "pkill"),
    "rpm-build": ("gcc", "make", "patch", "tar", "xz", "unzip", "file", "diff", "find", "xargs"),
    "vim": ("vim", "xxd", "which"),
    "vim-enhanced": ("vim", "xxd", "which"),
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
    known = set(script.functions)
    for command in script.commands:
        _install(subject, command, shelf)
        if command.name in LOOKING:
            known.update(word.value for word in command.arguments)  # it reckons with its absence
        for word in _programs(command):
            name = posixpath.basename(word.value)
            if name not in known:
                yield from _use(subject, stage, name, word.span, shelf)
    if instruction.keyword == "SHELL" and instruction.json:
        name = posixpath.basename(instruction.json[0])
        yield from _use(subject, stage, name, instruction.arguments, shelf)


def _use(
    subject: Subject, stage: Stage, name: str, span: Span, shelf: _Shelf
) -> Iterator[Diagnostic]:
    package = subject.platform.tool_packages.get(name)
    if package is None or name in shelf.tools | shelf.asked:
        return
    shelf.asked.add(name)
    yield finding(
        subject, stage, NOT_THERE, span,
        f"`{name}` isn't in the base image, and nothing installs it before",
        f"install `{package}` before, or waive MS307 with the package that brings it along",
        Severity.WARNING,
    )  # fmt: skip


_FOLDERS = frozenset(("", "/bin", "/sbin", "/usr/bin", "/usr/sbin"))


def _programs(command: Command) -> Iterator[Word]:
    """The words that are programs of the system: what runs, and what runs it (`sudo`, `xargs`)."""
    names = {command.name, *command.wrappers}
    for word in command.words:
        folder, name = posixpath.split(word.value)
        if name in names and folder in _FOLDERS:
            yield word
        if word is command.program:
            return


def _installed(command: Command) -> list[str]:
    """The words of a command that installs something."""
    values = [word.value for word in command.arguments]
    return values if "install" in values else []


def _install(subject: Subject, command: Command, shelf: _Shelf) -> None:
    """Put what a command installs on the shelf, or what a script does that it runs."""
    if command.name in _INSTALLERS:
        values = _installed(command)
        for tool, package in subject.platform.tool_packages.items():
            if package in values:
                shelf.tools.add(tool)
        for value in values:
            toolset = _TOOLSET if value.startswith("gcc-toolset-") else ()
            shelf.tools.update(_BRINGS.get(value, toolset))
    elif command.name in _PYTHONS:
        names = {_BEHIND_A_NAME.split(value, 1)[0] for value in _installed(command)}
        shelf.tools.update(names & _FROM_PYTHON)
    word = called_script(command)
    if word is not None and word.value.endswith("sh"):
        for source in find_scripts(subject, word.value):
            for inner in subject.scripts.of_text(source.text).commands:
                if inner.name in _INSTALLERS:
                    _install(subject, inner, shelf)
