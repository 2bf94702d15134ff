"""Files of `/usr/share/doc`, which no install brings on UBI: an example, a schema, a script."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding
from midstream.diagnostic import Rule, Severity
from midstream.dockerfile.arguments import transfer
from midstream.ubi.survey import stages_on_ubi, survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.source import Span
    from midstream.ubi.subject import Subject

NAME = "left-out-docs"

NOT_INSTALLED = Rule(
    "MS326",
    NAME,
    """\
**What it says.** A command or COPY takes a file below `/usr/share/doc`.

**Why it matters.** UBI's dnf.conf says `tsflags=nodocs`, and midstream's installs `--nodocs`: what
an RPM marks as documentation isn't there. Debian's packages keep examples, schemas of databases and
scripts in that folder, and EL's have some of them elsewhere.

**The way out.** An edit: look for the file with `dnf repoquery -l PACKAGE`, or install that package
with `--setopt=tsflags=`.

**Source.** dnf.conf(5); /etc/dnf/dnf.conf in UBI's images.
""",
)
RULES = (NOT_INSTALLED,)

_FILE = re.compile(r"/usr/share/doc/[\w.${}+-]+.*")
# What takes folders of documentation away, makes one, or only talks about it.
_NOT_TAKING = frozenset(("chmod", "chown", "du", "echo", "find", "mkdir", "printf", "rm", "rmdir"))


def check(subject: Subject) -> Iterator[Diagnostic]:
    """The first such file of each instruction."""
    if "/usr/share/doc/" not in subject.dockerfile.source.text:
        return
    for stage in stages_on_ubi(subject):
        for instruction in stage.instructions:
            for span in list(_taken(subject, stage, instruction))[:1]:
                yield finding(
                    subject, stage, NOT_INSTALLED, span,
                    "files of documentation aren't installed on UBI",
                    "look for the file with `dnf repoquery -l`, or install its package with "
                    "--setopt=tsflags=, in an edit",
                    Severity.WARNING,
                )  # fmt: skip


def _taken(subject: Subject, stage: Stage, outer: Instruction) -> Iterator[Span]:
    for command in subject.script(outer).commands:
        if command.name in _NOT_TAKING:
            continue
        own = command.arguments
        if command.name in ("cp", "install", "mv") and own:
            own = own[:-1]  # into that folder is fine
        yield from (word.span for word in own if _FILE.fullmatch(word.value))
        for each in command.redirections:
            if each.operator == "<" and each.target and _FILE.fullmatch(each.target.value):
                yield each.target.span
    inner = outer.trigger or outer
    if inner.keyword == "COPY" and inner.flag("from") is not None:
        arrows = [a for a in subject.graph.needs(stage.index) if a.instruction is outer]
        ours = [a for a in arrows if a.target is not None and survey(subject)[a.target].manager]
        sources = transfer(subject.dockerfile, inner).sources if ours else ()
        yield from (item.span for item in sources if _FILE.fullmatch(item.text.strip("\"'")))
