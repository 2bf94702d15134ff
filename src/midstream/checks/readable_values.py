"""Every value is one that BuildKit can read: its quotes close, and its `${…}` are whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.diagnostic import Rule
from midstream.dockerfile.arguments import pairs, words
from midstream.dockerfile.variables import expand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.checks.view import View
    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.model import Dockerfile, Instruction
    from midstream.source import Span

NAME = "readable-values"

UNREADABLE = Rule(
    "MS351",
    NAME,
    """\
**What it says.** BuildKit can't read a value: a quote never closes, or a `${` has no end.

**Why it matters.** The build stops there: "unexpected end of statement while looking for matching
double-quote".

**The way out.** Close it with an edit.
""",
)
RULES = (UNREADABLE,)

_PAIRS = frozenset(("ARG", "ENV", "LABEL"))
_WORDS = frozenset(("ADD", "COPY", "EXPOSE", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"))


class _Anything(dict[str, str]):
    """A value for every name, so that only what is written badly is left to find."""

    def get(self, _name: str, _default: object = None) -> str:
        return "x"


def check(view: View) -> Iterator[Diagnostic]:
    """Every value that can't be read, in what is built."""
    dockerfile = view.subject.dockerfile
    for stage, instruction in view.subject.live_instructions():
        for text, span in _values(dockerfile, instruction.trigger or instruction):
            for error in expand(text, _Anything(), dockerfile.escape).errors:
                yield view.finding(
                    UNREADABLE, span, f"BuildKit can't read this: {error}",
                    "close it, with an edit", stage=stage,
                )  # fmt: skip


def _values(dockerfile: Dockerfile, instruction: Instruction) -> Iterator[tuple[str, Span]]:
    if instruction.keyword in _PAIRS:
        for pair in pairs(dockerfile, instruction):
            if pair.value is not None:
                yield pair.value, pair.span
    elif instruction.keyword in _WORDS:
        for item in words(dockerfile, instruction):
            yield item.text, item.span
