"""What is Debian's, stays as it was, and nobody has said a word about: the net under the others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.diagnostic import Diagnostic, Rule, Severity
from midstream.source import Span
from midstream.ubi.survey import stages_on_ubi

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.dockerfile.model import Instruction, Stage
    from midstream.ubi.outcome import Outcome
    from midstream.ubi.subject import Subject

NAME = "left-over"

LEFT_OVER = Rule(
    "MS209",
    "debian-left-over",
    """\
**What it says.** Something of Debian's is in an instruction that no conversion changed and no other
finding is about: a command in a string that is put together, a file in a folder of apt's.

**Why it matters.** On UBI it fails, or does nothing where it should do something.

**The way out.** Replace it with an edit in the overlay, or say there that it may stay.
""",
)
RULES = (LEFT_OVER,)

_KINDS = frozenset(("RUN", "CMD", "ENTRYPOINT", "ENV", "ARG", "COPY", "ADD", "HEALTHCHECK"))
_PROGRAMS = (
    r"apt-(?:get|key|cache|mark|config)",
    r"apt\s+(?:-\w+\s+)*(?:install|update|upgrade|remove|purge)", "add-apt-repository",
    "aptitude", r"dpkg(?:-\w+)*", r"debconf-\w+", "lsb_release", "locale-gen",
    "update-locale", "adduser", "addgroup", "deluser", "gdebi", r"invoke-rc\.d", r"update-rc\.d",
    "start-stop-daemon",
)  # fmt: skip
_PLACES = (
    r"/etc/apt(?![\w-])", r"/var/lib/(?:apt|dpkg)(?![\w-])", r"\.deb(?![\w-])", "DEBIAN_FRONTEND",
    "UBUNTU_CODENAME", "VERSION_CODENAME",
)  # fmt: skip
_COMPILERS = ("gcc", r"g\+\+", "gfortran")
_HOSTS = ("deb", "apt")  # what these hosts serve sets up apt
# Most letters begin none of them, which one look says.
_FIRST = {each.lstrip("\\")[0] for each in (*_PROGRAMS, *_PLACES, *_COMPILERS, *_HOSTS)}
_DEBIANS = re.compile(
    rf"(?=[{''.join(sorted(_FIRST))}])(?:"
    rf"(?<![\w./-])(?:{'|'.join(_PROGRAMS)})(?![\w.-])|{'|'.join(_PLACES)}"
    rf"|(?<=://)(?:{'|'.join(_HOSTS)})\.[\w-]+(?:\.[\w-]+)+"
    rf"|(?<![\w.-])(?:{'|'.join(_COMPILERS)})-\d+(?![\w.-]))"
)
_ON_UBI_TOO = "adduser"


def left_over(subject: Subject, outcome: Outcome) -> Iterator[Diagnostic]:
    """A finding for each instruction of a stage on UBI in which something is left unsaid."""
    for stage in stages_on_ubi(subject):
        for instruction in stage.instructions:
            if (instruction.trigger or instruction).keyword in _KINDS:
                yield from _look(subject, stage, instruction, outcome)


def _look(
    subject: Subject, stage: Stage, instruction: Instruction, outcome: Outcome
) -> Iterator[Diagnostic]:
    whole = instruction.span
    text = subject.dockerfile.source.text
    hits = [Span(*each.span()) for each in _DEBIANS.finditer(text, whole.start, whole.end)]
    if not hits or any(found.is_error and found.span in whole for found in outcome.diagnostics):
        return
    edits = [edit.span for edit in outcome.edits if edit.span.overlaps(whole)]
    image = subject.graph.root(stage.index).image
    native = image is not None and subject.platform.base_for(image) is not None
    for hit in hits:
        if native and text[hit.start : hit.end] == _ON_UBI_TOO:
            continue
        if any(hit.overlaps(edit) for edit in edits) or subject.is_claimed(hit):
            continue
        if _is_comment(text, hit):
            continue
        yield Diagnostic(
            rule=LEFT_OVER,
            severity=Severity.WARNING
            if _is_only_said(subject, instruction, hit)
            else Severity.ERROR,
            message=f"`{text[hit.start : hit.end]}` is Debian's, and stays as it is",
            source=subject.dockerfile.source,
            span=hit,
            help="replace it with an edit of the overlay",
            context=f"stage {stage.label}",
        )
        return


def _is_comment(text: str, hit: Span) -> bool:
    line = text[text.rfind("\n", 0, hit.start) + 1 : hit.start]
    return line.lstrip().startswith("#")


def _is_only_said(subject: Subject, instruction: Instruction, hit: Span) -> bool:
    """Whether it stands in what a command prints, and only there."""
    return any(
        command.name in ("echo", "printf") and hit in command.span and not command.redirections
        for command in subject.script(instruction).commands
    )
