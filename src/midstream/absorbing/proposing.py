"""Which edits of an overlay would make of a result what somebody made of it by hand."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from midstream.diagnostic import Diagnostic, Rule, Severity
from midstream.dockerfile.arguments import pairs
from midstream.dockerfile.shell import read_script
from midstream.overlay.pointing import address_of
from midstream.overlay.select import ship_stage
from midstream.rebasing.assembly import SHIP_ARGUMENT
from midstream.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from midstream.absorbing.hunks import Hunk
    from midstream.diagnostic import Place
    from midstream.dockerfile.arguments import Pair
    from midstream.dockerfile.commands import Command
    from midstream.dockerfile.model import Dockerfile, Instruction
    from midstream.rebasing.assembly import Piece
    from midstream.rebasing.flow import Rebased

OURS = Rule(
    "MS266",
    "edit-of-our-own-text",
    """\
**What it says.** What somebody changed in a result isn't upstream's: the overlay itself wrote it (a
fragment, an edit, a build argument of `ship: args:`). `absorb` makes edits of upstream's text.

**The way out.** Make the change in the file that the finding names, put the result back, and
rebase.
""",
)
NO_EDIT = Rule(
    "MS267",
    "no-edit-for-it",
    """\
**What it says.** No edit of an overlay was found that makes of the result what somebody made of it
by hand at this place: nothing that comes from upstream stands there, or upstream's text can't be
addressed.

