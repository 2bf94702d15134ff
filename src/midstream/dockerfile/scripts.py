"""What instructions run, each text read once: where it stands again, its places are moved.

Upstream's text, the result made of it and the next release have most of their RUNs in common.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.dockerfile.commands import (
    Assignment,
    Block,
    Command,
    Doubt,
    Read,
    Redirection,
    Script,
    Word,
)
from midstream.dockerfile.shell import read_script, read_text
from midstream.source import Span

if TYPE_CHECKING:
    from collections.abc import Hashable

    from midstream.dockerfile.model import Dockerfile, Instruction


_MOST = 10_000  # some 60 releases of nine Dockerfiles have half of it


class Scripts:
    """Remembers scripts by all that reading them depends on: an instruction's text, how far its
    arguments reach, and the escape character. When there are too many, it starts anew."""

    def __init__(self) -> None:
        self._read: dict[Hashable, tuple[Script, int]] = {}

    def of(self, dockerfile: Dockerfile, instruction: Instruction) -> Script:
        """As `read_script` gives it."""
        start, arguments = instruction.span.start, instruction.arguments
        reach = arguments.start - start, arguments.end - start
        key = dockerfile.escape, dockerfile.text(instruction.span), reach
        if key not in self._read:
            self._keep(key, read_script(dockerfile, instruction), start)
        script, at = self._read[key]
        return moved(script, start - at)

    def of_text(self, text: str) -> Script:
        """As `read_text` gives it, for a script that stands alone."""
        if text not in self._read:
            self._keep(text, read_text(text), 0)
        return self._read[text][0]

    def _keep(self, key: Hashable, script: Script, at: int) -> None:
        if len(self._read) >= _MOST:
            self._read.clear()
        self._read[key] = script, at


def moved(script: Script, by: int) -> Script:
    """The same script, standing so many characters further on."""
    if not by or script == _NOTHING:
        return script
    return Script(
        commands=tuple(_command(each, by) for each in script.commands),
        doubts=tuple(Doubt(_span(each.span, by), each.why) for each in script.doubts),
        blocks=tuple(_block(each, by) for each in script.blocks),
        assignments=tuple(_assignment(each, by) for each in script.assignments),
        reads=tuple(
            Read(each.name, _span(each.span, by), each.has_default) for each in script.reads
        ),
    )


_NOTHING = Script(())


def _span(span: Span, by: int) -> Span:
    return Span(span.start + by, span.end + by)


def _word(word: Word, by: int) -> Word:
    return Word(Span(word.span.start + by, word.span.end + by), word.text, word.literal, word.value)


def _words(words: tuple[Word, ...], by: int) -> tuple[Word, ...]:
    return tuple([_word(each, by) for each in words])


def _assignment(each: Assignment, by: int) -> Assignment:
    value = _word(each.value, by) if each.value is not None else None
    return Assignment(each.name, value, _span(each.span, by))


def _redirection(each: Redirection, by: int) -> Redirection:
    target = _word(each.target, by) if each.target is not None else None
    return Redirection(each.operator, target, _span(each.span, by))


def _block(each: Block, by: int) -> Block:
    return Block(
        kind=each.kind,
        span=_span(each.span, by),
        removal=_span(each.removal, by) if each.removal is not None else None,
        before=each.before,
        after=each.after,
        next_start=each.next_start + by if each.next_start is not None else None,
    )


def _command(each: Command, by: int) -> Command:
    words = _words(each.words, by)
    first = len(words) - len(each.arguments)  # they are the last ones, behind the program
    return Command(
        span=_span(each.span, by),
        words=words,
        name=each.name,
        program=words[first - 1] if each.program is not None else None,
        arguments=words[first:],
        wrappers=each.wrappers,
        assignments=tuple(_assignment(a, by) for a in each.assignments),
        redirections=tuple(_redirection(r, by) for r in each.redirections),
        before=each.before,
        after=each.after,
        blocks=tuple(_block(b, by) for b in each.blocks),
        removal=_span(each.removal, by) if each.removal is not None else None,
        quoting=each.quoting,
        next_start=each.next_start + by if each.next_start is not None else None,
    )
