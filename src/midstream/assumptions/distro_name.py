"""Ubuntu's or Debian's name in what is downloaded: the file is built for another system."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding, occurrences
from midstream.diagnostic import Rule
from midstream.dockerfile.arguments import pairs
from midstream.dockerfile.variables import names_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.model import Instruction
    from midstream.source import Span
    from midstream.ubi.subject import Subject

NAME = "distro-name"

OTHER_SYSTEM = Rule(
    "MS305",
    NAME,
    """\
**What it says.** A name of Ubuntu or Debian stands in a download, a path or a value: `Ubuntu24_04`,
`ubuntu2204`, `jammy`.

**Why it matters.** What is fetched under it was built against newer libraries, or is a Debian
package. It may install and then fail when it is loaded.

**The way out.** An edit with the EL name of the same file (`el9`, `rhel9`), or without it.
""",
)
RULES = (OTHER_SYSTEM,)

_CODENAMES = ("bionic", "focal", "jammy", "noble", "plucky", "bullseye", "bookworm", "trixie")
_NAMES = ("ubuntu", "debian", *_CODENAMES)
# Most letters begin none of them, which one look says.
_FIRST = "".join(sorted({name[0] for name in _NAMES}))
_SYSTEM = re.compile(
    rf"(?=[{_FIRST}])(?:\bubuntu[-_]?\d\d[._]?\d\d\b|\bdebian[-_]?1\d\b"
    rf"|(?<![\w-])(?:{'|'.join(_CODENAMES)})(?![\w-]))",
    re.IGNORECASE,
)
_WHERE = frozenset(("RUN", "ARG", "ENV", "ADD", "ONBUILD"))


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Every such name in the live RUN, ARG, ENV and ADD."""
    if not _may_be_named(subject.dockerfile.source.text):
        return
    bases = {name for each in subject.dockerfile.stages for name in names_in(each.image)}
    for stage, instruction, span in occurrences(subject, _SYSTEM, _WHERE):
        if stage is None and _declares(subject, instruction, span) in bases:
            continue  # a part of a base image's name, of which `base-image` has its say
        name = subject.dockerfile.text(span)
        yield finding(
            subject, stage, OTHER_SYSTEM, span,
            f"`{name}` names another system than {subject.platform.name}",
            f"take the file for EL {subject.platform.release}, with an edit of the overlay",
        )  # fmt: skip


def _may_be_named(text: str) -> bool:
    """Whether it is worth looking: to look for the bare names is fast.

    Beyond ASCII, `re.IGNORECASE` takes more letters for the same than `lower` does.
    """
    lower = text.lower()
    return not text.isascii() or any(name in lower for name in _NAMES)


def _declares(subject: Subject, instruction: Instruction, span: Span) -> str:
    """The name of the ARG in whose default a place is."""
    declared = pairs(subject.dockerfile, instruction)
    return next((pair.name for pair in declared if span in pair.span), "")
