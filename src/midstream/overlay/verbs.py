"""What each verb of an edit does to the places that its `at:` finds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from midstream.diagnostic import Diagnostic, Rule, Severity
from midstream.dockerfile.arguments import pairs
from midstream.dockerfile.dropping import drop
from midstream.dockerfile.shell import quote
from midstream.edit import Edit
from midstream.overlay.model import (
    After,
    Args,
    Before,
    Drop,
    Effect,
    End,
    Replace,
    Set,
    Swap,
)
from midstream.overlay.releases import holds
from midstream.overlay.select import (
    nothing_found,
    select,
    stages_of,
    too_much_found,
)
from midstream.overlay.template import render
from midstream.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from midstream.dockerfile.arguments import Pair
    from midstream.dockerfile.commands import Command, Word
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.overlay.model import Fragment, OverlayEdit
    from midstream.overlay.select import Match
    from midstream.ubi.subject import Subject

EXPIRED = Rule(
    "MS523",
    "edit-expired",
    """\
**What it says.** The `until:` of an edit lies before the date of the upstream release, so the edit
was not made.

**The way out.** Look whether upstream still needs it. Take it out, or give it a later `until:`.
""",
)
WRONG_PLACE = Rule(
    "MS524",
    "verb-does-not-fit",
    """\
**What it says.** An edit's verb can't be done at what its `at:` finds: `set` of a key on a RUN,
`args` of an option on an instruction without commands, a `swap` whose old text isn't there.

**The way out.** Choose another verb, or mend the `at:`.
""",
)
RULES = (EXPIRED, WRONG_PLACE)


class Touch(Struct, frozen=True):
    """An upstream instruction that an edit changes, and how."""

    instruction: Instruction
    effect: Effect
    id: str
    why: str


class Insertion(Struct, frozen=True):
    """A text of ours, put in at an offset. `at_end` stands behind what else is put in there."""

    offset: int
    text: str
    id: str
    why: str


@dataclass
class Wanted:
    """What an overlay's edits come to: changes, what they touch, what they own, what is wrong."""

    edits: list[Edit] = field(default_factory=list)
    insertions: list[Insertion] = field(default_factory=list)
    touches: list[Touch] = field(default_factory=list)
    found: list[Diagnostic] = field(default_factory=list)

    @property
    def claimed(self) -> tuple[Span, ...]:
        """The spans that belong to the overlay, so that conversions leave them alone."""
        return tuple(edit.span for edit in self.edits if len(edit.span))


def carry_out(
    subject: Subject,
    ship: Stage,
    edits: Iterable[OverlayEdit],
    values: Mapping[str, Any],
    *,
    release: str | None,
    date: str,
) -> Wanted:
    """Apply each edit to the text as it is upstream. `date` is upstream's, as RFC 3339 writes it.

    An edit that doesn't fit is a finding; the others are still carried out. Raises `BadTemplate`.
    """
    wanted = Wanted()
    for edit in edits:
        if not holds(edit.releases, release):
            continue
        if edit.until is not None and date[:10] > edit.until.isoformat():
            wanted.found.append(_expired(edit, date))
            continue
        _Worker(subject, ship, edit, values, wanted).work()
    return wanted


def _expired(edit: OverlayEdit, date: str) -> Diagnostic:
    return Diagnostic(
        rule=EXPIRED,
        severity=Severity.WARNING,
        message=f"`{edit.id}` was for releases until {edit.until}; this one is of {date[:10]}",
        source=edit.place.source,
        span=edit.place.span,
        help="take the edit out, or give it a later `until:`",
    )


