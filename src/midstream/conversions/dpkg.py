"""dpkg and its tools: what can be asked of the machine instead is; the rest is a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.conversions.work import EDIT_IT, NO_TRANSLATION, words_only, written

if TYPE_CHECKING:
    from midstream.conversions.work import Work
    from midstream.dockerfile.commands import Command

NAME = "dpkg"
RULES = (NO_TRANSLATION,)

_TOOLS = frozenset(
    ("dpkg", "dpkg-deb", "dpkg-divert", "dpkg-query", "dpkg-architecture", "dpkg-statoverride",
     "gdebi", "equivs-build", "alien")
)  # fmt: skip

# Debian's names for the machines that UBI runs on; elsewhere both names are the same.
_MACHINE = ("-e", "s/x86_64/amd64/", "-e", "s/aarch64/arm64/", "-e", "s/ppc64le/ppc64el/")


def command(work: Work, command: Command) -> bool:
    """Convert one command, if it is one of these."""
    if command.name not in _TOOLS:
        return False
    words = [word.value for word in command.arguments]
    if command.name == "dpkg" and words == ["--print-architecture"] and _can_be_piped(command):
        # The same output for every machine that UBI runs on, whatever it is used for.
        text = written(command, "uname", "-m", "|", "sed", *_MACHINE)
        work.edit(command.core, text, NAME, "the same names, without dpkg")
    elif command.name == "dpkg" and "--add-architecture" in words:
        work.refuse(
            command.core, "packages of another architecture have no counterpart on UBI",
            f"{EDIT_IT}; UBI has 32-bit libraries as `name.i686`",
        )  # fmt: skip
    elif any(w in ("-i", "--install") for w in words) or any(w.endswith("deb") for w in words):
        work.refuse(
            command.core, "a Debian package file can't be installed on UBI",
            f"{EDIT_IT}: take the vendor's RPM, or `make install` where the file was built here",
        )  # fmt: skip
    else:
        work.refuse(command.core, f"`{command.name}` asks or changes dpkg's records, not rpm's")
    return True


def _can_be_piped(command: Command) -> bool:
    """Whether a pipeline may stand in its place: nothing before it takes the first word."""
    bare = not command.wrappers and not command.assignments and words_only(command, command.core)
    return bare and "$(…)" in command.inside and not command.redirections
