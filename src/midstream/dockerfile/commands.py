"""What shell text is made of, as values: words, commands, blocks, each with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.source import Span

if TYPE_CHECKING:
    from collections.abc import Sequence


LOOKING = frozenset(("command", "hash", "type", "which"))
"""Commands that ask whether a program is there."""


class Word(Struct, frozen=True, gc=False):
    """One word of a command. `word_of` makes it.

    `text` is as written, with line continuations inside it removed. `literal` is its value after
    quote removal where that is known without running anything, else None (it holds a variable,
    substitution or glob that the shell expands). `value` is the literal where it is known, else
    the text with outer quotes off. Inside a `bash -c '…'` string or heredoc, the span is still
    that of the characters in the Dockerfile.
    """

    span: Span
    text: str
    literal: str | None
    value: str  # not a property: a replay of thirty releases asks two million times


def word_of(span: Span, text: str, literal: str | None) -> Word:
    """A word, with its value."""
    if literal is not None:
        return Word(span, text, literal, literal)
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return Word(span, text, None, text[1:-1] if quoted else text)


class Assignment(Struct, frozen=True, gc=False):
    """`NAME=value` before a command, or standing alone. A `for` gives its name to each word."""

    name: str
    value: Word | None
    span: Span


class Redirection(Struct, frozen=True, gc=False):
    """`> file`, `2>&1`, `<<EOF` …; `target` is None for a heredoc."""

    operator: str
    target: Word | None
    span: Span


class Block(Struct, frozen=True, gc=False):
    """A construct that holds commands: `if`, `for`, `while`, `case`, `group`, `subshell`,
    `function install_x`, `bash -c`. `removal`, `before`, `after` and `next_start` are as a
    command's."""

    kind: str
    span: Span
    removal: Span | None
    before: str = ""
    after: str = ""
    next_start: int | None = None


class Command(Struct, frozen=True, gc=False):
    """One simple command.

    `words` are all words, wrappers included. `name` is the program that does the work, without its
    folder: `apt-get` in `sudo -E timeout 60 /usr/bin/apt-get update`; `arguments` are the words
    after it. `wrappers` names what stands before: `("sudo", "timeout")`.
    `span` covers assignments, words and redirections; `program` is the word that `name` came from.
    `before` and `after` are the operators that join it to its neighbours in the same list
    (`&&`, `||`, `;`, `&`, `|`, newline as `\\n`) or "" at the start or end of that list.
    `blocks` are the constructs around it, outermost first.
    `removal` is the span whose deletion takes the command out of its list and leaves valid shell
    that runs the other commands as if this one had succeeded, or None where no such span exists
    (the only command of a list, a condition, one side of a pipeline, the last of a `;` list):
    write `:` in its place there.
    `next_start` is where the next one of its and-or list starts, if there is one.
    `quoting` says how text put in its place must be written: "" in plain shell, "'" inside a
    single-quoted string, '"' inside a double-quoted one, "json" in the exec form.
    """

    span: Span
    words: tuple[Word, ...]
    name: str
    program: Word | None
    arguments: tuple[Word, ...]
    wrappers: tuple[str, ...]
    assignments: tuple[Assignment, ...]
    redirections: tuple[Redirection, ...]
    before: str
    after: str
    blocks: tuple[Block, ...]
    removal: Span | None
    quoting: str
    next_start: int | None = None

    @property
    def inside(self) -> tuple[str, ...]:
        """The kinds of the constructs around it, outermost first."""
        return tuple(block.kind for block in self.blocks)

    @property
    def texts(self) -> tuple[str, ...]:
        """Its words as they are written."""
        return tuple(word.text for word in self.words)

    @property
    def core(self) -> Span:
        """From the program to its last argument: what to overwrite to run something else."""
        first = self.program or self.words[0]
        last = self.arguments[-1] if self.arguments else first
        return Span(first.span.start, max(first.span.end, last.span.end))


class Read(Struct, frozen=True, gc=False):
    """A variable that a script reads, e.g. `${X:-y}`."""

    name: str
    span: Span
    has_default: bool


class Doubt(Struct, frozen=True, gc=False):
    """A place that can't be read for certain, and why."""

    span: Span
    why: str


class Script(Struct, frozen=True):
    """All that one instruction runs, in the order of the text."""

    commands: tuple[Command, ...]
    doubts: tuple[Doubt, ...] = ()
    blocks: tuple[Block, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    reads: tuple[Read, ...] = ()

    @property
    def functions(self) -> tuple[str, ...]:
        """The names of the functions that it defines."""
        prefix = "function "
        return tuple(b.kind.removeprefix(prefix) for b in self.blocks if b.kind.startswith(prefix))

    @property
    def assigned(self) -> frozenset[str]:
        """The names that it gives a value itself."""
        return frozenset(each.name for each in self.assignments)


class Text(Struct, frozen=True):
    """Shell text, and for each of its characters where it stands in the Dockerfile.

    `ends` says where each character ends, for text in which some take more than one there (`\\"`).
    """

    text: str
    at: Sequence[int]
    ends: Sequence[int] | None = None

    def end(self, offset: int) -> int:
        """Where the character before `offset` ends."""
        if not offset:
            return self.at[0]
        return self.at[offset - 1] + 1 if self.ends is None else self.ends[offset - 1]

    def span(self, start: int, end: int) -> Span:
        if end <= start:
            return Span(self.at[start], self.at[start])
        return Span(self.at[start], self.end(end))

    def part(self, start: int, end: int) -> Text:
        """The text between two offsets."""
        ends = None if self.ends is None else self.ends[start:end]
        return Text(self.text[start:end], self.at[start : end + 1], ends)


SHELLS = frozenset(("ash", "bash", "dash", "ksh", "sh", "zsh"))
"""Programs whose `-c` argument, or standard input, is a script that is read as one."""
