"""Addresses for places: an `at:` that finds one thing in upstream's text, and nothing else."""

from __future__ import annotations

import re
from itertools import chain, combinations
from shlex import quote
from typing import TYPE_CHECKING

from midstream.diagnostic import Place
from midstream.overlay.address import GLOBAL
from midstream.overlay.model import Address
from midstream.overlay.select import select
from midstream.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from midstream.dockerfile.arguments import Pair
    from midstream.dockerfile.commands import Command
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.ubi.subject import Subject

_PLAIN = re.compile(r"[\w./+:=@%,${}-]+")
_MOST_WORDS = 5
_MOST = 24  # words of an instruction that are tried in pairs
_BEGINNINGS = (20, 40, 80)  # characters


def address_of(
    subject: Subject,
    ship: Stage,
    instruction: Instruction,
    part: Command | Pair | None = None,
    first: Iterable[tuple[str, ...]] = (),
) -> str:
    """An `at:` for a command or pair, or for an instruction as a whole; empty where there is none.

    `first` are phrases to try before those that the words of the place give.
    """
    stage = subject.dockerfile.stage_of(instruction)
    keyword = (instruction.trigger or instruction).keyword
    label = stage.label if stage else GLOBAL
    nowhere = Place(subject.dockerfile.source, Span(0, 0))

    def address(said: str, phrase: tuple[str, ...], pattern: re.Pattern[str] | None) -> Address:
        text = " / ".join([label, keyword, *([said] if said else [])])
        return Address(text, label, (keyword,), phrase, pattern, False, nowhere)

    phrases = chain(first, _phrases(subject, instruction, part))
    found = (address(" ".join(map(quote, each)), each, None) for each in phrases)
    patterns = _patterns(subject, instruction, part)
    found_otherwise = (address(f"~{each}", (), re.compile(each, re.MULTILINE)) for each in patterns)
    for each in chain(found, found_otherwise):
        if part is not None and not each.phrase and each.pattern is None:
            continue
        matches = select(subject, ship, each)
        places = {m.span if part is not None else m.instruction.span for m in matches}
        if places == {part.span if part is not None else instruction.span}:
            return each.text
    return ""


def _phrases(
    subject: Subject, instruction: Instruction, part: Command | Pair | None
) -> Iterator[tuple[str, ...]]:
    """The phrases that may find a place, the plainest first."""
    if part is not None:
        yield from _words_of(part)
        return
    yield ()
    inner = instruction.trigger or instruction
    for command in subject.script(instruction).commands:
        yield from _words_of(command)
    texts = [part for text in inner.value.split() for part in (text.partition("=")[0], text)]
    plain = list(dict.fromkeys(t for t in texts if _PLAIN.fullmatch(t) and t != "/"))[:_MOST]
    for count in (1, 2):
        yield from combinations(plain, count)


def _patterns(
    subject: Subject, instruction: Instruction, part: Command | Pair | None
) -> Iterator[str]:
    """Regular expressions for how a place begins, where no words of it stand there alone."""
    span = part.span if part is not None else (instruction.trigger or instruction).arguments
    line = subject.dockerfile.text(span).partition("\n")[0].rstrip("\\ \t\r")
    for size in _BEGINNINGS:
        beginning = line[:size].strip()
        if beginning:
            yield re.sub(r"\\([ \-#&])", r"\1", re.escape(beginning))


def _words_of(part: Command | Pair) -> Iterator[tuple[str, ...]]:
    if not hasattr(part, "words"):
        yield (part.name,)
        return
    plain = tuple(w.text for w in part.words if _PLAIN.fullmatch(w.text) and w.text != "/")
    yield from (plain[:count] for count in range(2, _MOST_WORDS + 1))
    yield plain[:1]
    yield plain
