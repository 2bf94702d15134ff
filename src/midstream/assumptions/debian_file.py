"""Files that EL has under another name: certificates, homes of Java, what bash starts with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding, occurrences
from midstream.diagnostic import Rule
from midstream.dockerfile.shell import quote
from midstream.edit import Edit
from midstream.ubi.outcome import Outcome
from midstream.ubi.survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.commands import Command
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.source import Span
    from midstream.ubi.subject import Subject

NAME = "debian-file"

OTHER_NAME = Rule(
    "MS316",
    NAME,
    """\
**What it says.** A file or command has another name on EL: the bundle of certificates, the folder
for one's own, `update-ca-certificates`, `/etc/bash.bashrc`, the homes of Java, ccache's folder of
compilers.

**Why it matters.** `SSL_CERT_FILE` that names no file makes every connection fail when the image
runs, and the build is green; a certificate in a folder that nobody reads is not trusted; a start
file that bash doesn't read sets nothing; and a folder on PATH that isn't there is passed over.

**The way out.** midstream writes EL's name for it. Where the file is taken from another stage or
image, name it with an edit.

**Source.** update-ca-trust(8), and the `ca-certificates`, `setup`, `ccache` and `java-*-openjdk`
packages of EL.
""",
)
RULES = (OTHER_NAME,)

_FILES = {
    "/etc/ssl/certs/ca-certificates.crt": "/etc/pki/tls/certs/ca-bundle.crt",
    "/usr/local/share/ca-certificates": "/etc/pki/ca-trust/source/anchors",
    "/etc/bash.bashrc": "/etc/bashrc",
    "/etc/default/locale": "/etc/locale.conf",
    "/usr/lib/ccache": "/usr/lib64/ccache",
    "/usr/lib/jvm/default-java": "/usr/lib/jvm/java",
}
_JAVA = r"/usr/lib/jvm/java-\d+-openjdk"
_MACHINE = r"-(?:amd64|arm64|ppc64el|s390x)"
_FILE = re.compile(
    rf"(?<![\w.}}-])(?:{'|'.join(map(re.escape, _FILES))}|{_JAVA}{_MACHINE})(?![\w.-])"
)
_PROGRAM, _OURS = "update-ca-certificates", "update-ca-trust"
_WHY = "EL's name for it"


def convert(subject: Subject) -> Outcome:
    """EL's names, in every live stage that stands on UBI."""
    edits = [Edit(span, _name_on_el(subject.dockerfile.text(span)), NAME, _WHY)
             for _, instruction, span in _files(subject)
             if instruction.flag("from") is None and not subject.is_claimed(span)]  # fmt: skip
    for _, command in _programs(subject):
        if not command.arguments and not subject.is_claimed(command.span):
            edits.append(Edit(command.core, quote(_OURS, command.quoting), NAME, _WHY))
    return Outcome(tuple(edits))


def _name_on_el(name: str) -> str:
    return _FILES.get(name) or re.sub(rf"{_MACHINE}$", "", name)


def _files(subject: Subject) -> Iterator[tuple[Stage, Instruction, Span]]:
    footings = survey(subject)
    for stage, outer, span in occurrences(subject, _FILE):
        if stage is None or footings[stage.index].manager is None:
            continue
        needs = [a for a in subject.graph.needs(stage.index) if a.instruction is outer]
        if all(arrow.target is not None for arrow in needs):  # no file of another image
            yield stage, outer.trigger or outer, span


def _programs(subject: Subject) -> Iterator[tuple[Stage, Command]]:
    footings = survey(subject)
    for stage in subject.live_stages:
        if footings[stage.index].manager is not None:
            for instruction in stage.instructions:
                for command in subject.script(instruction).commands:
                    if command.name == _PROGRAM:
                        yield stage, command


def check(subject: Subject) -> Iterator[Diagnostic]:
    """What is left under Debian's name."""
    for stage, _, span in _files(subject):
        name = subject.dockerfile.text(span)
        yield finding(
            subject, stage, OTHER_NAME, span, f"`{name}` is Debian's; EL has `{_name_on_el(name)}`",
            "name it with an edit of the overlay",
        )  # fmt: skip
    for stage, command in _programs(subject):
        yield finding(
            subject, stage, OTHER_NAME, command.core, f"`{_PROGRAM}` is Debian's",
            f"call `{_OURS}` instead, with an edit",
        )  # fmt: skip
