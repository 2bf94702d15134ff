"""`locale-gen` becomes the language pack that holds the locale."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.conversions.work import EDIT_IT, NO_TRANSLATION, words_only, written

if TYPE_CHECKING:
    from midstream.conversions.work import Work
    from midstream.dockerfile.commands import Command

NAME = "locales"
RULES = (NO_TRANSLATION,)

_LOCALE = re.compile(r"(?P<language>[a-z]{2,3})_[A-Z]{2}(?:\.(?:UTF-8|utf8))?(?:@\w+)?")
_BUILT_IN = re.compile(r"C(?:\.(?:UTF-8|utf8))?|POSIX")


def command(work: Work, command: Command) -> bool:
    """Convert one command, if it makes or picks a locale."""
    if command.name == "locale-gen":
        _generate(work, command)
    elif command.name == "update-locale":
        work.refuse(
            command.core, "`update-locale` writes a file that only Debian's logins read",
            "say it with ENV LANG in an edit of the overlay",
        )  # fmt: skip
    elif _edits_list(command):
        work.refuse(
            command.core, "/etc/locale.gen is Debian's list of locales to make",
            f"{EDIT_IT}: dnf install -y glibc-langpack-en",
        )  # fmt: skip
    else:
        return False
    return True


def _generate(work: Work, command: Command) -> None:
    names = [w.value for w in command.arguments if not w.value.startswith("-")]
    found = [_LOCALE.fullmatch(name) for name in names if not _BUILT_IN.fullmatch(name)]
    languages = [each["language"] for each in found if each is not None]
    if not names or len(languages) < len(found) or not words_only(command, command.core):
        work.refuse(
            command.core, "which locales are made here can't be read",
            f"{EDIT_IT}: dnf install -y glibc-langpack-en",
        )  # fmt: skip
        return
    if not languages:
        work.doom(command, NAME, "glibc has this locale built in")
        return
    packs = [f"glibc-langpack-{each}" for each in dict.fromkeys(languages)]
    head = [work.manager, "install", "-y", "--nodocs"]
    why = "glibc's locales come ready made"
    work.edit(command.core, written(command, *head, *packs), NAME, why)
    work.uncleaned = command.blocks


def _edits_list(command: Command) -> bool:
    targets = [r.target.value for r in command.redirections if r.target is not None]
    return "/etc/locale.gen" in [*targets, *(w.value for w in command.arguments)]
