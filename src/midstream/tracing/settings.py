"""What a RUN is run under: its variables, what is there, what fails, and on which machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

from midstream.adapters.sandbox import Setting

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_VALUES = 4
_NOT_GIVEN = frozenset(
    ("PATH", "HOME", "IFS", "PWD", "OLDPWD", "RANDOM", "SRANDOM", "HOSTNAME", "UID", "EUID",
     "LINENO", "SECONDS", "OPTARG", "OPTIND", "REPLY", "PPID", "PIPESTATUS", "FUNCNAME", "SHELL",
     "EPOCHSECONDS", "EPOCHREALTIME", "MACHTYPE", "HOSTTYPE", "OSTYPE", "SHLVL", "LC_ALL")
)  # fmt: skip
_COMPARED = re.compile(
    r"""\$\{?(?P<name>[A-Za-z_]\w*)[^\s"'}]*\}?["']?\s+(?:=~|==?|!=)\s+["']?(?P<value>[\w./+-]+)"""
)
_CHOSEN = re.compile(
    r"""\bcase\s+["']?\$\{?(?P<name>[A-Za-z_]\w*)[^\s"'}]*\}?["']?\s+in\b(?P<body>.*?)\besac\b""",
    re.DOTALL,
)
_PATTERN = re.compile(r"""(?:\bin\b|;;|\A)\s*\(?["']?([\w./+-]+)[^\s()]*\)""")


def settings_for(
    text: str, symbols: Mapping[str, str], shipped: Mapping[str, str]
) -> list[Setting]:
    """The settings that a RUN's text is run under, before any command of it fails.

    `symbols` has its variables each standing for itself, and `shipped` those with a value.
    """
    found = [
        Setting(symbols),
        Setting({}, files=False, machine="aarch64"),
        Setting(shipped),
        Setting(shipped, tests=True),
        Setting(shipped, tests=False, machine="aarch64"),
    ]
    compared = _compared(text)
    for turn in range(min(_MOST_VALUES, max(map(len, compared.values()), default=0))):
        chosen = {name: values[turn % len(values)] for name, values in compared.items()}
        found.append(Setting({**shipped, **chosen}))
    return found


def may_be_given(name: str) -> bool:
    """Whether a variable is one that the shell doesn't set or need itself."""
    plain = name.isidentifier() and name.isascii()
    return plain and name not in _NOT_GIVEN and not name.startswith("BASH")


def failing(setting: Setting, line: str) -> Setting:
    """The same setting, where the command of this line fails as well."""
    return replace(setting, fails=(*setting.fails, line))


def _compared(text: str) -> dict[str, tuple[str, ...]]:
    """The values that a script compares its variables with, so that each branch is taken once."""
    found: dict[str, dict[str, None]] = {}
    for each in _COMPARED.finditer(text):
        found.setdefault(each["name"], {})[each["value"]] = None
    for each in _CHOSEN.finditer(text):
        for value in _PATTERN.findall(each["body"]):
            found.setdefault(each["name"], {})[value] = None
    return {name: tuple(values) for name, values in found.items() if name not in _NOT_GIVEN}


def described(setting: Setting) -> str:
    """A setting in words, for a finding."""
    said = "every file is there" if setting.files else "no file is there"
    if setting.tests is not None:
        said = "every test holds" if setting.tests else "no test holds"
    given = ", ".join(f"{name}={value}" for name, value in setting.variables.items())
    said += f" and {given[:120]}" if given else " and no variable is set"
    fails = " and ".join(f"`{line[:80]}`" for line in setting.fails)
    return f"{said}, and where {fails} fails" if fails else said
