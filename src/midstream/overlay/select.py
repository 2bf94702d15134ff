"""Finding what an `at:` addresses: instructions, commands, keys, in the stages that ship.

A word of a phrase finds a word of the text that is the same, or that holds it between characters
which are neither letters, digits nor `_`: `get-pip.py` finds `https://x.example/get-pip.py`, and
`pip` doesn't find `pipx`. The words of a phrase are found in one command, in their order.
"""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.diagnostic import Diagnostic, Place, Rule, Severity, counted
from midstream.dockerfile.arguments import pairs, words
from midstream.overlay.address import GLOBAL, LINEAGE, SHIP
from midstream.ubi.tables import glob

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from midstream.dockerfile.arguments import Pair
    from midstream.dockerfile.commands import Command
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.overlay.model import Address
    from midstream.source import Span
    from midstream.ubi.subject import Subject

NOTHING_THERE = Rule(
    "MS520",
    "edit-finds-nothing",
    """\
**What it says.** The `at:` of an edit finds nothing in the upstream text.

**Why it matters.** What the edit was about has been moved, rewritten or taken out. Without it the
result would silently lack what the overlay wants.

**The way out.** Look at the nearest candidates that the finding lists, and mend the `at:`; or take
the edit out if upstream now does what it did.
""",
)
TOO_MUCH = Rule(
    "MS521",
    "edit-finds-too-much",
    """\
**What it says.** The `at:` of an edit finds another number of places than its `expect:` says (1
where nothing is said).

**Why it matters.** Upstream has something new that looks alike. Whether the edit is meant for it as
well, only a person can say.

**The way out.** Give the phrase another word, or set `expect:` to the number that is meant.
""",
)
NO_STAGE = Rule(
    "MS522",
    "no-stage",
    """\
**What it says.** An `at:` or `ship: stage:` names a stage that upstream's Dockerfile doesn't have,
or one that the shipped stage doesn't need, so that nothing of it is built.

**The way out.** Name one of the stages that the finding lists.
""",
)
RULES = (NOTHING_THERE, TOO_MUCH, NO_STAGE)

_SHELL = frozenset(("RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK"))
_PAIRS = frozenset(("ARG", "ENV", "LABEL"))


class Match(Struct, frozen=True):
    """One place that an address finds. `command` where the phrase is found among a command's
    words, `pair` where it is a key; neither where it is the instruction as a whole."""

    instruction: Instruction
    stage: Stage | None
    command: Command | None = None
    pair: Pair | None = None

    @property
    def span(self) -> Span:
        if self.command is not None:
            return self.command.span
        return self.pair.span if self.pair is not None else self.instruction.span


def ship_stage(subject_stages: Iterable[Stage], name: str) -> Stage | None:
    """A stage by the name or number that an overlay gives."""
    found = [s for s in subject_stages if s.label == name or str(s.index) == name]
    return found[-1] if found else None


def select(subject: Subject, ship: Stage, address: Address) -> tuple[Match, ...]:
    """All places that an address finds among the live stages, in the order of the text."""
    return tuple(
        match
        for stage, instruction in _instructions(subject, ship, address.stage)
        if not address.kinds or (instruction.trigger or instruction).keyword in address.kinds
        for match in _matches(subject, stage, instruction, address)
    )


def stages_of(subject: Subject, ship: Stage, name: str) -> tuple[Stage, ...]:
    """The live stages that the first part of an address names."""
    if name == SHIP:
        return (ship,)
    live = subject.live_stages
    if name == LINEAGE:
        line = subject.graph.lineage(ship.index)
        return tuple(stage for stage in live if stage.index in line)
    if "*" in name:
        return tuple(stage for stage in live if glob(name).fullmatch(stage.label))
    return tuple(s for s in live if s.label.lower() == name.lower() or str(s.index) == name)


