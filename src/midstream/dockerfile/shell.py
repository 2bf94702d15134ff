"""The commands that a RUN, CMD or ENTRYPOINT runs, word by word, with spans in the Dockerfile.

Reading finds every command at any depth: chains, pipelines, `if`, loops, `case`, groups,
subshells, functions, substitutions, `bash -c` strings and shell heredocs. Where it can't tell, it
says so in `Script.doubts`, and nobody edits there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from midstream.dockerfile.model import Dockerfile, Instruction
    from midstream.source import Span


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a command.

    `text` is as written, with line continuations inside it removed. `literal` is its value after
    quote removal where that is known without running anything, else None (it holds a variable,
    substitution or glob that the shell expands). Inside a `bash -c '…'` string or heredoc, the
    span is still that of the characters in the Dockerfile.
    """

    span: Span
    text: str
    literal: str | None

    @property
    def value(self) -> str:
        """The literal value where it is known, else the text as written with outer quotes off."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Assignment:
    """`NAME=value` before a command, or standing alone."""

    name: str
    value: Word
    span: Span


@dataclass(frozen=True, slots=True)
class Redirection:
    """`> file`, `2>&1`, `<<EOF` …; `target` is None for a heredoc."""

    operator: str
    target: Word | None
    span: Span


@dataclass(frozen=True, slots=True)
class Command:
    """One simple command.

    `words` are all words, wrappers included. `name` is the program that does the work, without its
    folder: `apt-get` in `sudo -E timeout 60 /usr/bin/apt-get update`; `arguments` are the words
    after it. `wrappers` names what stands before: `("sudo", "timeout")`.
    `span` covers assignments, words and redirections.
    `before` and `after` are the operators that join it to its neighbours in the same list
    (`&&`, `||`, `;`, `|`, newline as `\\n`) or "" at the start or end of that list.
    `inside` is the path of constructs around it, outermost first: `("bash -c", "function
    install_x", "if")`.
    `removal` is the span whose deletion takes the command out of its list and leaves valid shell
    that runs the other commands as before, or None where no such span exists (the only command of
    a list, a condition, one side of a pipeline): replace it by `:` there.
    `quoting` says how text put in its place must be written: "" in plain shell, "'" inside a
    single-quoted string, '"' inside a double-quoted one.
    """

    span: Span
    words: tuple[Word, ...]
    name: str
    arguments: tuple[Word, ...]
    wrappers: tuple[str, ...]
    assignments: tuple[Assignment, ...]
    redirections: tuple[Redirection, ...]
    before: str
    after: str
    inside: tuple[str, ...]
    removal: Span | None
    quoting: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """A place that can't be read for certain, and why."""

    span: Span
    why: str


@dataclass(frozen=True, slots=True)
class Script:
    """All that one instruction runs, in the order of the text."""

    commands: tuple[Command, ...]
    doubts: tuple[Doubt, ...]
    functions: tuple[str, ...] = ()


def read_script(dockerfile: Dockerfile, instruction: Instruction) -> Script:
    """The commands of a RUN, CMD or ENTRYPOINT (or of the one that an ONBUILD carries)."""
    raise NotImplementedError
