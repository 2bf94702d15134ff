"""Changes to a text, addressed in the text as it was before any of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from midstream.errors import Exit, MidstreamError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from midstream.source import Span


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Put `text` where `span` is. `rule` names the conversion or overlay edit that asked for it.

    `why` is the reason that the ledger shows; it plays no part in order or equality.
    """

    span: Span
    text: str
    rule: str
    why: str = field(default="", compare=False)


class EditConflict(MidstreamError):
    """Two rules want the same characters."""

    exit_code = Exit.USAGE

    def __init__(self, first: Edit, second: Edit) -> None:
        super().__init__(
            f"`{first.rule}` and `{second.rule}` both change the same text",
            help="narrow one of the two rules, or make it one rule",
        )
        self.first = first
        self.second = second


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """Make every edit at once, so that the order of the rules never matters."""
    ordered = sorted(edits)
    for first, second in pairwise(ordered):
        if second.span.start < first.span.end or second.span.start == first.span.start:
            raise EditConflict(first, second)

    pieces = []
    done = 0
    for edit in ordered:
        pieces += [text[done : edit.span.start], edit.text]
        done = edit.span.end
    return "".join([*pieces, text[done:]])
