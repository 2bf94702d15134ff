"""Packages are installed with their signatures checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.diagnostic import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.checks.view import View
    from midstream.diagnostic import Diagnostic

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
    r"--nogpgcheck|--no-gpg-checks|--nosignature|\bgpgcheck\s*=\s*(?:0|no|false)\b|--allow-unauth\w+"
)


def check(view: View) -> Iterator[Diagnostic]:
    """Every word that turns the check off."""
    subject = view.subject
    for stage in subject.live_stages:
        for instruction in stage.instructions:
            for command in subject.script(instruction).commands:
                for word in command.words:
                    if _OFF.search(word.text):
                        yield view.finding(
                            UNSIGNED, word.span, "the check of package signatures is turned off",
                            "set gpgkey= and gpgcheck=1 for the repository", stage=stage,
                        )  # fmt: skip
