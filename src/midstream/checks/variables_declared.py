"""Every variable that a RUN reads is declared: here, in its lineage, or by the sibling's image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.diagnostic import Rule, Severity
from midstream.dockerfile.variables import PROXIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.checks.view import View
    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.commands import Script
    from midstream.dockerfile.model import Instruction, Stage

NAME = "variables-declared"

UNDECLARED = Rule(
    "MS352",
    NAME,
    """\
**What it says.** A RUN reads a variable that nothing declares: no ARG or ENV of the stage or of
what it is FROM, no assignment in the RUN, and not the ENV of the sibling's image.

**Why it matters.** The shell puts nothing in its place: `rm -rf $X/` and `-DPREFIX=$X` do something
else without a word. It is an error where upstream declares the variable and the result doesn't; a
warning where upstream's base image may have declared it. What a RUN reads after it sourced a file
may be set there, and is not asked about.

**The way out.** Declare it with an edit, or give `${X:-default}`.
""",
)
RULES = (UNDECLARED,)

# What shells and the container runtime set by themselves.
_KNOWN = PROXIES | frozenset(
    (
        "BASH", "BASHPID", "BASH_SOURCE", "BASH_VERSION", "EUID", "FUNCNAME", "GROUPS", "HOME",
        "HOSTNAME", "IFS", "LANG", "LC_ALL", "LINENO", "LOGNAME", "MAIL", "OLDPWD", "OPTARG",
        "OPTIND", "PATH", "PIPESTATUS", "PPID", "PS1", "PWD", "RANDOM", "REPLY", "SECONDS",
        "SHELL", "SHLVL", "TERM", "TMPDIR", "UID", "USER", "VIRTUAL_ENV",
    )
)  # fmt: skip


def check(view: View) -> Iterator[Diagnostic]:
    """Each undeclared variable once in a stage, at its first use."""
    for stage in view.subject.live_stages:
        seen: set[str] = set()
        for instruction in stage.instructions:
            yield from _instruction(view, stage, instruction, seen)


def _instruction(
    view: View, stage: Stage, instruction: Instruction, seen: set[str]
) -> Iterator[Diagnostic]:
    script = view.subject.script(instruction)
    if not script.reads:
        return
    declared = view.subject.graph.scope.declared(instruction) | _read_in(script)
    sourced = [c.span.start for c in script.commands if c.name in ("source", ".")]
    for read in script.reads:
        name = read.name
        if name in declared or name in script.assigned or name in _KNOWN or name in seen:
            continue
        if read.has_default or not name.isidentifier():
            continue
        lost = name in view.declared_upstream
        if not lost and any(start < read.span.start for start in sourced):
            continue  # a file that is sourced may set it
        seen.add(name)
        yield view.finding(
            UNDECLARED, read.span, f"`${name}` is read, and nothing declares it",
            f"declare it with an edit (ARG {name} or ENV {name}=…), or write ${{{name}:-…}}",
            stage=stage, severity=Severity.ERROR if lost else Severity.WARNING,
        )  # fmt: skip


_READING = frozenset(("getopts", "mapfile", "read", "readarray"))


def _read_in(script: Script) -> frozenset[str]:
    """The names that `read` and its like give a value."""
    words = (w.value for c in script.commands if c.name in _READING for w in c.arguments)
    return frozenset(words)
