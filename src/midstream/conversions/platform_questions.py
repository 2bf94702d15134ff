"""Questions to which UBI has another answer than Debian: releases, codenames, "is apt there?"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.diagnostic import Rule

if TYPE_CHECKING:
    from midstream.conversions.work import Work
    from midstream.dockerfile.commands import Command, Word

NAME = "platform-questions"

OTHER_ANSWER = Rule(
    "MS208",
    "other-answer",
    """\
**What it says.** A script asks which distribution it runs on, or whether apt is there, and goes
on by the answer.

**Why it matters.** On UBI the answer is another one, often an empty one: a URL with no codename in
it, a branch that is skipped. Nothing fails, and the image lacks something.

**The way out.** Replace the question with the answer for the platform, in an edit of the overlay.
""",
)
RULES = (OTHER_ANSWER,)

_ASKS = re.compile(r"(?:command|which|type|hash|whereis|\[|\[\[|test|grep|ls|find|case)")
_DEBIAN = re.compile(
    r"(?:.*/)?(?:apt|apt-get|aptitude|dpkg|apt-cache|add-apt-repository)(?:\W*)"
    r"|/etc/(?:debian_version|lsb-release)"
)
_FACTS = frozenset(
    ("VERSION_CODENAME", "UBUNTU_CODENAME", "DEBIAN_CODENAME", "VERSION_ID", "ID", "ID_LIKE",
     "DISTRIB_CODENAME", "DISTRIB_RELEASE", "DISTRIB_ID", "PRETTY_NAME")
)  # fmt: skip
_RELEASE_FILES = frozenset(
    f"{folder}/{name}"
    for folder in ("/etc", "/usr/lib")
    for name in ("os-release", "lsb-release", "debian_version", "issue")
)


def command(work: Work, command: Command) -> bool:
    """Report one command, if it asks such a question."""
    if command.name == "lsb_release":
        _report(work, command, "`lsb_release` isn't on UBI, whose release has other names")
    elif any(word.value in _RELEASE_FILES for word in _read_files(command)):
        names = _facts_read(work)
        sourced = command.name in (".", "source") and not _names_missing_file(command)
        if work.native or (sourced and not names):
            return False
        about = f" (here {', '.join(f'`{n}`' for n in names)})" if names else ""
        _report(work, command, f"UBI's release file says other things than Debian's{about}")
    elif (
        not work.native
        and _ASKS.fullmatch(command.name)
        and any(_DEBIAN.fullmatch(word.value) for word in command.arguments)
    ):
        _report(work, command, "whether Debian's tools are there has another answer on UBI")
    else:
        return False
    return True


def _read_files(command: Command) -> list[Word]:
    found = list(command.arguments)
    found += [r.target for r in command.redirections if r.target is not None and r.operator == "<"]
    return found


def _names_missing_file(command: Command) -> bool:
    """UBI has os-release, and none of Debian's own files: to read one is an error there."""
    return any(word.value.endswith(("lsb-release", "_version")) for word in command.arguments)


def _facts_read(work: Work) -> list[str]:
    own = work.script.assigned
    return sorted({r.name for r in work.script.reads if r.name in _FACTS and r.name not in own})


def _report(work: Work, command: Command, message: str) -> None:
    work.report(
        OTHER_ANSWER, command.core, message,
        "write the platform's answer in its place with an edit of the overlay",
    )  # fmt: skip
