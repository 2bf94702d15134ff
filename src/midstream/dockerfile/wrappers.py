"""Which program does the work: behind `sudo`, `env`, `timeout`, `xargs` and their like."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from midstream.dockerfile.commands import Word

# For each wrapper, the options that take the next word along, and how many words of its own
# stand before the command. From the manual pages of sudo, coreutils, findutils and bash.
_WITH_VALUE: dict[str, tuple[frozenset[str], int]] = {
    "chronic": (frozenset(), 0),
    "command": (frozenset(), 0),
    "eatmydata": (frozenset(), 0),
    "env": (frozenset(("-u", "--unset", "-C", "--chdir")), 0),
    "exec": (frozenset(("-a",)), 0),
    "ionice": (frozenset(("-c", "-n", "--class", "--classdata")), 0),
    "nice": (frozenset(("-n", "--adjustment")), 0),
    "nohup": (frozenset(), 0),
    "stdbuf": (frozenset(("-i", "-o", "-e", "--input", "--output", "--error")), 0),
    "sudo": (
        frozenset(
            (
                "-u", "--user", "-g", "--group", "-h", "--host", "-p", "--prompt", "-C", "-r", "-t",
                "-T", "-U", "-D", "--chdir",
            )
        ),
        0,
    ),
    "time": (frozenset(("-f", "--format", "-o", "--output")), 0),
    "timeout": (frozenset(("-k", "--kill-after", "-s", "--signal")), 1),
    "xargs": (
        frozenset(
            (
                "-I", "-n", "-P", "-L", "-d", "-a", "-s", "-E", "--max-args", "--max-procs",
                "--max-lines", "--delimiter", "--arg-file", "--max-chars",
            )
        ),
        0,
    ),
}  # fmt: skip
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


class Unwrapped(Struct, frozen=True):
    """`name` is "" where there is nothing but assignments, or a wrapper alone."""

    name: str
    program: Word | None
    arguments: tuple[Word, ...]
    wrappers: tuple[str, ...]


def unwrap(words: tuple[Word, ...]) -> Unwrapped:
    """Step over wrappers, their options and assignments, to the program that does the work."""
    wrappers: list[str] = []
    at = 0
    while at < len(words):
        name = words[at].value
        name = name.rsplit("/", 1)[-1] or name
        behind = _behind(name, words, at + 1) if name in _WITH_VALUE else None
        if behind is None or behind >= len(words):
            return Unwrapped(name, words[at], words[at + 1 :], tuple(wrappers))
        wrappers.append(name)
        at = behind
    return Unwrapped("", None, (), tuple(wrappers))


def _behind(name: str, words: tuple[Word, ...], at: int) -> int | None:
    """Where the wrapped command starts; None where this isn't a wrapper after all."""
    takes_value, own = _WITH_VALUE[name]
    while at < len(words):
        text = words[at].value
        if name == "command" and text in ("-v", "-V"):  # asks where a program is, runs nothing
            return None
        if text.startswith("-") and len(text) > 1:
            at += 2 if text in takes_value else 1
        elif name in ("env", "sudo") and _ASSIGNMENT.match(text):
            at += 1
        else:
            break
    return at + own
