"""The RUNs that a rebase changed, each with what became of it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.dockerfile.commands import SHELLS
from midstream.dockerfile.shell import plain_text
from midstream.tracing.explaining import MECHANICAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.dockerfile.model import Dockerfile, Instruction
    from midstream.rebasing.assembly import Assembled
    from midstream.ubi.subject import Subject


class Pair(Struct, frozen=True):
    """A RUN upstream, and what became of it; None where it is gone."""

    before: Instruction
    after: Instruction | None


def pairs(subject: Subject, result: Dockerfile, assembled: Assembled) -> Iterator[Pair]:
    """The RUNs of live stages that aren't the same in the result. What an overlay's edit replaced
    or dropped as a whole is that edit's to answer for, and so is a template for its whole file."""
    if all(piece.by is not None for piece in assembled.pieces):
        return
    became = {}
    for instruction in result.instructions:
        origin = assembled.upstream_offset(instruction.span.start)
        if origin is not None:
            became[origin] = instruction
    for _, instruction in subject.live_instructions():
        if not _is_shell(subject.dockerfile, instruction):
            continue
        after = became.get(instruction.span.start)
        if after is not None and _is_shell(result, after):
            if text_of(subject.dockerfile, instruction) != text_of(result, after):
                yield Pair(instruction, after)
        elif not _is_replaced(assembled, instruction):
            yield Pair(instruction, None)


def _is_replaced(assembled: Assembled, instruction: Instruction) -> bool:
    return any(
        edit.rule not in MECHANICAL
        and (instruction.keyword_span in edit.span or edit.span.overlaps(instruction.keyword_span))
        for edit in assembled.edits
    )


def _is_shell(dockerfile: Dockerfile, instruction: Instruction) -> bool:
    inner = instruction.trigger or instruction
    if inner.keyword != "RUN":
        return False
    text = plain_text(dockerfile, inner).lstrip()
    if not text.startswith("#!"):
        return True
    words = text[2:].split("\n", 1)[0].replace("/env ", "/").split()
    return bool(words) and words[0].rsplit("/", 1)[-1] in SHELLS


def text_of(dockerfile: Dockerfile, instruction: Instruction) -> str:
    """The shell text of a RUN; the words of its exec form, quoted as a shell takes them."""
    inner = instruction.trigger or instruction
    if inner.json is not None:
        return shlex.join(inner.json)
    return plain_text(dockerfile, inner)
