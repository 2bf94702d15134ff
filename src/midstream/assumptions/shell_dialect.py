"""`/bin/sh` is dash on Debian and bash on EL: `echo "a\\nb"` writes two lines there, one here."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding
from midstream.diagnostic import Rule, Severity
from midstream.dockerfile.shell import quote
from midstream.edit import Edit
from midstream.source import Span
from midstream.ubi.outcome import Outcome
from midstream.ubi.survey import stages_on_ubi

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.commands import Command, Word
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.ubi.subject import Subject

NAME = "shell-dialect"

OTHER_SHELL = Rule(
    "MS312",
    NAME,
    """\
**What it says.** A RUN for `/bin/sh` means one thing in dash, which is Debian's, and another in
bash, which is EL's.

**Why it matters.** dash's `echo` makes a line end of `\\n`, bash's writes the two characters: a
file that is made so is broken, and the build is green. `[[ … ]]` and `==` within `[ … ]` are an
error in dash, which an `if` takes for false: on EL the other branch runs.

**The way out.** midstream writes `printf '%b\\n'` for an `echo` of one word with escapes. For
anything else, replace the command with an edit of the overlay.

**Source.** POSIX leaves `echo` with backslashes to the shell; dash(1), bash(1).
""",
)
RULES = (OTHER_SHELL,)

_ESCAPE = re.compile(r"\\[abcfnrtv0\\]")
_STRANGE = re.compile(r"\\[1-7eExuU]")  # bash's printf knows these, dash's echo doesn't
_DASH = frozenset(("sh", "dash"))
_WHY = "EL's sh is bash, whose echo leaves escapes as they are"


def convert(subject: Subject) -> Outcome:
    """In every live RUN that upstream's dash reads and EL's bash will."""
    return Outcome.merged(_command(subject, *each) for each in _read_by_dash(subject))


def _read_by_dash(subject: Subject) -> Iterator[tuple[Stage, Command]]:
    for stage in stages_on_ubi(subject):
        if _is_ubi_upstream(subject, stage):
            continue
        for instruction in stage.instructions:
            if instruction.keyword == "RUN" and instruction.json is None:
                plain = _is_plain_sh(subject, stage, instruction)
                for command in subject.script(instruction).commands:
                    if not subject.is_claimed(command.span) and _shell(command, plain):
                        yield stage, command


def _is_ubi_upstream(subject: Subject, stage: Stage) -> bool:
    image = subject.graph.root(stage.index).image or ""
    return subject.platform.base_for(image) is not None


def _is_plain_sh(subject: Subject, stage: Stage, instruction: Instruction) -> bool:
    """Whether an instruction's shell is sh: no SHELL says otherwise, and no `#!` of a heredoc."""
    for heredoc in instruction.heredocs[:1]:
        if subject.dockerfile.text(heredoc.body).lstrip().startswith("#!"):
            return False
    shell: tuple[str, ...] | None = None
    for index in reversed(subject.graph.lineage(stage.index)):
        for each in subject.dockerfile.stages[index].instructions:
            if each.keyword == "SHELL" and each.span.start < instruction.span.start:
                shell = each.json
    return shell is None or posixpath.basename(shell[0]) in _DASH


def _shell(command: Command, plain: bool) -> bool:
    """Whether sh reads a command: `bash -c '…'` and `bash <<EOF` inside a RUN don't count."""
    for block in command.blocks:
        name, _, kind = block.kind.partition(" ")
        if kind in ("-c", "heredoc"):
            plain = name in _DASH
    return plain


def _command(subject: Subject, stage: Stage, command: Command) -> Outcome:
    if command.name == "echo":
        return _echo(subject, stage, command)
    words = [word.text for word in command.arguments]
    if command.name == "[[" or (command.name in ("[", "test") and "==" in words):
        what = "[[" if command.name == "[[" else "=="
        return Outcome(diagnostics=(_found(
            subject, stage, command,
            f"`{what}` is an error in upstream's sh, which an `if` takes for false; EL's knows it",
            Severity.WARNING,
        ),))  # fmt: skip
    return Outcome()


def _echo(subject: Subject, stage: Stage, command: Command) -> Outcome:
    words = list(command.arguments)
    ends = not (words and words[0].value == "-n")
    if not ends:
        del words[0]
    texts = [_given(word) for word in words]
    if not any(_ESCAPE.search(text) for text in texts):
        return Outcome()
    start = (command.program or command.words[0]).span.start
    gap = Span(start, words[0].span.start)
    between = subject.dockerfile.text(gap)
    simple = len(words) == 1 and not _STRANGE.search(texts[0]) and "\n" not in between
    if not simple or any(each.span.overlaps(gap) for each in command.redirections):
        message = "upstream's sh makes characters of these escapes, EL's leaves them as they are"
        return Outcome(diagnostics=(_found(subject, stage, command, message),))
    text = quote(f"printf {_FORMAT if ends else '%b'} ", command.quoting)
    return Outcome((Edit(gap, text, NAME, _WHY),))


_FORMAT = "'%b\\n'"


def _given(word: Word) -> str:
    """What a word gives to echo, as far as it can be told: the quotes taken off."""
    return word.literal if word.literal is not None else word.text


def _found(
    subject: Subject,
    stage: Stage,
    command: Command,
    message: str,
    severity: Severity = Severity.ERROR,
) -> Diagnostic:
    advice = "replace the command with an edit of the overlay: printf says the same in both"
    if command.name != "echo":
        advice = "say with an edit which branch is meant, or set the shell with SHELL"
    return finding(subject, stage, OTHER_SHELL, command.core, message, advice, severity)