@dataclass
class _Worker:
    """One edit at work."""

    subject: Subject
    ship: Stage
    edit: OverlayEdit
    values: Mapping[str, Any]
    wanted: Wanted

    @property
    def text(self) -> str:
        return self.subject.dockerfile.source.text

    def work(self) -> None:
        if self.edit.at.whole_stage:
            self._on_stages()
            return
        matches = select(self.subject, self.ship, self.edit.at)
        if not matches:
            finding = nothing_found(self.subject, self.ship, self.edit.at, f"`{self.edit.id}`")
            self.wanted.found.append(finding)
            return
        places = self._places(matches)
        if len(places) != self.edit.expect:
            self._miscounted(places)
            return
        for match in _by_place(matches) if self._takes_instructions() else matches:
            self._on_match(match)

    def _miscounted(self, places: list[Span]) -> None:
        edit = self.edit
        if not places:
            old = edit.verb.old if isinstance(edit.verb, Swap) else ""
            self.refuse(f"`{old}` stands nowhere in what `{edit.at.text}` finds")
            return
        self.wanted.found.append(
            too_much_found(self.subject, edit.at, f"`{edit.id}`", edit.expect, places)
        )

    def _takes_instructions(self) -> bool:
        verb = self.edit.verb
        whole = isinstance(verb, Replace | Drop) and verb.whole
        return whole or isinstance(verb, Before | After)

    def _places(self, matches: tuple[Match, ...]) -> list[Span]:
        """What `expect` counts: texts of a swap, instructions of a verb that takes them whole,
        and else what the address finds."""
        if isinstance(self.edit.verb, Swap):
            return [span for match in matches for span in self._occurrences(match)]
        if self._takes_instructions():
            return [match.instruction.span for match in _by_place(matches)]
        return [match.span for match in matches]

    def _on_stages(self) -> None:
        verb = self.edit.verb
        stages = stages_of(self.subject, self.ship, self.edit.at.stage)
        if not stages:
            finding = nothing_found(self.subject, self.ship, self.edit.at, f"`{self.edit.id}`")
            self.wanted.found.append(finding)
        elif len(stages) != self.edit.expect:
            self._miscounted([stage.span for stage in stages])
        elif isinstance(verb, End):
            for stage in stages:
                self.insert(stage.span.end, verb.fragments)
        else:
            for stage in stages:
                self.change(Span(stage.lead, stage.span.end), "")
                for instruction in stage.instructions:
                    self.touch(instruction, Effect.DROPPED)

    def _on_match(self, match: Match) -> None:
        verb = self.edit.verb
        match verb:
            case Replace():
                self._replace(match, verb)
            case Drop():
                self._drop(match, whole=verb.whole)
            case Set():
                self._set(match, verb)
            case Args():
                self._args(match, verb)
            case Swap():
                for span in self._occurrences(match):
                    self.change(span, verb.new)
                self.touch(match.instruction, Effect.EDITED)
            case Before():
                self.insert(match.instruction.span.start, verb.fragments)
            case After():
                self.insert(match.instruction.span.end, verb.fragments)
            case End():
                raise AssertionError("`end` takes a stage; the overlay was checked for that")

    # --- replace, drop ---

    def _replace(self, match: Match, verb: Replace) -> None:
        text = self.render(verb.text)
        if match.command is not None and not verb.whole:
            self.change(match.command.span, quote(text.rstrip("\n"), match.command.quoting))
            self.touch(match.instruction, Effect.EDITED)
            return
        if match.pair is not None and not verb.whole:
            self.change(match.pair.span, text.rstrip("\n"))
            self.touch(match.instruction, Effect.EDITED)
            return
        self.change(match.instruction.span, self._ended(text, match.instruction.span.end))
        self.touch(match.instruction, Effect.REPLACED)

    def _drop(self, match: Match, *, whole: bool) -> None:
        if whole or (match.command is None and match.pair is None):
            self.change(match.instruction.span, "")
            self.touch(match.instruction, Effect.DROPPED)
        elif match.pair is not None:
            self._drop_pair(match, match.pair)
        elif match.command is not None:
            script = self.subject.script(match.instruction)
            reason = (self.edit.id, self.edit.why)
            self.wanted.edits += drop(script, {match.command.span.start: reason})
            self.touch(match.instruction, Effect.EDITED)

    def _drop_pair(self, match: Match, pair: Pair) -> None:
        every = pairs(self.subject.dockerfile, match.instruction)
        if len(every) == 1:
            self.change(match.instruction.span, "")
            self.touch(match.instruction, Effect.DROPPED)
            return
        at = next(i for i, each in enumerate(every) if each.span == pair.span)
        if at:
            self.change(Span(every[at - 1].span.end, pair.span.end), "")
        else:
            self.change(Span(pair.span.start, every[1].span.start), "")
        self.touch(match.instruction, Effect.EDITED)

    # --- set ---

    def _set(self, match: Match, verb: Set) -> None:
        for key, value in verb.values.items():
            if key.startswith("--"):
                self._set_flag(match, key, value)
            elif key == "" and match.pair is not None:
                self._set_pair(match, match.pair, value)
            elif key == "":
                self._set_arguments(match, value)
            else:
                self._set_key(match, key, value)
        self.touch(match.instruction, Effect.EDITED)

    def _set_pair(self, match: Match, pair: Pair, value: str | None) -> None:
        if value is None:
            self._drop_pair(match, pair)
        elif pair.value_span is not None:
            self.change(pair.value_span, value)
        else:
            self.change(pair.span, f"{pair.name}={value}")

    def _set_arguments(self, match: Match, value: str | None) -> None:
        if value is None or match.command is not None:
            self.refuse("`set` without a key takes a key's place, or all arguments but a RUN's")
            return
        self.change(match.instruction.arguments, value)

    def _set_key(self, match: Match, key: str, value: str | None) -> None:
        every = pairs(self.subject.dockerfile, match.instruction)
        keyword = match.instruction.keyword
        if keyword not in ("ARG", "ENV", "LABEL"):
            self.refuse(f"`{keyword}` has no keys; `set` takes ARG, ENV, LABEL, or a `--flag`")
            return
        pair = next((each for each in every if each.name == key), None)
        if pair is not None:
            self._set_pair(match, pair, value)
        elif value is not None:
            end = every[-1].span.end
            self.change(Span(end, end), f" {key}={value}")

    def _set_flag(self, match: Match, key: str, value: str | None) -> None:
        flag = match.instruction.flag(key.removeprefix("--"))
        new = "" if value is None else f"{key}={value}" if value else key
        if flag is not None:
            after = self._next_word(flag.span.end)
            self.change(Span(flag.span.start, after if value is None else flag.span.end), new)
        elif new:
            end = match.instruction.keyword_span.end
            self.change(Span(end, end), f" {new}")

    def _next_word(self, offset: int) -> int:
        found = re.compile(r"[ \t]*").match(self.text, offset)
        return found.end() if found else offset

    # --- args ---

    def _args(self, match: Match, verb: Args) -> None:
        command = match.command
        if command is None:
            self.refuse(f"`args` needs a command, and `{self.edit.at.text}` finds none")
            return
        for name, value in verb.values.items():
            self._set_option(command, name, value)
        self.touch(match.instruction, Effect.EDITED)

    def _set_option(self, command: Command, name: str, value: str | None) -> None:
        words = command.arguments
        for index, word in enumerate(words):
            if word.text == name or word.text.startswith(f"{name}="):
                previous = words[index - 1] if index else (command.program or word)
                following = words[index + 1] if index + 1 < len(words) else None
                self._change_option(command, word, previous, following, name, value)
                return
        if value is not None:
            end = command.core.end
            self.change(Span(end, end), f" {quote(_written(name, value), command.quoting)}")

    def _change_option(
        self,
        command: Command,
        word: Word,
        previous: Word,
        following: Word | None,
        name: str,
        value: str | None,
    ) -> None:
        joined = word.text != name
        own = None if joined or following is None or following.text.startswith("-") else following
        if value is None:
            # An option that is taken out with an empty value of ours keeps the next word.
            self.change(Span(previous.span.end, (own or word).span.end), "")
        elif joined:
            self.change(word.span, quote(f"{name}={value}", command.quoting))
        elif value and own is not None:
            self.change(own.span, quote(value, command.quoting))
        elif value:
            self.change(word.span, quote(f"{name} {value}", command.quoting))

    # --- swap ---

    def _occurrences(self, match: Match) -> list[Span]:
        verb = self.edit.verb
        if not isinstance(verb, Swap):
            return []
        span = match.span
        found = []
        at = self.text.find(verb.old, span.start, span.end)
        while at != -1:
            found.append(Span(at, at + len(verb.old)))
            at = self.text.find(verb.old, at + len(verb.old), span.end)
        return found

    # --- what all of them do ---

    def render(self, fragment: Fragment) -> str:
        return render(fragment, self.values)

    def insert(self, offset: int, fragments: Iterable[Fragment]) -> None:
        texts = [self._ended(self.render(each), offset) for each in fragments]
        text = "".join(texts)
        if offset and self.text[offset - 1] != "\n":
            text = f"\n{text}"  # the file ends without a line ending
        self.wanted.insertions.append(Insertion(offset, text, self.edit.id, self.edit.why))

    def _ended(self, text: str, offset: int) -> str:
        """A fragment with one line ending at its end, and the line endings of the file."""
        text = f"{text.rstrip(chr(10))}\n"
        crlf = self.text[max(0, offset - 2) : offset] == "\r\n"
        return text.replace("\r\n", "\n").replace("\n", "\r\n") if crlf else text

    def change(self, span: Span, text: str) -> None:
        self.wanted.edits.append(Edit(span, text, self.edit.id, self.edit.why))

    def touch(self, instruction: Instruction, effect: Effect) -> None:
        self.wanted.touches.append(Touch(instruction, effect, self.edit.id, self.edit.why))

    def refuse(self, message: str) -> None:
        self.wanted.found.append(
            Diagnostic(
                rule=WRONG_PLACE,
                severity=Severity.ERROR,
                message=f"`{self.edit.id}`: {message}",
                source=self.edit.place.source,
                span=self.edit.at.place.span,
                help="choose another verb, or mend the `at:`",
            )
        )


def _by_place(matches: Iterable[Match]) -> list[Match]:
    """One match for each instruction."""
    return list({match.instruction.span.start: match for match in matches}.values())


def _written(name: str, value: str) -> str:
    """An option that wasn't there: `-DX=y`, `--x=y`, `-x y`, or the name alone."""
    if not value:
        return name
    joint = "=" if name.startswith(("--", "-D")) else " "
    return f"{name}{joint}{value}"
