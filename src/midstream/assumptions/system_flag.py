"""`uv pip --system` beside a virtual environment: it would install into dnf's own Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from midstream.assumptions.places import finding
from midstream.assumptions.script_with_apt import find_scripts
from midstream.diagnostic import Place, Rule
from midstream.dockerfile.arguments import pairs
from midstream.dockerfile.shell import called_scripts
from midstream.edit import Edit
from midstream.source import Span
from midstream.ubi.outcome import Outcome
from midstream.ubi.survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.commands import Command, Word
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.ubi.subject import Subject

NAME = "system-flag"

TWO_PYTHONS = Rule(
    "MS302",
    NAME,
    """\
**What it says.** `uv pip … --system`, or `UV_SYSTEM_PYTHON`, where the overlay's Python layout is a
virtual environment.

**Why it matters.** uv passes the environment by and installs into `/usr/bin/python3`, which is
dnf's. What runs later imports from the environment and doesn't find it.

**The way out.** midstream takes the flag out by itself where it stands as a word of its own. Where
it comes from a variable, take it out with an edit.
""",
)
RULES = (TWO_PYTHONS,)

_WHY = "packages go into the virtual environment"
_VARIABLE = "UV_SYSTEM_PYTHON"
_OFF = frozenset(("", "0", "false", "f", "no", "n", "off"))


def convert(subject: Subject) -> Outcome:
    """Take the flag out of every uv command, and the variable out of ENV and ARG."""
    if subject.python.layout != "venv":
        return Outcome()
    footings = survey(subject)
    edits: list[Edit] = []
    for stage, instruction in subject.live_instructions():
        if stage is None or footings[stage.index].manager is None:
            continue
        if instruction.keyword in ("ENV", "ARG"):
            edits += _variable(subject, instruction)
        else:
            edits += _flags(subject, instruction)
    return Outcome(tuple(edits))


def _flags(subject: Subject, instruction: Instruction) -> Iterator[Edit]:
    for command, previous, word in _system_words(subject, instruction):
        if not subject.is_claimed(command.span):
            yield Edit(Span(previous.span.end, word.span.end), "", NAME, _WHY)


def _system_words(
    subject: Subject, instruction: Instruction
) -> Iterator[tuple[Command, Word, Word]]:
    for command in subject.script(instruction).commands:
        for index, word in _flags_of(command):
            yield command, command.arguments[index - 1], word


def _flags_of(command: Command) -> Iterator[tuple[int, Word]]:
    """Where a `uv pip` command has the flag, with its place among the arguments."""
    if command.name != "uv" or not any(w.value == "pip" for w in command.arguments):
        return
    for index, word in enumerate(command.arguments):
        if word.value == "--system" and index:
            yield index, word


def _variable(subject: Subject, instruction: Instruction) -> Iterator[Edit]:
    every = pairs(subject.dockerfile, instruction)
    for index, pair in enumerate(every):
        if pair.name != _VARIABLE or subject.is_claimed(pair.span):
            continue
        if len(every) == 1:
            yield Edit(instruction.span, "", NAME, _WHY)
        elif index:
            yield Edit(Span(every[index - 1].span.end, pair.span.end), "", NAME, _WHY)
        else:
            yield Edit(Span(pair.span.start, every[1].span.start), "", NAME, _WHY)


def check(subject: Subject) -> Iterator[Diagnostic]:
    """What is left of them in a result whose layout is a virtual environment."""
    if subject.python.layout != "venv":
        return
    footings = survey(subject)
    for stage, instruction in subject.live_instructions():
        if stage is None or footings[stage.index].manager is None:
            continue
        for span in _set(subject, instruction):
            yield finding(
                subject, stage, TWO_PYTHONS, span,
                f"`{_VARIABLE}` sends uv to dnf's Python, not into the virtual environment",
                "drop it with an edit",
            )  # fmt: skip
        yield from _in_scripts(subject, stage, instruction)
        for _, _, word in _system_words(subject, instruction):
            yield finding(
                subject, stage, TWO_PYTHONS, word.span,
                "`--system` installs into dnf's Python, not into the virtual environment",
                "take it out with an edit: args: {--system: null}",
            )  # fmt: skip


def _in_scripts(subject: Subject, stage: Stage, instruction: Instruction) -> Iterator[Diagnostic]:
    """The flag in the scripts of the build context that a RUN calls."""
    for word in called_scripts(subject.script(instruction)):
        for source in find_scripts(subject, word.value):
            if not source.name.endswith("sh"):
                continue
            commands = subject.scripts.of_text(source.text).commands
            for flag in (flag for command in commands for _, flag in _flags_of(command)):
                found = finding(
                    subject, stage, TWO_PYTHONS, word.span,
                    f"`{source.name}` calls uv with `--system`, which installs into dnf's Python",
                    f"files: {{{source.name}: {{swap: [' --system', ''], why: …}}}} in the overlay",
                )  # fmt: skip
                yield replace(found, also=Place(source, flag.span, "in the script"))


def _set(subject: Subject, instruction: Instruction) -> Iterator[Span]:
    """Where the variable is given a value that says yes."""
    if instruction.keyword in ("ENV", "ARG"):
        for pair in pairs(subject.dockerfile, instruction):
            if pair.name == _VARIABLE and not _says_no(pair.value):
                yield pair.span
    for each in subject.script(instruction).assignments:
        if each.name == _VARIABLE and not _says_no(each.value.value if each.value else None):
            yield each.span


def _says_no(value: str | None) -> bool:
    return (value or "").strip("\"'").lower() in _OFF
