"""Packages are installed with their signatures checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.diagnostic import Rule
from midstream.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.checks.view import View
    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.model import Instruction

NAME = "signed-packages"

UNSIGNED = Rule(
    "MS358",
    NAME,
    """\
**What it says.** A command installs packages, or sets a repository up, with the check of signatures
turned off.

**Why it matters.** Whoever stands between the build and the mirror chooses what is installed.

**The way out.** Give the repository its `gpgkey=`, and leave `gpgcheck=1`.
""",
)
RULES = (UNSIGNED,)

_OFF = re.compile(
    r"--nogpgcheck|--no-gpg-checks|--nosignature|--allow-unauth\w+"
    r"|(?:\\n|(?<!\w))gpgcheck\s*=\s*(?:0|no|false)\b"
)


def check(view: View) -> Iterator[Diagnostic]:
    """Every word, and every text of a heredoc, that turns the check off."""
    subject = view.subject
    for stage in subject.live_stages:
        for instruction in stage.instructions:
            words = [w for c in subject.script(instruction).commands for w in c.words]
            found = [word.span for word in words if _OFF.search(word.text)]
            for span in (*found, *_in_heredocs(view, instruction, found)):
                yield view.finding(
                    UNSIGNED, span, "the check of package signatures is turned off",
                    "set gpgkey= and gpgcheck=1 for the repository", stage=stage,
                )  # fmt: skip


def _in_heredocs(view: View, instruction: Instruction, known: list[Span]) -> Iterator[Span]:
    """In text that is no command: a repository's file, written in place."""
    for heredoc in instruction.heredocs:
        text = view.subject.dockerfile.source.text
        for match in _OFF.finditer(text, heredoc.body.start, heredoc.body.end):
            span = Span(*match.span())
            if not any(span in word for word in known):
                yield span
