"""What a Dockerfile is made of: stages of instructions, each with its place in the text.

Nothing here holds a copy of the text: a span says where it stands. What lies between two
instructions (comments, blank lines) belongs to no instruction and is never lost, since a result is
made by editing the text and not by printing the model.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.commands import Script
    from midstream.source import Source, Span


class Flag(Struct, frozen=True, gc=False):
    """`--name=value` between the keyword and the arguments, e.g. a RUN's `--mount=type=cache,…`.

    `value` is None for a flag without `=`. Values are as written: variables are not expanded.
    """

    name: str
    value: str | None
    span: Span


class Heredoc(Struct, frozen=True, gc=False):
    """A here-document that follows a RUN, COPY or ADD.

    `opener` is `<<EOF` on the instruction's line, `body` the lines up to the terminator (with
    their line endings), `terminator` the terminator's line. `expand` is false where the delimiter
    was quoted; `chomp` is true for `<<-`, which strips leading tabs.
    """

    name: str
    file_descriptor: int
    expand: bool
    chomp: bool
    opener: Span
    body: Span
    terminator: Span


class Instruction(Struct, frozen=True, gc=False):
    """One instruction.

    `span` starts at the keyword and ends after its last line's ending (heredocs included).
    `arguments` is the raw text after the flags up to the end of the logical line, continuations
    and comments inside them included, without the final line ending. `value` is that text with
    the continuations joined as BuildKit joins them. `json` is the exec form, or None.
    `trigger` is the instruction that an ONBUILD carries.
    """

    keyword: str
    span: Span
    keyword_span: Span
    flags: tuple[Flag, ...]
    arguments: Span
    value: str
    first_line: int
    last_line: int
    heredocs: tuple[Heredoc, ...] = ()
    json: tuple[str, ...] | None = None
    trigger: Instruction | None = None

    def flag(self, name: str) -> Flag | None:
        """The first flag of that name."""
        return next((flag for flag in self.flags if flag.name == name), None)

    def flags_named(self, name: str) -> tuple[Flag, ...]:
        return tuple(flag for flag in self.flags if flag.name == name)


class Stage(Struct, frozen=True):
    """A FROM and what follows it, up to the next one.

    `name` is as written after AS (it may hold variables), or None. `image` is what FROM names, as
    written. `span` reaches from the FROM to the end of the last instruction; `lead` is the start
    of the comments and blank lines that stand directly before the FROM.
    """

    index: int
    name: str | None
    image: str
    image_span: Span
    platform: str | None
    span: Span
    lead: int
    instructions: tuple[Instruction, ...]

    @property
    def origin(self) -> Instruction:
        """The FROM."""
        return self.instructions[0]

    @property
    def label(self) -> str:
        """How people call the stage: its name, or its number."""
        return self.name if self.name is not None else str(self.index)


class Dockerfile(Struct, frozen=True, dict=True):
    """A whole file as read. `diagnostics` says what BuildKit would refuse or we can't read."""

    source: Source
    escape: str
    directives: tuple[tuple[str, str], ...]
    instructions: tuple[Instruction, ...]
    stages: tuple[Stage, ...]
    diagnostics: tuple[Diagnostic, ...] = ()

    @cached_property
    def pairs_read(self) -> dict[int, tuple[Any, ...]]:
        """What `arguments.pairs` has read, by where the arguments start."""
        return {}

    @cached_property
    def mounts_read(self) -> dict[int, tuple[Any, ...]]:
        """What `arguments.mounts` has read, by where the instruction starts."""
        return {}

    @cached_property
    def scripts_read(self) -> dict[int, Script]:
        """What `Subject.script` has read, by where the instruction starts."""
        return {}

    @cached_property
    def meanings_read(self) -> dict[int, str]:
        """What `fingerprint.meaning` has made, by where the instruction starts."""
        return {}

    @cached_property
    def preamble(self) -> tuple[Instruction, ...]:
        """The instructions before the first FROM: global ARGs."""
        return self.instructions[: -sum(len(s.instructions) for s in self.stages) or None]

    def stage_of(self, instruction: Instruction) -> Stage | None:
        """The stage an instruction stands in; None before the first FROM."""
        at = instruction.span.start
        return next((s for s in reversed(self.stages) if s.span.start <= at), None)

    def text(self, span: Span) -> str:
        return self.source[span]