**The way out.** Write the edit yourself, or make the change in a fragment; put the result back, and
rebase.
""",
)
RULES = (OURS, NO_EDIT)

_SHORT = 6  # characters: as little may well stand there once more some day

_JOINTS = re.compile(r"[\n;|]|&&")

Proposal = tuple[dict[str, Any], ...]
"""Edits that belong together, as their YAML has them, without `id` and `why`."""


class Proposer(Struct, frozen=True):
    """Finds edits for a difference between a result and the file that somebody edited."""

    rebased: Rebased
    result: Dockerfile
    edited: Dockerfile

    def proposals(self, hunk: Hunk) -> Iterator[Proposal]:
        """What may be the edits, the one that takes least of upstream's text first."""
        if not hunk.old and not hunk.new:
            yield from self._put_in(hunk, _lines(hunk.lead[0]))
        elif not hunk.old:
            yield from self._put_in(hunk, self._text(hunk))
        elif not hunk.new:
            yield from self._taken_out(hunk)
        else:
            if len(hunk.old) == len(hunk.new) == 1:
                yield from self._changed(hunk.old[0], hunk.new[0])
            yield from self._replaced(hunk)

    def argument(self, hunk: Hunk) -> Diagnostic | None:
        """The finding for a default that `ship: args:` gives: another one there would change
        nothing, since the build is given the argument too."""
        given = self.rebased.overlay.ship.args
        for each in hunk.old:
            if any(p.by is not None and p.by.rule == SHIP_ARGUMENT for p in self._pieces(each)):
                names = (pair.name for pair in pairs(self.result, each))
                place = next((given[name].place for name in names if name in given), None)
                return self._ours(hunk, place) if place is not None else None
        return None

    def lost(self, hunk: Hunk) -> Diagnostic:
        """The finding for what no edit gives: where the overlay itself writes it, if it does."""
        places = (place for each in hunk.old if (place := self._writer(each)) is not None)
        place = next(places, None)
        if place is not None:
            return self._ours(hunk, place)
        return self._finding(
            NO_EDIT, hunk, "no edit of upstream's text gives this",
            "write the edit yourself, put the result back, and rebase",
        )  # fmt: skip

    def _ours(self, hunk: Hunk, place: Place) -> Diagnostic:
        return self._finding(
            OURS, hunk, f"the overlay writes or edits this itself, at {place.at}",
            f"change it in {place.source.name}, put the result back, and rebase",
        )  # fmt: skip

    def _finding(self, rule: Rule, hunk: Hunk, message: str, help: str) -> Diagnostic:
        """A finding at what somebody wrote, or at the place where something is gone."""
        every = self.result.instructions
        place = hunk.new[0] if hunk.new else every[min(hunk.at, len(every) - 1)]
        return Diagnostic(
            rule=rule, severity=Severity.ERROR, message=message, help=help,
            source=(self.edited if hunk.new else self.result).source, span=place.keyword_span,
        )  # fmt: skip

    # --- where it comes from ---

    def _writer(self, instruction: Instruction) -> Place | None:
        """Where the overlay asks for a text that stands in an instruction of the result."""
        edits = {each.id: each.place for each in self.rebased.overlay.edits}
        upstream = self._upstream(instruction)
        for piece in self._pieces(instruction):
            if piece.by is not None and piece.by.rule in edits:
                return edits[piece.by.rule]
        for each in self.rebased.assembled.edits:
            if each.rule in edits and upstream is not None and each.span.overlaps(upstream.span):
                return edits[each.rule]
        return None

    def _pieces(self, instruction: Instruction) -> tuple[Piece, ...]:
        """What an instruction of the result is made of."""
        pieces, span = self.rebased.assembled.pieces, instruction.span
        first = pieces.index(self.rebased.assembled.origin(span.start))
        return tuple(each for each in pieces[first:] if each.start < span.end)

    def _upstream(self, instruction: Instruction) -> Instruction | None:
        """The instruction of upstream's that one of the result is."""
        at = instruction.span.start
        piece = self.rebased.assembled.origin(at)
        offset = piece.upstream + (at - piece.start if piece.by is None else 0)
        if piece.by is not None and not len(piece.by.span):
            return None
        here = Span(offset, offset + 1)
        every = self.rebased.subject.dockerfile.instructions
        return next((each for each in every if here in each.span), None)

    def _at(self, instruction: Instruction, part: Command | Pair | None = None) -> str:
        """An `at:` for a place upstream; empty where there is none."""
        subject = self.rebased.subject
        ship = ship_stage(subject.dockerfile.stages, self.rebased.overlay.ship.stage.text)
        return address_of(subject, ship, instruction, part) if ship is not None else ""

    def _at_upstreams(self, instruction: Instruction) -> str:
        """An `at:` for what an instruction of the result was upstream; empty for none."""
        upstream = self._upstream(instruction)
        return self._at(upstream) if upstream is not None else ""

    # --- what is new, and what is gone ---

    def _text(self, hunk: Hunk) -> str:
        """The new instructions, each below the comment lines that are new with it."""
        return "".join(
            f"{_lines(lead)}{self.edited.text(each.span).rstrip()}\n"
            for each, lead in zip(hunk.new, hunk.lead, strict=True)
        )

    def _put_in(self, hunk: Hunk, text: str) -> Iterator[Proposal]:
        every = self.result.instructions
        is_stage = bool(hunk.new) and hunk.new[0].keyword == "FROM"
        after = self._beside("after", every[hunk.at - 1 : hunk.at] if not is_stage else (), text)
        before = self._beside("before", every[hunk.at : hunk.at + 1], text)
        # A comment belongs to what stands below it, an instruction to what stands above.
        yield from chain(before, after) if not hunk.new else chain(after, before)
        if hunk.at == len(every) and self.result.stages:
            yield ({"at": self.rebased.overlay.ship.stage.text, "end": text},)

    def _beside(
        self, verb: str, neighbours: Sequence[Instruction], text: str
    ) -> Iterator[Proposal]:
        for at in filter(None, map(self._at_upstreams, neighbours)):
            yield ({"at": at, verb: text},)

    def _taken_out(self, hunk: Hunk) -> Iterator[Proposal]:
        found = [self._whole(each, {"drop": True}) for each in hunk.old]
        if all(found):
            yield tuple(each for each in found if each)

    def _replaced(self, hunk: Hunk) -> Iterator[Proposal]:
        """The first instruction with all the new text, and the others taken out."""
        first = self._whole(hunk.old[0], {"replace": self._text(hunk)})
        rest = [self._whole(each, {"drop": True}) for each in hunk.old[1:]]
        if first and all(rest):
            yield (first, *(each for each in rest if each))

    def _whole(self, instruction: Instruction, verb: dict[str, Any]) -> dict[str, Any] | None:
        at = self._at_upstreams(instruction)
        return {"at": at, "scope": "instruction", **verb} if at else None

    # --- what was changed inside an instruction ---

    def _changed(self, old: Instruction, new: Instruction) -> Iterator[Proposal]:
        upstream = self._upstream(old)
        if upstream is None or old.keyword != new.keyword or old.trigger or new.trigger:
            return
        if old.keyword in ("ARG", "ENV", "LABEL"):
            yield from self._pairs(upstream, old, new)
        elif old.keyword == "RUN":
            yield from self._words(upstream, old, new)
            yield from self._commands_gone(upstream, new)
            yield from self._commands(upstream, old, new)
        elif [f.value for f in old.flags] == [f.value for f in new.flags] and not new.heredocs:
            at = self._at(upstream)
            if at:
                yield ({"at": at, "set": self.edited.text(new.arguments)},)

    def _pairs(
        self, upstream: Instruction, old: Instruction, new: Instruction
    ) -> Iterator[Proposal]:
        """`set` for each key that has another value."""
        ours, theirs = pairs(self.result, old), pairs(self.edited, new)
        if [each.name for each in ours] != [each.name for each in theirs]:
            return
        there = {each.name: each for each in pairs(self.rebased.subject.dockerfile, upstream)}
        found: list[dict[str, Any]] = []
        for mine, other in zip(ours, theirs, strict=True):
            if mine.value == other.value:
                continue
            pair = there.get(mine.name)
            at = self._at(upstream, pair) if pair is not None and other.value is not None else ""
            if not at:
                return
            found.append({"at": at, "set": other.value})
        if found:
            yield tuple(found)

    def _words(
        self, upstream: Instruction, old: Instruction, new: Instruction
    ) -> Iterator[Proposal]:
        """`swap` for words of one command that are upstream's own."""
        before, after, at = self._difference(old, new)
        assembled, start = self.rebased.assembled, old.span.start + at
        first = assembled.upstream_offset(start)
        last = assembled.upstream_offset(start + len(before) - 1) if before else None
        if first is None or last is None or last - first != len(before) - 1:
            return
        if _JOINTS.search(before + after):
            return  # a command in its place reads better
        place = Span(first, last + 1)
        for command in self._around(upstream, place):
            where = self._at(upstream, command)
            if where and self.rebased.subject.dockerfile.text(command.span).count(before) == 1:
                yield ({"at": where, "swap": [before, after]},)

    def _commands_gone(self, upstream: Instruction, new: Instruction) -> Iterator[Proposal]:
        """`drop` of a command that isn't there any more."""
        there = {each.texts for each in read_script(self.edited, new).commands}
        for command in self.rebased.subject.script(upstream).commands:
            if command.texts not in there:
                at = self._at(upstream, command)
                if at:
                    yield ({"at": at, "drop": True},)

    def _commands(
        self, upstream: Instruction, old: Instruction, new: Instruction
    ) -> Iterator[Proposal]:
        """`replace` of the command that holds all that was changed."""
        ours, theirs = self.result.text(old.span), self.edited.text(new.span)
        commands = read_script(self.result, old).commands
        for command in sorted(commands, key=lambda each: len(each.span)):
            first = command.span.start - old.span.start
            behind = len(ours) - (command.span.end - old.span.start)
            fits = first + behind <= len(theirs)
            if not (fits and theirs[:first] == ours[:first] and _tail(theirs, behind) ==
                    _tail(ours, behind)):  # fmt: skip
                continue
            text = theirs[first : len(theirs) - behind]
            for each in self._around(upstream, self._origin(command)):
                at = self._at(upstream, each)
                if at and text.strip():
                    yield ({"at": at, "replace": text},)

    def _origin(self, command: Command) -> Span:
        """Where upstream has the text of which the result has a command."""
        piece = self.rebased.assembled.origin(command.core.start)
        if piece.by is not None:
            return piece.by.span
        start = piece.upstream + command.core.start - piece.start
        return Span(start, start + 1)

    def _around(self, upstream: Instruction, place: Span) -> list[Command]:
        """Upstream's commands that a place stands in, or that stand in it; the innermost first."""
        commands = self.rebased.subject.script(upstream).commands
        found = [each for each in commands if place in each.span or each.span in place]
        return sorted(found, key=lambda each: len(each.span))

    def _difference(self, old: Instruction, new: Instruction) -> tuple[str, str, int]:
        """The whole words that differ, before and after, and where they begin."""
        ours, theirs = (
            re.findall(r"\s+|\S+", text)
            for text in (self.result.text(old.span), self.edited.text(new.span))
        )
        most = min(len(ours), len(theirs))
        start = next((n for n in range(most) if ours[n] != theirs[n]), most)
        left = most - start
        end = next((n for n in range(left) if ours[-1 - n] != theirs[-1 - n]), left)
        # What was put in between two words, or is a short word, takes the word before it along.
        if len("".join(ours[start : len(ours) - end])) < _SHORT:
            start = max(0, start - 2)
        before, after = ours[start : len(ours) - end], theirs[start : len(theirs) - end]
        if before[-1:] == after[-1:] and before[-1:] and before[-1].isspace():
            before, after = before[:-1], after[:-1]
        return "".join(before), "".join(after), len("".join(ours[:start]))


def _lines(lines: tuple[str, ...]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _tail(text: str, size: int) -> str:
    return text[len(text) - size :]
