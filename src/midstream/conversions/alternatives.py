"""`update-alternatives`: the names that Debian's choices are about stand elsewhere on EL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.conversions.work import EDIT_IT, NO_TRANSLATION, words_only, written
from midstream.edit import Edit
from midstream.source import Span

if TYPE_CHECKING:
    from midstream.conversions.work import Work
    from midstream.dockerfile.commands import Command

NAME = "alternatives"
RULES = (NO_TRANSLATION,)

_COMPILER = re.compile(r"/usr/bin/(?P<name>gcc|g\+\+|cpp|gcov)-(?P<version>\d+)")
_PYTHON = re.compile(r"/usr/bin/(?:python|pip)\S*|(?:python|pip)[\d.]*")


class _Link(Struct, frozen=True):
    """`link` leads to `path`, under the name of a group of alternatives."""

    link: str
    name: str
    path: str


def command(work: Work, command: Command) -> bool:
    """Convert one command, if it chooses among Debian's alternatives."""
    if command.name != "update-alternatives" or work.native:
        return False
    words = [w.value for w in command.arguments]
    if any(_PYTHON.fullmatch(word) for word in words):
        return False  # dnf runs on it: that is what `system-python` is about
    verb = next((w for w in words if w.startswith("--") and w not in ("--quiet", "--force")), "")
    rest = [w for w in words if w != verb and w not in ("--quiet", "--force")]
    if not words_only(command, command.core):
        work.refuse(command.core, "a redirection stands among the words")
    elif verb == "--install" and len(rest) >= 4:
        _install(work, command, rest)
    else:
        _refuse(work, command)
    return True


def _install(work: Work, command: Command, rest: list[str]) -> None:
    links = [_Link(*rest[:3])]
    slaves = rest[4:]
    while len(slaves) >= 4 and slaves[0] == "--slave":
        links.append(_Link(*slaves[1:4]))
        slaves = slaves[4:]
    if slaves:
        _refuse(work, command)
    elif all(_COMPILER.fullmatch(each.path) for each in links):
        _compiler(work, command, links)
    else:
        _refuse(work, command)


def _refuse(work: Work, command: Command) -> None:
    work.refuse(
        command.core, "what these alternatives lead to may stand elsewhere on UBI",
        f"{EDIT_IT}: `ln -sf …` into /usr/local/bin does the same for one path",
    )  # fmt: skip


def _compiler(work: Work, command: Command, links: list[_Link]) -> None:
    """The system's compiler is where it should be; a toolset's is put on PATH."""
    rpms: set[str] = set()
    for each in links:
        found = _COMPILER.fullmatch(each.path)
        row = work.subject.packages.find(each.path.removeprefix("/usr/bin/")) if found else None
        rpms.update(row.rpms if row is not None else ("",))
    if rpms <= {"gcc", "gcc-c++"}:
        work.doom(command, NAME, "EL's compiler is /usr/bin/gcc already")
        return
    toolset = next(iter(rpms)).removesuffix("-c++").removesuffix("-gcc")
    whole = {f"{toolset}-gcc", f"{toolset}-gcc-c++"}
    conditional = any(not b.kind.endswith((" -c", "heredoc")) for b in command.blocks)
    if not toolset.startswith("gcc-toolset-") or not rpms <= whole or conditional:
        _refuse(work, command)
        return
    _enable(work, command, toolset)


def _enable(work: Work, command: Command, toolset: str) -> None:
    """`enable` for the rest of this RUN, and its PATH for all that follows it."""
    root = f"/opt/rh/{toolset}"
    why = "a toolset's compiler isn't in /usr/bin"
    if work.instruction.trigger is not None or command.before in ("||", "|") or command.wrappers:
        _refuse(work, command)
        return
    whole = work.subject.dockerfile.text(work.instruction.span)
    ending = "\r\n" if "\r\n" in whole else "\n"
    end = work.instruction.span.start + len(whole.rstrip("\r\n"))
    text = f'{ending}ENV PATH="{root}/root/usr/bin:${{PATH}}"'
    work.edit(command.core, written(command, ".", f"{root}/enable"), NAME, why)
    work.edits.append(Edit(Span(end, end), text, NAME, why))
