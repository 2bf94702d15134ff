"""`/usr/lib/x86_64-linux-gnu` and its like become `/usr/lib64`; `CC=/usr/bin/gcc-13` a toolset's;
a `find` for libraries in `/usr/lib` looks in `/usr/lib64` too.

Only the system's own folders: where a build puts its libraries under another prefix is the build's
business, and an assumption that is looked at elsewhere.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

from midstream.conversions.work import NO_TRANSLATION, is_exec, written
from midstream.diagnostic import Diagnostic, Severity
from midstream.dockerfile.arguments import transfer
from midstream.dockerfile.joined import join
from midstream.edit import Edit
from midstream.source import Span
from midstream.ubi.outcome import Outcome
from midstream.ubi.survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.dockerfile.commands import Command
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.ubi.subject import Subject

NAME = "debian-paths"
RULES = (NO_TRANSLATION,)

_MACHINE = r"(?:x86_64|aarch64|powerpc64le|s390x|\$\(uname -m\)|\$\(arch\)|`uname -m`)"
_FOLDER = re.compile(rf"(?=/)(?<![\w.}}/$-])(?:/usr)?/lib/{_MACHINE}-linux-gnu(?![\w-])")
_COMPILER = re.compile(r"(?=/)(?<![\w/.-])/usr/bin/(?P<name>gcc|g\+\+)-(?P<version>\d+)(?![\w.-])")
_HOLDING = ("-linux-gnu", "/usr/bin/g")
_KINDS = frozenset(("RUN", "ENV", "ARG", "COPY", "CMD", "ENTRYPOINT", "WORKDIR", "VOLUME"))


def convert(subject: Subject) -> Outcome:
    """Rewrite the folders in every live stage that stands on UBI."""
    footings = survey(subject)
    on_ubi = {index for index, footing in footings.items() if footing.manager is not None}
    outcomes = []
    for stage in subject.live_stages:
        for outer in stage.instructions if stage.index in on_ubi else ():
            inner = outer.trigger or outer
            if inner.keyword in _KINDS:
                parts = _parts(subject, stage, outer, inner, on_ubi)
                edits = (*_folders(subject, inner.keyword, parts), *_searches(subject, outer))
                outcomes.append(_checked(subject, outer, edits))
    return Outcome.merged(outcomes)


def _parts(
    subject: Subject, stage: Stage, outer: Instruction, inner: Instruction, on_ubi: set[int]
) -> list[Span]:
    """Where to look: not at the files of another image, which stand where that one has them; and
    not at all where nothing stands of what each match holds, as in most instructions."""
    dockerfile = subject.dockerfile
    if not any(each in dockerfile.text(outer.span) for each in _HOLDING):
        return []
    if inner.flag("from") is not None:
        arrows = [a for a in subject.graph.needs(stage.index) if a.instruction is outer]
        if not any(arrow.target in on_ubi for arrow in arrows):
            there = transfer(dockerfile, inner).destination
            return [there.span] if there is not None else []
    pieces = join(dockerfile.source.text, inner.arguments, dockerfile.escape).pieces
    return [Span(*each) for each in pieces] + [h.body for h in inner.heredocs]


def _folders(subject: Subject, keyword: str, parts: list[Span]) -> Iterator[Edit]:
    text = subject.dockerfile.source.text
    for part in parts:
        if keyword in ("ENV", "ARG"):
            yield from _compilers(subject, part)
        for found in _FOLDER.finditer(text, part.start, part.end):
            new = "/usr/lib64" if found[0].startswith("/usr") else "/lib64"
            span = Span(*found.span())
            if not subject.is_claimed(span):
                yield Edit(span, new, NAME, "EL keeps a machine's libraries in lib64")


_STARTS = frozenset(("/lib", "/lib/", "/usr/lib", "/usr/lib/"))
_LIBRARY = re.compile(r"\.so\b|(?:^|/|\*)lib[\w+-]*[*.]")


def _searches(subject: Subject, instruction: Instruction) -> Iterator[Edit]:
    """`find /usr/lib -name libnccl.so.2` finds nothing on EL: the machine's are in lib64."""
    for command in subject.script(instruction).commands:
        if command.name != "find" or subject.is_claimed(command.span):
            continue
        starts = list(takewhile(lambda w: not w.text.startswith(("-", "(", "\\", "!")),
                                command.arguments))  # fmt: skip
        sought = [word.value for word in command.arguments[len(starts) :]]
        ours = [word for word in starts if word.value in _STARTS]
        knows = any("lib64" in word.value for word in starts)
        if ours and not knows and any(_LIBRARY.search(each) for each in sought):
            place = Span(ours[-1].span.end, ours[-1].span.end)
            new = f"{_gap(command)}{written(command, '/usr/lib64')}"
            yield Edit(place, new, NAME, "EL keeps a machine's libraries in lib64")


def _gap(command: Command) -> str:
    """What stands between two words of a command."""
    return '", "' if is_exec(command) else " "


def _compilers(subject: Subject, part: Span) -> Iterator[Edit]:
    """Debian's `/usr/bin/gcc-13` is where the RPM that stands for `gcc-13` has its compiler."""
    for found in _COMPILER.finditer(subject.dockerfile.source.text, part.start, part.end):
        row = subject.packages.find(f"{found['name']}-{found['version']}")
        rpm = row.rpms[0] if row is not None and len(row.rpms) == 1 else ""
        toolset = re.fullmatch(r"(gcc-toolset-\d+)-gcc(?:-c\+\+)?", rpm)
        if not toolset and rpm not in ("gcc", "gcc-c++"):
            continue
        root = f"/opt/rh/{toolset[1]}/root" if toolset else ""
        span = Span(*found.span())
        if not subject.is_claimed(span):
            yield Edit(span, f"{root}/usr/bin/{found['name']}", NAME, "EL's name of this compiler")


def _checked(subject: Subject, instruction: Instruction, edits: tuple[Edit, ...]) -> Outcome:
    """`ln -s` from Debian's folder to lib64 would lead to itself."""
    for command in subject.script(instruction).commands if edits else ():
        if command.name not in ("ln", "cp", "mv"):
            continue
        paths = [w.text for w in command.arguments if not w.text.startswith("-")]
        moved = [_FOLDER.sub("/usr/lib64", path) for path in paths]
        if moved != paths and len(set(moved)) < len(moved):
            return Outcome(diagnostics=(_to_itself(subject, instruction, command.core),))
    return Outcome(edits)


def _to_itself(subject: Subject, instruction: Instruction, span: Span) -> Diagnostic:
    stage = subject.dockerfile.stage_of(instruction)
    return Diagnostic(
        rule=NO_TRANSLATION, severity=Severity.ERROR,
        message="on EL both paths are the same", source=subject.dockerfile.source, span=span,
        help="drop this command with an edit of the overlay",
        context=f"stage {stage.label}" if stage is not None else "",
    )  # fmt: skip
