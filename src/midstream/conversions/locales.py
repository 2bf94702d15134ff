"""`locale-gen` and `localedef` become the language pack that holds the locale."""

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
_WITH_VALUE = {
    "-i": "-i", "--inputfile": "-i", "-f": "-f", "--charmap": "-f", "-A": "-A",
    "--alias-file": "-A",
}  # fmt: skip
_WITHOUT = frozenset(("-c", "--force", "-q", "--quiet", "-v", "--verbose", "--no-warnings=ascii"))
_BUILT_IN = re.compile(r"C(?:\.(?:UTF-8|utf8))?|POSIX")


def command(work: Work, command: Command) -> bool:
    """Convert one command, if it makes or picks a locale."""
    if command.name == "locale-gen":
        names = [w.value for w in command.arguments if not w.value.startswith("-")]
        _generate(work, command, names)
    elif command.name == "localedef" and not work.native:
        _generate(work, command, _compiled(command))
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


def _generate(work: Work, command: Command, names: list[str]) -> None:
    found = [_LOCALE.fullmatch(name) for name in names if not _BUILT_IN.fullmatch(name)]
    languages = [each["language"] for each in found if each is not None]
    known = all(names or [""]) and len(languages) == len(found)
    if not known or not words_only(command, command.core):
        _refuse(work, command)
    elif not languages:
        work.doom(command, NAME, "glibc has this locale built in")
    else:
        packs = [f"glibc-langpack-{each}" for each in dict.fromkeys(languages)]
        head = [work.manager, "install", "-y", "--nodocs"]
        why = "glibc's locales come ready made"
        work.edit(command.core, written(command, *head, *packs), NAME, why)
        work.uncleaned = command.blocks


def _refuse(work: Work, command: Command) -> None:
    work.refuse(
        command.core, "which locales are made here can't be read",
        f"{EDIT_IT}: dnf install -y glibc-langpack-en",
    )  # fmt: skip


def _compiled(command: Command) -> list[str]:
    """The locale that `localedef` makes of sources, which are in Debian's package `locales`; empty
    where it isn't one that a language pack holds: of another character set, name or folder."""
    values = [word.value for word in command.arguments]
    options: dict[str, str] = {}
    plain: list[str] = []
    rest = iter(values)
    for value in rest:
        name, equals, given = value.partition("=")
        if name in _WITH_VALUE:
            options[_WITH_VALUE[name]] = given if equals else next(rest, "")
        elif not value.startswith("-"):
            plain.append(value)
        elif value not in _WITHOUT:
            return [""]
    source, charset = options.get("-i", ""), options.get("-f", "UTF-8")
    other = charset.upper().replace("-", "") != "UTF8" or len(plain) != 1
    return [""] if other or not plain[0].startswith(source) else plain


def _edits_list(command: Command) -> bool:
    targets = [r.target for r in command.redirections if r.target is not None]
    return any(word.value == "/etc/locale.gen" for word in (*command.arguments, *targets))
