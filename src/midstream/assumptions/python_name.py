"""`python3` and `pip3` where `python3.12` was installed: on EL that brings no such names. And `pip`
where nothing was: only the images that are made for Python have one."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from midstream.assumptions.missing_tool import NOT_THERE
from midstream.assumptions.places import finding
from midstream.diagnostic import Rule, Severity
from midstream.dockerfile.arguments import transfer
from midstream.dockerfile.commands import LOOKING
from midstream.dockerfile.variables import expand
from midstream.ubi.survey import survey
from midstream.ubi.tables import INSTALLERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.commands import Command, Word
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.ubi.subject import Subject

NAME = "python-name"

OTHER_PYTHON = Rule(
    "MS322",
    NAME,
    """\
**What it says.** `python3`, `python`, `pip3` or `pip` is called, and what was installed is
`python3.12` or the like.

**Why it matters.** On Debian the package `python3` brings these names. On EL a Python beside the
system's own is called by its version alone: `python3` is the 3.9 that dnf runs on, which has none
of the packages that were installed, and `pip3` isn't there.

**The way out.** Call `python3.12` and `python3.12 -m pip`, or link the names into `/usr/local/bin`,
with an edit; `ENV PATH` with a virtual environment's `bin` does as well.

**Source.** The file lists of EL's `python3`, `python3.12` and `python3.12-pip`.
""",
)
RULES = (OTHER_PYTHON,)

_PACKAGE = re.compile(r"python(3\.\d+)(?:-(?:devel|pip))?")
_PYTHONS, _PIPS = frozenset(("python", "python3")), frozenset(("pip", "pip3"))
_NAMES = _PYTHONS | _PIPS
_SYSTEM = frozenset(("", "/bin", "/usr/bin"))
_LINKING = frozenset(("alternatives", "cp", "install", "ln", "mv", "update-alternatives"))
_BRINGING = frozenset((".", "conda", "mamba", "micromamba", "pyenv", "source"))
_INSTALLS_PIP = re.compile(r"ensurepip|(?:.*/)?get-pip\.py")
_FILLED = frozenset(("/", "/usr", "/usr/bin", "/usr/local", "/usr/local/bin"))
# What else stands on PATH, and brings no Python.
_OTHERS = re.compile(
    r"/usr/local/s?bin|/usr/s?bin|/s?bin"
    r"|.*(?:/cuda|nvidia|/opt/rh/|ccache|\.cargo|mpi|/llvm|/node|/go/|jvm|maven|binutils).*"
)


@dataclass
class _Python:
    """What a stage has: the newest `installed` version, whether dnf's own Python has a `pip`, and
    the `names` that lead somewhere."""

    installed: str = ""
    pip: bool = False
    names: set[str] = field(default_factory=set)


def check(subject: Subject) -> Iterator[Diagnostic]:
    """The first use of each such name in each lineage."""
    footings = survey(subject)
    known: dict[int, _Python] = {}
    for stage in subject.live_stages:
        parent = subject.graph.base(stage.index).target
        before = known.get(parent, _Python()) if parent is not None else _Python()
        python = known[stage.index] = replace(before, names=set(before.names))
        footing = footings[stage.index]
        base = subject.platform.base_for(footing.image or "")
        if footing.manager is None or base is None or base.venv:
            continue
        for instruction in stage.instructions:
            yield from _instruction(subject, stage, instruction, python, base.python or "")


def _instruction(
    subject: Subject, stage: Stage, instruction: Instruction, python: _Python, systems: str
) -> Iterator[Diagnostic]:
    if _fills(subject, instruction):
        python.names |= _NAMES
    path = subject.graph.scope.environment_at(instruction).get("PATH", "")
    elsewhere = any(part and not _OTHERS.fullmatch(part) for part in path.split(":"))
    script = subject.script(instruction)
    if "PATH" in script.assigned:
        python.names |= _NAMES
    for command in script.commands:
        word = _use(command)
        if word is not None and not elsewhere and python.installed not in ("", systems):
            name = posixpath.basename(word.value)
            if name not in python.names and not _is_said(subject, word):
                python.names.add(name)
                yield _found(subject, stage, word, python.installed, systems)
        elif word is not None and not (elsewhere or python.pip):
            name = posixpath.basename(word.value)
            if name in _PIPS - python.names:
                python.names |= _PIPS
                yield _no_pip(subject, stage, word)
        _learn(subject, instruction, command, python)


def _use(command: Command) -> Word | None:
    """The word that runs one of these names, or that a link leads to."""
    if command.name == "ln":
        files = [word for word in command.arguments if not word.value.startswith("-")]
        words = files[:1] if files and files[0].value.startswith("/usr/bin/") else []
    else:
        words = [command.program] if command.program else []
    for word in words:
        folder, name = posixpath.split(word.value)
        if folder in _SYSTEM and name in _NAMES:
            return word
    return None


def _is_said(subject: Subject, word: Word) -> bool:
    """Whether `system-python` says it: dnf's Python by its path, where another one is wanted."""
    return word.value == "/usr/bin/python3" and bool(subject.python.version)


