"""The users that commands create."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from midstream.dockerfile.commands import Command


def created(command: Command) -> tuple[str, ...]:
    """The name and the number of the user that a command creates."""
    if command.name not in ("useradd", "adduser"):
        return ()
    words = [word.value for word in command.arguments]
    found = []
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in ("-u", "--uid"):
            found += [value] if equals else words[index + 1 : index + 2]
    name = words[-1] if words else ""
    known = name and not name.startswith("-") and "$" not in name
    return (*found, name) if known else tuple(found)


def group_of(command: Command) -> str:
    """The first group of the user that a command creates: by default one of its own."""
    words = [word.value for word in command.arguments]
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in ("-g", "--gid", "--ingroup"):
            return value if equals else "".join(words[index + 1 : index + 2])
    return "its own"
