"""One instruction of upstream's or of the result, and which edits are about which of its words."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.source import Span
from midstream.tracing.calls import base

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from midstream.adapters.sandbox import Call
    from midstream.dockerfile.commands import Command, Script, Word
    from midstream.edit import Edit
    from midstream.rebasing.assembly import Assembled


class Side(Struct, frozen=True, dict=True):
    """One instruction with its commands, and which edits are about which of its characters."""

    script: Script
    edits_at: tuple[tuple[Span, Edit], ...]

    def edits(self, span: Span) -> list[Edit]:
        return [
            edit for at, edit in self.edits_at
            if at.overlaps(span) or at in span or (len(at) and span in at)
        ]  # fmt: skip

    def commands(self, call: Call) -> list[Command]:
        """The commands of the text that may have made a call."""
        return [each for each in self._by_name.get(base(call.words[0]), ()) if _fits(each, call)]

    @cached_property
    def _by_name(self) -> Mapping[str, list[Command]]:
        found: dict[str, list[Command]] = {}
        for command in self.script.commands:
            program = command.program
            names = {command.name, base(program.value) if program else command.name}
            for name in names | {"." if command.name == "source" else command.name}:
                found.setdefault(name, []).append(command)
            if program is not None and program.literal is None:
                found.setdefault("", []).append(command)
        return found


def upstream_side(script: Script, assembled: Assembled, within: Span) -> Side:
    """An instruction of upstream's, with the edits of its text."""
    return Side(
        script,
        tuple(
            (edit.span, edit) for edit in assembled.edits
            if edit.span.overlaps(within) or edit.span in within
        ),
    )  # fmt: skip


def result_side(script: Script, assembled: Assembled, within: Span) -> Side:
    """An instruction of the result, with the edits that wrote any of it, where they did."""
    ends = [each.start for each in assembled.pieces[1:]] + [len(assembled.source.text)]
    return Side(
        script,
        tuple(
            (Span(piece.start, end), piece.by)
            for piece, end in zip(assembled.pieces, ends, strict=True)
            if piece.by is not None and piece.start < within.end and end > within.start
        ),
    )


def _fits(command: Command, call: Call) -> bool:
    """Whether the words of a command may have become those of a call."""
    words: Sequence[Word] = command.arguments
    return fit(words, call.words[1:])


def fit(words: Sequence[Word], values: Sequence[str]) -> bool:
    reachable = {0}
    for word in words:
        following: set[int] = set()
        for at in reachable:
            if word.literal is not None:
                if at < len(values) and values[at] == word.literal:
                    following.add(at + 1)
            else:  # a variable may be no word, one, or several
                following.update(range(at, len(values) + 1))
        reachable = following
        if not reachable:
            return False
    return len(values) in reachable
