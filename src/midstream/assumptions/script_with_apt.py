"""Scripts of the build context in which apt is called, or that nobody has read."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding, in_comment
from midstream.diagnostic import Diagnostic, Place, Rule, Severity
from midstream.dockerfile.arguments import Item, mounts, transfer
from midstream.dockerfile.shell import called_scripts
from midstream.source import Span
from midstream.ubi.survey import stages_on_ubi

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.dockerfile.arguments import Mount
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.source import Source
    from midstream.ubi.subject import Subject

NAME = "script-with-apt"

CALLS_APT = Rule(
    "MS309",
    NAME,
    """\
**What it says.** A RUN calls a script of the build context, and the script calls apt or dpkg; or
such a script is copied, mounted or named where nothing shows how it is called.

**Why it matters.** Nothing in the Dockerfile shows it. On UBI the script fails, or passes over what
it should install if its errors are ignored.

**The way out.** Put a script of ours in its place: `files: {path: {with: script.sh.j2, why: …}}` in
the overlay.
""",
)
UNREAD = Rule(
    "MS318",
    "unread-script",
    """\
**What it says.** A script of the build context is copied or called, and it isn't among the files
that are watched.

**Why it matters.** Nobody has read it. It may call apt, and nothing in the Dockerfile shows it.

**The way out.** List it under `watch:` of the project's file in upstream/, and run
`midstream track`.
""",
)
RULES = (CALLS_APT, UNREAD)

_DEBIAN = frozenset(("apt", "apt-get", "apt-key", "aptitude", "dpkg", "add-apt-repository"))

# What the shell fills in: `$(uname -m)`, `${ARCH}`.
_LATER = re.compile(r"\$\([^()]*\)|`[^`]*`|\$\{[^}]*\}|\$\w+")

# A command that Python is given as a string or as the first of a list.
_IN_PYTHON = re.compile(r"""(?<=["'])(?:sudo )?(?P<name>apt|apt-get|aptitude|dpkg)(?=["' ])""")

# Behind one of these, a relative path is no longer one of the build context.
_ELSEWHERE = frozenset(("cd", "pushd", "git", "tar", "unzip"))


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Every script with a Debian command that live instructions call, bring in or name, once; and
    those that can't be read."""
    text = subject.dockerfile.source.text
    named = [path for path in subject.context if path in text]
    found: dict[str, Diagnostic] = {}
    for stage in stages_on_ubi(subject):
        for instruction in stage.instructions:
            for source, span, severity in _scripts(subject, instruction, named):
                earlier = found.get(source.name)
                if earlier is not None and (earlier.is_error or severity is Severity.WARNING):
                    continue
                call = _call_of_apt(subject, source)
                if call is not None:
                    found[source.name] = _finding(subject, source, call, span, stage, severity)
            for item in _unread(subject, instruction):
                found.setdefault(item.text, _nobody_read(subject, item, stage))
    yield from found.values()


def _scripts(
    subject: Subject, instruction: Instruction, paths: list[str]
) -> Iterator[tuple[Source, Span, Severity]]:
    """The scripts that an instruction calls; that it brings in by name; that it names at all.

    `paths` are those of the build context that the Dockerfile names anywhere.
    """
    for word in called_scripts(subject.script(instruction)):
        for source in find_scripts(subject, word.value):
            yield source, word.span, Severity.ERROR
    text = subject.dockerfile.source.text
    brought = [each.span for each in _brought(subject, instruction)]
    for path in paths:
        if text.find(path, instruction.span.start, instruction.span.end) == -1:
            continue
        named = re.compile(rf"(?<![\w.-]){re.escape(path)}(?![\w.-])")
        for found in named.finditer(text, instruction.span.start, instruction.span.end):
            span = Span(*found.span())
            if not in_comment(text, span.start, instruction.span.start):
                is_brought = any(span in each for each in brought)
                severity = Severity.ERROR if is_brought else Severity.WARNING
                yield subject.context[path], span, severity


def _brought(subject: Subject, instruction: Instruction) -> Iterator[Item | Mount]:
    """What an instruction takes out of the build context."""
    if instruction.keyword in ("COPY", "ADD") and instruction.flag("from") is None:
        yield from transfer(subject.dockerfile, instruction).sources
    elif instruction.keyword == "RUN":
        for mount in mounts(subject.dockerfile, instruction):
            if mount.type == "bind" and mount.get("from") is None:
                yield mount


def _unread(subject: Subject, instruction: Instruction) -> Iterator[Item]:
    """Scripts of the build context that aren't at hand, where there is a build context at all."""
    if not subject.context:
        return
    if instruction.keyword in ("COPY", "ADD") and instruction.flag("from") is None:
        for item in transfer(subject.dockerfile, instruction).sources:
            is_plain = re.fullmatch(r"[\w./-]+\.(?:sh|bash)", item.text)
            if is_plain and not find_scripts(subject, item.text):
                yield item
        return
    script = subject.script(instruction)
    if any(command.name in _ELSEWHERE for command in script.commands):
        return
    for word in called_scripts(script):
        # Without a folder it may be anything that was made or fetched before.
        is_below = re.fullmatch(r"\w[\w-]*/[\w./-]+\.(?:sh|bash)", word.value)
        if is_below and not find_scripts(subject, word.value):
            yield Item(word.value, word.span)


def _call_of_apt(subject: Subject, source: Source) -> tuple[str, Span] | None:
    """The first Debian command in a script."""
    if source.name.endswith(".py"):
        for found in _IN_PYTHON.finditer(source.text):
            line = source.text.rfind("\n", 0, found.start()) + 1
            if not source.text[line : found.start()].lstrip().startswith("#"):
                return found["name"], Span(*found.span())
        return None
    calls = (c for c in subject.scripts.of_text(source.text).commands if c.name in _DEBIAN)
    return next(((call.name, call.span) for call in calls), None)


def find_scripts(subject: Subject, path: str) -> tuple[Source, ...]:
    """The files of the build context that a RUN may call under this path, wherever they were
    copied to. `build_$(uname -m).sh` is any of those that fit; a name that fits files in several
    folders is none of them."""
    wanted = posixpath.normpath(path).lstrip("/")
    name = posixpath.basename(wanted)
    if not _LATER.search(wanted):
        return _find_plain(subject, wanted, name)
    for shape, part_of in ((wanted, str), (name, posixpath.basename)):
        fits = re.compile("[^/]*".join(re.escape(part) for part in _LATER.split(shape)))
        found = [each for each in subject.context if fits.fullmatch(part_of(each))]
        if len({posixpath.dirname(each) for each in found}) == 1:
            return tuple(subject.context[each] for each in sorted(found))
    return ()


def _find_plain(subject: Subject, wanted: str, name: str) -> tuple[Source, ...]:
    """As `find_scripts`, of a path in which the shell fills in nothing: as nearly all are."""
    if wanted in subject.context:
        return (subject.context[wanted],)
    found = [
        each for each in subject.context if each.endswith(name) and posixpath.basename(each) == name
    ]
    return (subject.context[found[0]],) if len(found) == 1 else ()


def _finding(
    subject: Subject,
    source: Source,
    call: tuple[str, Span],
    at: Span,
    stage: Stage,
    severity: Severity,
) -> Diagnostic:
    name, span = call
    line = source.position(span.start).line
    return Diagnostic(
        rule=CALLS_APT,
        severity=severity,
        message=f"`{source.name}` calls `{name}` in line {line}",
        source=subject.dockerfile.source,
        span=at,
        help=f"files: {{{source.name}: {{with: {posixpath.basename(source.name)}.j2, why: …}}}} "
        "in the overlay",
        context=f"stage {stage.label}",
        also=Place(source, span, "in the script"),
    )


def _nobody_read(subject: Subject, word: Item, stage: Stage) -> Diagnostic:
    return finding(
        subject, stage, UNREAD, word.span,
        f"`{word.text}` isn't among the watched files, so what it calls isn't known",
        "list it under `watch:` of the project's file in upstream/, and run `midstream track`",
        Severity.WARNING,
    )  # fmt: skip