def _instructions(
    subject: Subject, ship: Stage, name: str
) -> Iterator[tuple[Stage | None, Instruction]]:
    if name == GLOBAL:
        yield from ((None, each) for each in subject.dockerfile.preamble)
        return
    for stage in stages_of(subject, ship, name):
        yield from ((stage, each) for each in stage.instructions)


def _matches(
    subject: Subject, stage: Stage | None, outer: Instruction, address: Address
) -> Iterator[Match]:
    instruction = outer.trigger or outer
    if not address.phrase and address.pattern is None:
        yield Match(outer, stage)
    elif instruction.keyword in _SHELL:
        found = [
            command
            for command in subject.script(outer).commands
            if _finds(address, command.texts, subject, command.span)
        ]
        yield from (Match(outer, stage, command=each) for each in _innermost(found))
    elif instruction.keyword in _PAIRS:
        for pair in pairs(subject.dockerfile, instruction):
            if address.phrase == (pair.name,) or _pattern_finds(address, subject, pair.span):
                yield Match(outer, stage, pair=pair)
    elif _finds(address, _words(subject, instruction), subject, instruction.arguments):
        yield Match(outer, stage)


def _innermost(found: list[Command]) -> Iterator[Command]:
    """Without `bash -c '…'` where what is meant stands in its script: words of that are words of
    the outer command too."""
    for command in found:
        inner = (each for each in found if each is not command and each.span in command.span)
        if next(inner, None) is None:
            yield command


def _words(subject: Subject, instruction: Instruction) -> list[str]:
    flags = [subject.dockerfile.text(flag.span) for flag in instruction.flags]
    return [*flags, *(item.text for item in words(subject.dockerfile, instruction))]


def _finds(address: Address, texts: Sequence[str], subject: Subject, span: Span) -> bool:
    if address.pattern is not None:
        return _pattern_finds(address, subject, span)
    rest = iter(texts)
    return all(any(holds(word, text) for text in rest) for word in address.phrase)


def _pattern_finds(address: Address, subject: Subject, span: Span) -> bool:
    pattern = address.pattern
    return pattern is not None and pattern.search(subject.dockerfile.text(span)) is not None


def holds(word: str, text: str) -> bool:
    """Whether a text is the word, or has it between characters that end a word."""
    return word == text or (word in text and _bounded(word).search(text) is not None)


@lru_cache(maxsize=512)
def _bounded(word: str) -> re.Pattern[str]:
    before = r"(?<![A-Za-z0-9_])" if word[:1].isalnum() or word[:1] == "_" else ""
    after = r"(?![A-Za-z0-9_])" if word[-1:].isalnum() or word[-1:] == "_" else ""
    return re.compile(before + re.escape(word) + after)


# --- what is said where an address doesn't fit -----------------------------------------------


def nothing_found(subject: Subject, ship: Stage, address: Address, what: str) -> Diagnostic:
    """The finding for an address that finds nothing, with the nearest candidates."""
    if address.stage != GLOBAL and not stages_of(subject, ship, address.stage):
        return no_stage(subject, address.stage, address.place)
    near = _nearest(subject, address)
    lines = [f"line {match.instruction.first_line}: {_shown(subject, match)}" for match in near]
    advice = "\n".join(["mend the `at:`; nearest:", *lines]) if near else "mend the `at:`"
    also = None
    if near:
        also = Place(subject.dockerfile.source, near[0].span, "the nearest candidate")
    return Diagnostic(
        rule=NOTHING_THERE,
        severity=Severity.ERROR,
        message=f"{what} finds nothing at `{address.text}`",
        source=address.place.source,
        span=address.place.span,
        help=advice,
        also=also,
    )


