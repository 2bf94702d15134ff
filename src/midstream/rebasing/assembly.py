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
from midstream.dockerfile.scan import parse
from midstream.dockerfile.variables import PROXIES
from midstream.edit import Edit, EditConflict
from midstream.overlay.verbs import Insertion
from midstream.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from midstream.dockerfile.model import Dockerfile
    from midstream.overlay.verbs import Wanted
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


def without_unreachable(
    dockerfile: Dockerfile, live: frozenset[int], claimed: tuple[Span, ...] = ()
) -> list[Edit]:
    """Take out the stages that the shipped one doesn't need, with the comments above each; but
    not those that the overlay takes out itself."""
    spans = {s.index: Span(s.lead, s.span.end) for s in dockerfile.stages if s.index not in live}
    return [
        Edit(span, "", UNREACHABLE, "the shipped stage doesn't need this stage")
        for span in spans.values()
        if span not in claimed
    ]


def stages_kept(
    assembled: Assembled, upstream: Dockerfile, result: Dockerfile
) -> Mapping[int, int]:
    """By the index of an upstream stage, its index in the result; without those that are gone."""
    known = {stage.span.start: stage.index for stage in upstream.stages}
    found: dict[int, int] = {}
    for stage in result.stages:
        piece = assembled.origin(stage.span.start)
        if piece.by is None:
            at = piece.upstream + stage.span.start - piece.start
        else:
            at = piece.upstream if len(piece.by.span) else -1
        if at in known:
            found.setdefault(known[at], stage.index)
    return found


def renumbered(subject: Subject, assembled: Assembled) -> list[Edit]:
    """A stage that is named by its number gets the number that it has in the result.

    `assembled` is the result as it is without this. A stage that isn't there any more gets a
    number that no stage has, which is found.
    """
    numbers = list(_numbers(subject))
    if not numbers:
        return []
    result = parse(assembled.source)
    new = stages_kept(assembled, subject.dockerfile, result)
    why = "other stages stand above it now"
    edits = [
        Edit(span, str(new.get(target, len(result.stages))), RENUMBER, why)
        for target, span in numbers
    ]
    return [each for each in edits if each.text != subject.dockerfile.text(each.span)]


def _numbers(subject: Subject) -> Iterator[tuple[int, Span]]:
    """The stages that live stages name by number, and where the number stands."""
    for arrow in subject.graph.arrows:
        found = re.search(r"(?<==)\d+(?=$|[,\s])", subject.dockerfile.text(arrow.span))
        named = arrow.target is None or not arrow.reference.isdecimal()
        if found is None or named or arrow.target is None or arrow.stage not in subject.live:
            continue
        if not subject.is_claimed(arrow.span):
            start = arrow.span.start + found.start()
            yield arrow.target, Span(start, start + len(found[0]))


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
        if not places and name not in PROXIES:  # BuildKit takes those without an ARG
            lost.append(name)
        edits += [
            Edit(span, f"{lead}{_quoted(value, subject.dockerfile.escape)}", SHIP_ARGUMENT, why)
            for span, lead in places
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


def _quoted(value: str, escape: str) -> str:
    if re.fullmatch(r"[^\s\"'\\$#`]*", value):
        return value
    return '"' + re.sub(rf'(["${re.escape(escape)}])', lambda found: escape + found[0], value) + '"'


# BuildKit looks for `# syntax=` behind a first line that starts with `#!`, too.
_DIRECTIVES = re.compile(
    r"\ufeff?(?:#![^\n]*\n)?(?:[ \t]*#[ \t]*[a-z]+[ \t]*=[^\n]*\n)*", re.IGNORECASE
)


def header(
    dockerfile: Dockerfile, project: str, folder: str, upstream: str | None = None
) -> Insertion:
    """A line that says what the file is, behind the directives, which have to come first.
    `upstream` is the path of upstream's Dockerfile, where this text isn't made from it."""
    source = dockerfile.source
    found = _DIRECTIVES.match(source.text)
    at = found.end() if found else 0
    said = (
        f"# Made by midstream from {upstream or source.name} of {project}, by {folder}. "
        f"Edit the overlay, not this file.{source.newline}"
    )
    return Insertion(at, said, "midstream", "what the file is")


def yielding(edits: Iterable[Edit], wanted: Wanted) -> list[Edit]:
    """Edits that touch nothing the overlay changes: its word stands above a rule's."""
    owned = wanted.claimed
    return [
        edit
        for edit in edits
        if not any(edit.span.overlaps(span) or edit.span in span for span in owned)
    ]
