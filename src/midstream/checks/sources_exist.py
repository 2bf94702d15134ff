"""Whatever a FROM, a COPY --from or a mount names is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.checks.view import View
    from midstream.diagnostic import Diagnostic, Rule

NAME = "sources-exist"
RULES: tuple[Rule, ...] = ()  # MS120 to MS122 say it, of the graph


def check(view: View) -> Iterator[Diagnostic]:
    """Circles, numbers of no stage, and names with variables that have no value."""
    yield from view.subject.graph.check()
