"""Putting a result together: upstream's text, without what isn't needed, with every change made.

All changes are addressed in upstream's text, so each character of the result has one of two
origins: a place upstream, or the change that put it there.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.dockerfile.arguments import pairs
from midstream.edit import Edit, EditConflict
from midstream.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from midstream.dockerfile.model import Dockerfile
    from midstream.overlay.verbs import Insertion
    from midstream.ubi.subject import Subject

UNREACHABLE = "unreachable"
SHIP_ARGUMENT = "ship"
RENUMBER = "stage-number"


class Piece(Struct, frozen=True):
    """A stretch of the result: `start` in the result, and either the offset `upstream` that it was
    copied from, or the change `by` that wrote it (with the upstream offset where it stands)."""

    start: int
    upstream: int
    by: Edit | None


class Assembled(Struct, frozen=True, dict=True):
    """The result's text, and where each stretch of it comes from."""

    source: Source
    pieces: tuple[Piece, ...]
    edits: tuple[Edit, ...]

    def origin(self, offset: int) -> Piece:
        """The piece that a character of the result stands in."""
        starts = [piece.start for piece in self.pieces]
        return self.pieces[max(0, bisect_right(starts, offset) - 1)]

    def upstream_offset(self, offset: int) -> int | None:
        """Where a character was copied from; None where a change wrote it."""
        piece = self.origin(offset)
        return None if piece.by is not None else piece.upstream + offset - piece.start


def assemble(
    name: str, text: str, edits: Iterable[Edit], insertions: Iterable[Insertion] = ()
) -> Assembled:
    """Make every change at once. Raises `EditConflict` where two want the same characters."""
    changes = _in_order(edits, insertions)
    pieces: list[Piece] = []
    texts: list[str] = []
    done = size = 0
    for change in changes:
        if change.span.start < done:
            raise EditConflict(_before(changes, change), change)
        for piece_text, upstream, by in (
            (text[done : change.span.start], done, None),
            (change.text, change.span.start, change),
        ):
            if piece_text:
                pieces.append(Piece(size, upstream, by))
                texts.append(piece_text)
                size += len(piece_text)
        done = change.span.end
    if done < len(text) or not pieces:
        pieces.append(Piece(size, done, None))
        texts.append(text[done:])
    return Assembled(Source(name, "".join(texts)), tuple(pieces), tuple(changes))


def _in_order(edits: Iterable[Edit], insertions: Iterable[Insertion]) -> list[Edit]:
    """Changes by their place. At one offset, what is put in stands before what is changed, and
    several insertions keep the order that the overlay gives them."""
    placed = [
        (each.offset, 0, number, Edit(Span(each.offset, each.offset), each.text, each.id, each.why))
        for number, each in enumerate(insertions)
    ]
    # Not by way of a set: its order changes from one run of Python to the next.
    placed += [
        (edit.span.start, 0 if not len(edit.span) else 1, -1, edit)
        for edit in sorted(dict.fromkeys(edits), key=lambda each: (each.span, each.rule))
    ]
    return [each[3] for each in sorted(placed, key=lambda each: each[:3])]


def _before(changes: list[Edit], change: Edit) -> Edit:
    return changes[changes.index(change) - 1]


def without_unreachable(dockerfile: Dockerfile, live: frozenset[int]) -> list[Edit]:
    """Take out the stages that the shipped one doesn't need, with the comments above each."""
    return [
        Edit(
            Span(stage.lead, stage.span.end), "", UNREACHABLE,
            "the shipped stage doesn't need this stage",
        )
        for stage in dockerfile.stages
        if stage.index not in live
    ]  # fmt: skip


def renumbered(subject: Subject) -> list[Edit]:
    """A stage that is named by its number gets the number that it has in the result."""
    new = {index: number for number, index in enumerate(sorted(subject.live))}
    edits = []
    for arrow in subject.graph.arrows:
        if arrow.target is None or arrow.stage not in subject.live:
            continue
        found = re.search(r"(?<==)\d+(?=$|[,\s])", subject.dockerfile.text(arrow.span))
        if found is None or not arrow.reference.isdecimal() or new[arrow.target] == arrow.target:
            continue
        start = arrow.span.start + found.start()
        edits.append(
            Edit(
                Span(start, start + len(found[0])), str(new[arrow.target]), RENUMBER,
                "stages above it were taken out",
            )
        )  # fmt: skip
    return edits


def argument_defaults(
    subject: Subject, values: Mapping[str, tuple[str, str]]
) -> tuple[list[Edit], tuple[str, ...]]:
    """Write each shipped argument, `name -> (value, why)`, as the default where it is declared.

    Gives the edits, and the names that no ARG declares. A global ARG's default is what the stages
    below inherit, so it alone is written where there is one.
    """
    edits: list[Edit] = []
    lost = []
    for name, (value, why) in values.items():
        places = _declarations(subject, name)
        if not places:
            lost.append(name)
        edits += [
            Edit(span, f"{lead}{_quoted(value)}", SHIP_ARGUMENT, why) for span, lead in places
        ]
    return [each for each in edits if subject.dockerfile.text(each.span) != each.text], tuple(lost)


def _declarations(subject: Subject, name: str) -> list[tuple[Span, str]]:
    """The spans to write a default over, and what stands before the value there."""
    found: list[tuple[bool, Span, str]] = []
    for stage, instruction in subject.live_instructions():
        if instruction.keyword != "ARG":
            continue
        for pair in pairs(subject.dockerfile, instruction):
            if pair.name == name and pair.value_span is not None:
                found.append((stage is None, pair.value_span, ""))
            elif pair.name == name:
                end = Span(pair.span.end, pair.span.end)
                found.append((stage is None, end, "="))
    everywhere = [(span, lead) for _, span, lead in found]
    globals_ = [(span, lead) for is_global, span, lead in found if is_global]
    # A stage's own default wins over the global one, so it is written over as well.
    own = [(span, lead) for is_global, span, lead in found if not is_global and not lead]
    return [*globals_, *own] if globals_ else everywhere


def _quoted(value: str) -> str:
    plain = re.fullmatch(r"[^\s\"'\\$#]*", value)
    return value if plain else '"' + re.sub(r'(["\\$])', r"\\\1", value) + '"'
