"""Nothing of Debian's package management is left in a stage that stands on UBI."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.diagnostic import Rule
from midstream.dockerfile.commands import SHELLS
from midstream.ubi.survey import stages_on_ubi

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.checks.view import View
    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.commands import Command

NAME = "debian-left"

LEFT = Rule(
    "MS350",
    NAME,
    """\
**What it says.** A command or path of Debian's package management stands in a stage whose base is
UBI.

**Why it matters.** The command isn't there, and the build fails; or its failure is ignored, and the
image lacks what it should have.

**The way out.** Replace the command with an edit of the overlay.
""",
)
RULES = (LEFT,)

_COMMANDS = frozenset(
    (
        "add-apt-repository", "apt", "apt-add-repository", "apt-cache", "apt-config", "apt-get",
        "apt-key", "apt-mark", "aptitude", "debconf-set-selections", "dpkg", "dpkg-deb",
        "dpkg-query", "dpkg-reconfigure", "gdebi", "locale-gen", "lsb_release",
    )
)  # fmt: skip
_PATH = re.compile(r"/(?:etc|var/lib|var/cache)/(?:apt|dpkg|debconf)(?=/|$)")


def check(view: View) -> Iterator[Diagnostic]:
    """Every such command, and every path below apt's and dpkg's folders."""
    subject = view.subject
    for stage in stages_on_ubi(subject):
        for instruction in stage.instructions:
            for command in subject.script(instruction).commands:
                what = _debians(command)
                if what:
                    yield view.finding(
                        LEFT, command.core, f"`{what}` is Debian's, and this stage stands on UBI",
                        "replace the command with an edit of the overlay", stage=stage,
                    )  # fmt: skip


def _debians(command: Command) -> str:
    if command.name in _COMMANDS:
        return command.name
    if command.name in SHELLS:
        return ""  # what a shell is given to run was read as commands of its own
    words = [*command.arguments]
    words += [each.target for each in command.redirections if each.target is not None]
    found = (_PATH.search(word.value) for word in words)
    return next((each[0] for each in found if each), "")
