"""A RUN that calls a script of the build context, in which apt is called."""

from __future__ import annotations

import posixpath
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


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Every Debian command in the scripts that live RUNs call."""
    footings = survey(subject)
    seen: set[str] = set()
    for stage in subject.live_stages:
        if footings[stage.index].manager is None:
            continue
        for instruction in stage.instructions:
            for word in called_scripts(subject.script(instruction)):
                source = find_script(subject, word.value)
                if source is None or source.name in seen or not source.name.endswith("sh"):
                    continue
                seen.add(source.name)
                calls = [c for c in read_text(source.text).commands if c.name in _DEBIAN]
                if calls:
                    yield _finding(subject, source, calls[0], word.span, stage.label)


def find_script(subject: Subject, path: str) -> Source | None:
    """A file of the build context that a RUN calls under this path, wherever it was copied to."""
    wanted = posixpath.normpath(path).lstrip("/")
    if wanted in subject.context:
        return subject.context[wanted]
    name = posixpath.basename(wanted)
    found = [each for each in subject.context if posixpath.basename(each) == name]
    return subject.context[found[0]] if len(found) == 1 else None


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
