"""What midstream found in a person's files. Data: collected, sorted, shown by `report`.

Codes: MS1xx reading, MS2xx conversion and the ledger, MS3xx assumptions and checks,
MS4xx promotion, MS5xx what was written for midstream.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from midstream.source import Source, Span


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Rule(Struct, frozen=True):
    """A kind of finding: the code is for searching, the name for reading.

    `page` is what `midstream explain CODE` prints, in Markdown: what is wrong, why it matters,
    an example, the way out, and the source of the rule where it isn't ours.
    """

    code: str
    name: str
    page: str = ""


class Place(Struct, frozen=True):
    """A span of a file. `note` says what stands there, for a second place of a finding."""

    source: Source
    span: Span
    note: str = ""

    @property
    def at(self) -> str:
        """`overlays/app/overlay.yaml:12`, as editors take it."""
        return f"{self.source.name}:{self.source.position(self.span.start).line}"


class UpstreamCommit(Struct, frozen=True):
    """A commit of upstream's that led to a finding. `date` is as RFC 3339 writes it."""

    id: str
    date: str
    subject: str


def counted(number: int, noun: str, nouns: str = "") -> str:
    """`1 question`, `2 questions`; `nouns` is the plural where it isn't the noun with an s."""
    return f"{number} {noun if number == 1 else nouns or f'{noun}s'}"


class Diagnostic(Struct, frozen=True, kw_only=True):
    """One finding, at one place, with the way out.

    `context` follows the place in parentheses: "vllm 0.33.0, stage build_rixl".
    `also` is a second place that explains the first. `commits` are those of upstream that led to
    it, newest first, where they are known.
    """

    rule: Rule
    severity: Severity
    message: str
    source: Source
    span: Span
    help: str | None = None
    context: str = ""
    also: Place | None = None
    commits: tuple[UpstreamCommit, ...] = ()

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR

    @property
    def wants_something(self) -> bool:
        """Whether a person has something to do about it; `--strict` counts these."""
        return self.severity is not Severity.INFO