def _found(subject: Subject, stage: Stage, word: Word, installed: str, systems: str) -> Diagnostic:
    name = posixpath.basename(word.value)
    ours = f"python{installed}" if name in _PYTHONS else f"pip{installed}"
    what = "isn't there"
    if name == "python3" and systems:
        what = f"is {systems} here, which dnf runs on"
    instead = f"python{installed}" if name in _PYTHONS else f"python{installed} -m pip"
    return finding(
        subject, stage, OTHER_PYTHON, word.span,
        f"`{name}` {what}; what was installed is called `{ours}`",
        f"call `{instead}`, or before it, in an edit: ln -s /usr/bin/{ours} /usr/local/bin/{name}",
    )  # fmt: skip


def _no_pip(subject: Subject, stage: Stage, word: Word) -> Diagnostic:
    row = subject.packages.find("python3-pip")
    package = row.rpms[0] if row and row.rpms else "python3-pip"
    python = package.removesuffix("-pip")
    call = "" if python == "python3" else f", and call `{python} -m pip`"
    return finding(
        subject, stage, NOT_THERE, word.span,
        f"`{posixpath.basename(word.value)}` isn't in the base image, and nothing installs it "
        "before",
        f"install `{package}` before{call}, or waive MS307 with what brings it along",
        Severity.WARNING,
    )  # fmt: skip


def _learn(subject: Subject, instruction: Instruction, command: Command, python: _Python) -> None:
    """What a command installs, or which names it gives a Python."""
    values = [word.value for word in command.arguments]
    if command.name in INSTALLERS and "install" in values:
        known = subject.graph.scope.at(instruction)
        for value in values:
            name = expand(value, known).text
            found = _PACKAGE.fullmatch(name)
            python.installed = found[1] if found else python.installed
            python.pip = python.pip or name.endswith("-pip")
    elif command.name in LOOKING:
        python.names |= _NAMES & set(values)  # it reckons with its absence
    elif command.name in _LINKING:
        python.names |= _NAMES & {posixpath.basename(value) for value in values[1:]}
    elif command.name in _BRINGING or (command.name == "make" and "install" in str(values)):
        python.names |= _NAMES
    elif command.name.startswith("python") and _bootstraps(values):
        python.names |= _PIPS


def _bootstraps(values: list[str]) -> bool:
    """Whether Python's words install pip, which writes `pip` and `pip3` beside `pip3.12`."""
    from_a_pipe = not values or "-" in values
    return from_a_pipe or values.count("pip") > 1 or any(map(_INSTALLS_PIP.fullmatch, values))


def _fills(subject: Subject, instruction: Instruction) -> bool:
    """Whether a COPY brings a whole folder of programs along."""
    inner = instruction.trigger or instruction
    if inner.keyword not in ("COPY", "ADD"):
        return False
    to = transfer(subject.dockerfile, inner).destination
    folder = to.text.strip("\"'").rstrip("/") or "/" if to is not None else ""
    return folder in _FILLED or posixpath.basename(folder) in _NAMES