def too_much_found(
    subject: Subject, address: Address, what: str, expected: int, spans: Iterable[Span]
) -> Diagnostic:
    """The finding for an address that finds another number of places than it should."""
    source = subject.dockerfile.source
    places = list(spans)
    lines = ", ".join(str(source.position(span.start).line) for span in places[:8])
    return Diagnostic(
        rule=TOO_MUCH,
        severity=Severity.ERROR,
        message=f"{what} finds {counted(len(places), 'place')} at `{address.text}`, not {expected}",
        source=address.place.source,
        span=address.place.span,
        help=f"they are in line {lines} of {source.name}; narrow the phrase, or set "
        f"`expect: {len(places)}`",
        also=Place(source, places[-1], "the last one"),
    )


def no_stage(subject: Subject, name: str, place: Place) -> Diagnostic:
    """The finding for a stage that isn't there, or that nothing shipped needs."""
    every = [stage.label for stage in subject.dockerfile.stages]
    there = any(name.lower() in (s.label.lower(), str(s.index)) for s in subject.dockerfile.stages)
    live = [stage.label for stage in subject.live_stages]
    near = difflib.get_close_matches(name, live, n=3) or live[-3:]
    message = (
        f"the shipped stage doesn't need `{name}`, so an edit there does nothing"
        if there
        else f"there is no stage `{name}`"
    )
    return Diagnostic(
        rule=NO_STAGE,
        severity=Severity.ERROR,
        message=message,
        source=place.source,
        span=place.span,
        help=f"of {len(every)} stages, the nearest that are built: {', '.join(near)}",
    )


def likeness_of_nearest(subject: Subject, address: Address) -> float:
    """How much the nearest candidate looks like what an address wants, from 0 to about 1."""
    return max((score for score, _ in _ranked(subject, address)), default=0.0)


def _nearest(subject: Subject, address: Address) -> list[Match]:
    """Commands, keys or instructions of the same kind that look most like what was wanted."""
    best = sorted(
        _ranked(subject, address), key=lambda each: (each[0], -each[1].span.start), reverse=True
    )
    return [match for score, match in best[:3] if score > 0.3]


def _ranked(subject: Subject, address: Address) -> list[tuple[float, Match]]:
    wanted = " ".join(address.phrase) or (address.pattern.pattern if address.pattern else "")
    if not wanted:
        return []
    ranked = []
    for stage, instruction in subject.live_instructions():
        keyword = (instruction.trigger or instruction).keyword
        if address.kinds and keyword not in address.kinds:
            continue
        for match in _candidates(subject, stage, instruction):
            text = _text(subject, match)
            score = _likeness(wanted, text)
            same_stage = stage is not None and stage.label == address.stage
            ranked.append((score + (0.1 if same_stage else 0.0), match))
    return ranked


def _candidates(subject: Subject, stage: Stage | None, instruction: Instruction) -> Iterator[Match]:
    keyword = (instruction.trigger or instruction).keyword
    if keyword in _SHELL:
        for command in subject.script(instruction).commands:
            yield Match(instruction, stage, command=command)
    elif keyword in _PAIRS:
        for pair in pairs(subject.dockerfile, instruction.trigger or instruction):
            yield Match(instruction, stage, pair=pair)
    else:
        yield Match(instruction, stage)


def _likeness(wanted: str, text: str) -> float:
    """The share of the wanted words that the text holds, and how alike the whole is."""
    parts = re.findall(r"[\w.]+", wanted)
    held = sum(part in text for part in parts) / max(1, len(parts))
    alike = difflib.SequenceMatcher(None, wanted, text[: 4 * len(wanted)]).quick_ratio()
    return 0.6 * held + 0.4 * alike


def _text(subject: Subject, match: Match) -> str:
    if match.pair is not None:
        return match.pair.name
    return " ".join(subject.dockerfile.text(match.span).split())


def _shown(subject: Subject, match: Match) -> str:
    text = _text(subject, match)
    stage = match.stage.label if match.stage else GLOBAL
    keyword = (match.instruction.trigger or match.instruction).keyword
    return f"{stage} / {keyword} / {text if len(text) <= 70 else text[:69] + '…'}"
