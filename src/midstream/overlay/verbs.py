"""What each verb of an edit does to the places that its `at:` finds."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from midstream.diagnostic import Diagnostic, Rule, Severity
from midstream.dockerfile.arguments import pairs
from midstream.dockerfile.shell import quote
from midstream.dockerfile.taking_out import Statements, take_out
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
    likeness_of_nearest,
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
REDUNDANT = Rule(
    "MS526",
    "redundant-edit",
    """\
**What it says.** Upstream's text is by now what an edit would make of it.

**The way out.** Take the edit out: the overlay is what differs from upstream, and no more.
""",
)
DEAD = Rule(
    "MS527",
    "dead-edit",
    """\
**What it says.** What an edit drops is gone from upstream, and nothing there looks like it. It is
an error where something new stands in its place, as far as upstream is at hand as it was.

**Why it matters.** What took its place may do the same, and is carried now.

**The way out.** Take the edit out; or where something new stands there, look at it, and let the
edit find that.
""",
)
RULES = (EXPIRED, WRONG_PLACE, REDUNDANT, DEAD)

_LIKE = 0.75  # above it, a candidate may be what the edit was about


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
    """What an overlay's edits come to: changes, what they touch, what they own, what is wrong; and
    each fragment with the text that it was filled in to."""

    edits: list[Edit] = field(default_factory=list)
    insertions: list[Insertion] = field(default_factory=list)
    touches: list[Touch] = field(default_factory=list)
    found: list[Diagnostic] = field(default_factory=list)
    filled: list[tuple[Fragment, str]] = field(default_factory=list)

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
    removals = _Removals()
    for edit in edits:
        if not holds(edit.releases, release):
            continue
        if edit.until is not None and date[:10] > edit.until.isoformat():
            wanted.found.append(_expired(edit, date))
            continue
        _Worker(subject, ship, edit, values, wanted, removals).work()
    removals.carry_out(subject, wanted)
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
class _Removals:
    """Commands and pairs to take out, of all edits: neighbours can only be taken out together.

    By the start of their instruction; `commands` maps a command's start, and `pairs` a pair's, to
    the edit that takes it out.
    """

    instructions: dict[int, Instruction] = field(default_factory=dict)
    commands: dict[int, dict[int, OverlayEdit]] = field(default_factory=dict)
    pairs: dict[int, dict[int, OverlayEdit]] = field(default_factory=dict)

    def add_command(self, instruction: Instruction, command: Command, edit: OverlayEdit) -> None:
        at = instruction.span.start
        self.instructions[at] = instruction
        self.commands.setdefault(at, {}).setdefault(command.span.start, edit)

    def add_pair(self, instruction: Instruction, pair: Pair, edit: OverlayEdit) -> None:
        at = instruction.span.start
        self.instructions[at] = instruction
        self.pairs.setdefault(at, {}).setdefault(pair.span.start, edit)

    def carry_out(self, subject: Subject, wanted: Wanted) -> None:
        for at, doomed in self.commands.items():
            instruction = self.instructions[at]
            script = subject.script(instruction)
            reasons = {
                each.span: (doomed[each.span.start].id, doomed[each.span.start].why)
                for each in script.commands
                if each.span.start in doomed
            }
            wanted.edits += take_out(
                subject.dockerfile, instruction, Statements(script), reasons, keep_files=False
            )
        for at, gone in self.pairs.items():
            self._pairs(subject, wanted, self.instructions[at], gone)

    def _pairs(
        self, subject: Subject, wanted: Wanted, outer: Instruction, gone: dict[int, OverlayEdit]
    ) -> None:
        every = pairs(subject.dockerfile, outer.trigger or outer)
        effect = Effect.DROPPED if len(gone) == len(every) else Effect.EDITED
        for edit in {edit.id: edit for edit in gone.values()}.values():
            wanted.touches.append(Touch(outer, effect, edit.id, edit.why))
        if effect is Effect.DROPPED:
            edit = next(iter(gone.values()))
            wanted.edits.append(Edit(outer.span, "", edit.id, edit.why))
            return
        for index, pair in enumerate(every):
            if pair.span.start in gone:
                edit = gone[pair.span.start]
                span = _with_gap(every, index, gone)
                wanted.edits.append(Edit(span, "", edit.id, edit.why))


def _with_gap(every: tuple[Pair, ...], index: int, gone: Mapping[int, OverlayEdit]) -> Span:
    """A pair with the blanks behind it; where no pair stays behind it, with those before it."""
    pair = every[index].span
    if any(each.span.start not in gone for each in every[index + 1 :]):
        return Span(pair.start, every[index + 1].span.start)
    return Span(every[index - 1].span.end, pair.end)


@dataclass
class _Worker:
    """One edit at work."""

    subject: Subject
    ship: Stage
    edit: OverlayEdit
    values: Mapping[str, Any]
    wanted: Wanted
    removals: _Removals

    @property
    def text(self) -> str:
        return self.subject.dockerfile.source.text

    def work(self) -> None:
        if self.edit.at.whole_stage:
            self._on_stages()
            return
        matches = select(self.subject, self.ship, self.edit.at)
        if not matches and isinstance(self.edit.verb, Drop) and self._is_dead():
            self._warn(DEAD, "what it drops is gone from upstream", "take the edit out")
            return
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
        if not places and isinstance(edit.verb, Swap) and self._is_done(edit.verb):
            self._warn(REDUNDANT, f"upstream has `{edit.verb.new}` now", "take the edit out")
            return
        if not places:
            old = edit.verb.old if isinstance(edit.verb, Swap) else ""
            self.refuse(f"`{old}` stands nowhere in what `{edit.at.text}` finds")
            return
        self.wanted.found.append(
            too_much_found(self.subject, edit.at, f"`{edit.id}`", edit.expect, places)
        )

    def _is_dead(self) -> bool:
        """Whether nothing that is built looks like what the edit drops."""
        return likeness_of_nearest(self.subject, self.edit.at) < _LIKE

    def _is_done(self, verb: Swap) -> bool:
        """Whether the text that the edit wants is there already."""
        matches = select(self.subject, self.ship, self.edit.at)
        return any(verb.new in self.text[m.span.start : m.span.end] for m in matches if verb.new)

    def _warn(self, rule: Rule, message: str, help: str) -> None:
        self.wanted.found.append(
            Diagnostic(
                rule=rule,
                severity=Severity.WARNING,
                message=f"`{self.edit.id}`: {message}",
                source=self.edit.place.source,
                span=self.edit.place.span,
                help=help,
            )
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
            self._replace_command(match, match.command, text.rstrip("\n"))
        elif match.pair is not None and not verb.whole:
            self.change(match.pair.span, text.rstrip("\n"))
            self.touch(match.instruction, Effect.EDITED)
        else:
            span = match.instruction.span
            self.change(span, self._ended(text, span.end))
            self.touch(match.instruction, Effect.REPLACED)

    def _replace_command(self, match: Match, command: Command, text: str) -> None:
        if _is_exec_form(command):
            try:
                text = _words(shlex.split(text), command)
            except ValueError as error:
                self.refuse(f"`{text}` can't be split into the words of an exec form: {error}")
                return
        else:
            text = quote(text, command.quoting)
        self.change(command.span, text)
        self.touch(match.instruction, Effect.EDITED)

    def _drop(self, match: Match, *, whole: bool) -> None:
        inner = match.instruction.trigger or match.instruction
        nothing_left = match.command is not None and (
            inner.keyword != "RUN" and len(self.subject.script(match.instruction).commands) == 1
        )
        if whole or nothing_left or (match.command is None and match.pair is None):
            self.change(match.instruction.span, "")
            self.touch(match.instruction, Effect.DROPPED)
        elif match.pair is not None:
            self.removals.add_pair(match.instruction, match.pair, self.edit)
        elif match.command is not None:
            self.removals.add_command(match.instruction, match.command, self.edit)
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

    def _set_pair(self, match: Match, pair: Pair, value: str | None) -> None:
        if value is None:
            self.removals.add_pair(match.instruction, pair, self.edit)
            return
        if pair.value_span is None:
            self.change(pair.span, f"{pair.name}={_pair_value(value)}")
        elif self._is_legacy(pair):
            self.change(pair.value_span, value)
        else:
            self.change(pair.value_span, _pair_value(value))
        self.touch(match.instruction, Effect.EDITED)

    def _is_legacy(self, pair: Pair) -> bool:
        """Whether it is an `ENV name value`, whose value goes on to the end of the line."""
        return pair.value_span is not None and self.text[pair.value_span.start - 1] != "="

    def _set_arguments(self, match: Match, value: str | None) -> None:
        inner = match.instruction.trigger or match.instruction
        if value is None or match.command is not None or inner.keyword == "RUN":
            self.refuse("`set` without a key takes a key's place, or all arguments but a RUN's")
            return
        self.change(inner.arguments, value)
        self.touch(match.instruction, Effect.EDITED)

    def _set_key(self, match: Match, key: str, value: str | None) -> None:
        inner = match.instruction.trigger or match.instruction
        if inner.keyword not in ("ARG", "ENV", "LABEL"):
            self.refuse(
                f"`{inner.keyword}` has no keys; `set` takes ARG, ENV, LABEL, or a `--flag`"
            )
            return
        every = pairs(self.subject.dockerfile, inner)
        pair = next((each for each in every if each.name == key), None)
        if pair is not None:
            self._set_pair(match, pair, value)
        elif value is None:
            self.refuse(f"there is no `{key}` to take out")
        elif self._is_legacy(every[-1]):
            self.refuse(f"`{inner.keyword} name value` takes one key; add `{key}` with `after`")
        else:
            end = every[-1].span.end
            self.change(Span(end, end), f" {key}={_pair_value(value)}")
            self.touch(match.instruction, Effect.EDITED)

    def _set_flag(self, match: Match, key: str, value: str | None) -> None:
        inner = match.instruction.trigger or match.instruction
        flags = inner.flags_named(key.removeprefix("--"))
        new = "" if value is None else f"{key}={value}" if value else key
        if len(flags) > 1:
            self.refuse(f"there are {len(flags)} `{key}`, and which is meant can't be told")
            return
        if flags:
            flag = flags[0]
            after = self._next_word(flag.span.end)
            self.change(Span(flag.span.start, after if value is None else flag.span.end), new)
        elif new:
            end = inner.keyword_span.end
            self.change(Span(end, end), f" {new}")
        else:
            self.refuse(f"there is no `{key}` to take out")
            return
        self.touch(match.instruction, Effect.EDITED)

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
        if value is None:
            self.refuse(f"`{command.name}` has no `{name}` to take out")
            return
        # In the exec form, the quote behind the last word belongs to it.
        end = command.core.end + (1 if _is_exec_form(command) else 0)
        self.change(Span(end, end), _added(name, value, command))

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
        if value is None and own is not None:
            self.refuse(f"whether `{own.text}` is the value of `{name}` can't be told; use `swap`")
        elif value is None:
            self.change(Span(previous.span.end, word.span.end), "")
        elif joined:
            self.change(word.span, quote(f"{name}={value}", command.quoting))
        elif value and own is not None:
            self.change(own.span, quote(value, command.quoting))
        elif value:
            self.change(word.span, _words([name, value], command))

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
        text = render(fragment, self.values)
        self.wanted.filled.append((fragment, text))
        return text

    def insert(self, offset: int, fragments: Iterable[Fragment]) -> None:
        texts = [self._ended(self.render(each), offset) for each in fragments]
        text = "".join(texts)
        if offset and self.text[offset - 1] != "\n":
            text = f"\n{text}"  # the file ends without a line ending
        self.wanted.insertions.append(Insertion(offset, text, self.edit.id, self.edit.why))

    def _ended(self, text: str, offset: int) -> str:
        """A fragment with one line ending at its end, and the line endings of the file."""
        text = text.replace("\r\n", "\n").rstrip("\n") + "\n"
        crlf = self.text[max(0, offset - 2) : offset] == "\r\n"
        return text.replace("\n", "\r\n") if crlf else text

    def change(self, span: Span, text: str) -> None:
        if len(span) and self.text[span.start : span.end] == text:
            self._warn(REDUNDANT, "upstream says this itself now", "take the edit out")
            return
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


def _pair_value(value: str) -> str:
    """A value as it has to be written: with quotes around it, where it has bare blanks."""
    return value if _ONE_WORD.fullmatch(value) else '"' + value.replace('"', '\\"') + '"'


_ONE_WORD = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:\\.|[^"\\])*"|'[^']*')*""")


def _is_exec_form(command: Command) -> bool:
    """Whether its words stand in a JSON list, each on its own."""
    return command.quoting == "json" and not command.blocks


def _words(words: Iterable[str], command: Command) -> str:
    """Words as they have to be written where a command stands."""
    joint = '", "' if _is_exec_form(command) else " "
    return joint.join(quote(word, command.quoting) for word in words)


def _added(name: str, value: str, command: Command) -> str:
    """An option that wasn't there: `-DX=y`, `--x=y`, `-x y`, or the name alone."""
    joined = name.startswith(("--", "-D"))
    words = [name] if not value else [f"{name}={value}"] if joined else [name, value]
    written = _words(words, command)
    return f', "{written}"' if _is_exec_form(command) else f" {written}"
