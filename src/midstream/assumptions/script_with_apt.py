"""A RUN that calls a script of the build context, in which apt is called."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from midstream.diagnostic import Diagnostic, Place, Rule, Severity
from midstream.dockerfile.shell import called_scripts, read_text
from midstream.ubi.survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.dockerfile.commands import Command
    from midstream.source import Source, Span
    from midstream.ubi.subject import Subject

NAME = "script-with-apt"

CALLS_APT = Rule(
    "MS309",
    NAME,
    """\
**What it says.** A RUN calls a script of the build context, and the script calls apt or dpkg.

**Why it matters.** Nothing in the Dockerfile shows it. On UBI the script fails, or passes over what
it should install if its errors are ignored.

**The way out.** Put a script of ours in its place: `files: {path: {with: script.sh.j2, why: …}}` in
the overlay.
""",
)
RULES = (CALLS_APT,)

_DEBIAN = frozenset(("apt", "apt-get", "apt-key", "aptitude", "dpkg", "add-apt-repository"))

# What the shell fills in: `$(uname -m)`, `${ARCH}`.
_LATER = re.compile(r"\$\([^()]*\)|`[^`]*`|\$\{[^}]*\}|\$\w+")


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Every Debian command in the scripts that live RUNs call."""
    footings = survey(subject)
    seen: set[str] = set()
    for stage in subject.live_stages:
        if footings[stage.index].manager is None:
            continue
        for instruction in stage.instructions:
            for word in called_scripts(subject.script(instruction)):
                for source in find_scripts(subject, word.value):
                    if source.name not in seen and source.name.endswith("sh"):
                        seen.add(source.name)
                        yield from _script(subject, source, word.span, stage.label)


def _script(subject: Subject, source: Source, at: Span, stage: str) -> Iterator[Diagnostic]:
    calls = [c for c in read_text(source.text).commands if c.name in _DEBIAN]
    if calls:
        yield _finding(subject, source, calls[0], at, stage)


def find_scripts(subject: Subject, path: str) -> tuple[Source, ...]:
    """The files of the build context that a RUN may call under this path, wherever they were
    copied to. `build_$(uname -m).sh` is any of those that fit; a name that fits files in several
    folders is none of them."""
    wanted = posixpath.normpath(path).lstrip("/")
    for shape in (wanted, posixpath.basename(wanted)):
        fits = re.compile("[^/]*".join(re.escape(part) for part in _LATER.split(shape)))
        found = [
            each for each in subject.context
            if fits.fullmatch(each if shape == wanted else posixpath.basename(each))
        ]  # fmt: skip
        if len({posixpath.dirname(each) for each in found}) == 1:
            return tuple(subject.context[each] for each in sorted(found))
    return ()


def _finding(subject: Subject, source: Source, call: Command, at: Span, stage: str) -> Diagnostic:
    line = source.position(call.span.start).line
    return Diagnostic(
        rule=CALLS_APT,
        severity=Severity.ERROR,
        message=f"`{source.name}` calls `{call.name}` in line {line}",
        source=subject.dockerfile.source,
        span=at,
        help=f"files: {{{source.name}: {{with: {posixpath.basename(source.name)}.j2, why: …}}}} "
        "in the overlay",
        context=f"stage {stage}",
        also=Place(source, call.span, "in the script"),
    )
