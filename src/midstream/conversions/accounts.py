"""Debian's `adduser` and its kin as shadow-utils' `useradd`, `groupadd`, `usermod`.

On EL `adduser` is another name of `useradd`, so Debian's options fail there; those of `adduser`
itself that both have mean the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from midstream.conversions.work import EDIT_IT, NO_TRANSLATION, words_only, written

if TYPE_CHECKING:
    from midstream.conversions.work import Work
    from midstream.dockerfile.commands import Command, Word

NAME = "accounts"
RULES = (NO_TRANSLATION,)

_PROGRAMS = frozenset(("adduser", "addgroup", "deluser", "delgroup"))
_SILENT = frozenset(("--quiet", "-q", "--disabled-password", "--disabled-login", "--debug"))
_FLAGS = frozenset(("--system", "--group", "--no-create-home", "--remove-home"))
_WITH_VALUE = {
    "--uid": "--uid", "--gid": "--gid", "--ingroup": "--gid", "--home": "--home-dir",
    "--shell": "--shell", "--gecos": "--comment", "--comment": "--comment",
}  # fmt: skip
_NOBODY = "65534"  # Debian's nogroup and EL's nobody have the same number


@dataclass
class _Asked:
    """What an adduser or addgroup is told. Words are kept as written, quotes included."""

    flags: set[str] = field(default_factory=set)
    values: list[tuple[str, str]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    strange: str = ""


def command(work: Work, command: Command) -> bool:
    """Convert one command, if it is one of these."""
    if command.name not in _PROGRAMS or work.native:
        return False
    asked = _read(command.arguments)
    words = _translated(command.name, asked) if not asked.strange else None
    if words is None or not words_only(command, command.core) or _has_comment(work, command):
        what = f"`{asked.strange}` of " if asked.strange else ""
        work.refuse(
            command.core, f"{what}`{command.name}` has no known counterpart",
            f"{EDIT_IT}, with useradd or groupadd",
        )  # fmt: skip
        return True
    work.edit(command.core, written(command, *words), NAME, "shadow-utils has other options")
    return True


def _has_comment(work: Work, command: Command) -> bool:
    return re.search(r"\n[ \t]*#", work.text[command.core.start : command.core.end]) is not None


def _read(arguments: tuple[Word, ...]) -> _Asked:
    asked = _Asked()
    waiting = ""
    for word in arguments:
        name, equals, value = word.text.partition("=")
        if waiting:
            asked.values.append((waiting, word.text))
            waiting = ""
        elif not word.text.startswith("-"):
            asked.names.append(word.text)
        elif word.text in _FLAGS:
            asked.flags.add(word.text)
        elif name in _WITH_VALUE and equals:
            asked.values.append((name, value))
        elif name in _WITH_VALUE:
            waiting = name
        elif word.text not in _SILENT:
            asked.strange = asked.strange or word.text
    if waiting:
        asked.strange = waiting
    return asked


def _translated(program: str, asked: _Asked) -> list[str] | None:
    makes_group = program == "addgroup" or (
        program == "adduser" and "--group" in asked.flags and "--system" not in asked.flags
    )
    if len(asked.names) == 2 and not asked.flags and not asked.values:
        user, group = asked.names
        if program in ("adduser", "addgroup"):
            return ["usermod", "-aG", group, user]
        return ["gpasswd", "-d", user, group]
    if len(asked.names) != 1:
        return None
    if program == "deluser":
        return _deleted("userdel", asked)
    if program == "delgroup":
        return _deleted("groupdel", asked)
    return _group(asked) if makes_group else _user(asked)


def _deleted(program: str, asked: _Asked) -> list[str] | None:
    if asked.values or asked.flags - {"--remove-home"}:
        return None
    remove = ["--remove"] if "--remove-home" in asked.flags else []
    return [program, *remove, *asked.names]


def _group(asked: _Asked) -> list[str] | None:
    if any(option != "--gid" for option, _ in asked.values):
        return None
    system = ["--system"] if "--system" in asked.flags else []
    return ["groupadd", *system, *_values(asked), *asked.names]


def _user(asked: _Asked) -> list[str]:
    words = ["useradd"]
    given = {option for option, _ in asked.values}
    if "--system" in asked.flags:
        words.append("--system")
        if "--group" in asked.flags:
            words.append("--user-group")
        elif not given & {"--gid", "--ingroup"}:
            words += ["--gid", _NOBODY]
        if "--shell" not in given:
            words += ["--shell", "/sbin/nologin"]
    home = "--no-create-home" if "--no-create-home" in asked.flags else "--create-home"
    return [*words, home, *_values(asked), *asked.names]


def _values(asked: _Asked) -> list[str]:
    return [word for option, value in asked.values for word in (_WITH_VALUE[option], value)]
