"""How midstream fails: the exit codes, and the errors a person can act on.

A subclass lives beside the code that raises it; only the base and the shared ones are here.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from midstream.diagnostic import Diagnostic


class Exit(IntEnum):
    """What the program tells the shell. One table for every command; see docs/design.md."""

    OK = 0
    FINDINGS = 1  # errors about upstream's text, conversion, policy; open questions; --check
    USAGE = 2  # something written for midstream is wrong: command line, YAML, template, lock
    OUTSIDE = 3  # git, network, registry, not found
    REFUSED = 4  # midstream stopped itself before doing harm
    INTEGRITY = 5  # what was read back is not what was promised
    AUTHENTICATION = 6
    TRANSIENT = 7  # safe to run again
    PARTIAL = 8  # some done, some failed; the report says which
    BUG = 70  # EX_SOFTWARE in sysexits.h
    LOCKED = 75  # EX_TEMPFAIL: another run holds the lock
    INTERRUPTED = 130
    TERMINATED = 143

    @classmethod
    def worst(cls, codes: Iterable[Exit]) -> Exit:
        """The code that one command with several results exits with."""
        found = set(codes)
        return next((code for code in _WORST_FIRST if code in found), cls.OK)


_WORST_FIRST = (
    Exit.TERMINATED, Exit.INTERRUPTED, Exit.BUG, Exit.LOCKED, Exit.INTEGRITY, Exit.AUTHENTICATION,
    Exit.REFUSED, Exit.OUTSIDE, Exit.TRANSIENT, Exit.PARTIAL, Exit.USAGE, Exit.FINDINGS,
)  # fmt: skip


class MidstreamError(Exception):
    """A failure a person can act on: one line, perhaps a line of help, perhaps findings."""

    exit_code = Exit.OUTSIDE

    def __init__(
        self, message: str, *, help: str | None = None, diagnostics: Sequence[Diagnostic] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.help = help
        self.diagnostics = tuple(diagnostics)


class UsageError(MidstreamError):
    """Something that a person wrote for midstream can't be used."""

    exit_code = Exit.USAGE


class Refused(MidstreamError):
    """Going on would overwrite or lose something."""

    exit_code = Exit.REFUSED


class IntegrityError(MidstreamError):
    """What was read is not what was promised."""

    exit_code = Exit.INTEGRITY
