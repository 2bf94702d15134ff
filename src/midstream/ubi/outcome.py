"""What a conversion or an assumption has to say about a Dockerfile: edits, and findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

    from midstream.diagnostic import Diagnostic
    from midstream.edit import Edit


class Outcome(Struct, frozen=True):
    """Edits of the original text, and what could not be edited and why."""

    edits: tuple[Edit, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()

    @classmethod
    def merged(cls, outcomes: Iterable[Outcome]) -> Outcome:
        """Several outcomes as one, in their order."""
        each = tuple(outcomes)
        return cls(
            tuple(edit for outcome in each for edit in outcome.edits),
            tuple(found for outcome in each for found in outcome.diagnostics),
        )

    def beside(self, other: Outcome) -> Outcome:
        """This outcome without the edits that meet one of another's: the other's word stands."""
        owned = [edit.span for edit in other.edits]
        kept = (
            edit
            for edit in self.edits
            if not any(edit.span.overlaps(span) or edit.span in span for span in owned)
        )
        return Outcome(tuple(kept), self.diagnostics)
