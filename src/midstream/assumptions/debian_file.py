"""Files that EL has under another name: certificates, what bash starts with, git's programs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding, own_files
from midstream.diagnostic import Rule
from midstream.dockerfile.shell import quote
from midstream.edit import Edit
from midstream.source import Span
from midstream.ubi.outcome import Outcome
from midstream.ubi.survey import stages_on_ubi

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.commands import Command
    from midstream.dockerfile.model import Stage
    from midstream.ubi.subject import Subject

NAME = "debian-file"

OTHER_NAME = Rule(
    "MS316",
    NAME,
    """\
**What it says.** A file or command has another name on EL: the bundle of certificates, the folder
for one's own, `update-ca-certificates`, `/etc/bash.bashrc`, OpenSSL's settings, ccache's folder of
compilers; or EL has no such file, as pip's `EXTERNALLY-MANAGED`.

**Why it matters.** `SSL_CERT_FILE` that names no file makes every connection fail when the image
runs, and the build is green; a certificate in a folder that nobody reads is not trusted, and below
`anchors` EL reads no further folders; a start file that bash doesn't read sets nothing; `sed -i` on
`/etc/ssl/openssl.cnf` changes a copy, and the level of security is in crypto-policies; and a folder
on PATH that isn't there is passed over.

**The way out.** midstream writes EL's name for it. Where the file is taken from another stage or
image, or more than its name is another, replace it with an edit.

**Source.** update-ca-trust(8), crypto-policies(7), and the file lists of EL's `ca-certificates`,
`openssl-libs`, `setup`, `git-core`, `openssh-server` and `ccache`; EPEL's `chromium` and
`tesseract`.
""",
)
RULES = (OTHER_NAME,)

_FILES = {
    "/etc/ssl/certs/ca-certificates.crt": "/etc/pki/tls/certs/ca-bundle.crt",
    "/usr/local/share/ca-certificates": "/etc/pki/ca-trust/source/anchors",
    "/etc/bash.bashrc": "/etc/bashrc",
    "/etc/default/locale": "/etc/locale.conf",
    "/usr/lib/ccache": "/usr/lib64/ccache",
    "/usr/lib/git-core": "/usr/libexec/git-core",
    "/usr/lib/openssh/sftp-server": "/usr/libexec/openssh/sftp-server",
    "/usr/bin/chromium": "/usr/bin/chromium-browser",
    "/usr/share/tesseract-ocr/4.00/tessdata": "/usr/share/tesseract/tessdata",
    "/usr/share/tesseract-ocr/5/tessdata": "/usr/share/tesseract/tessdata",
}
_FILE = re.compile(rf"(?<![\w.}}-])(?:{'|'.join(map(re.escape, _FILES))})(?![\w.-])")
# A certificate in a folder below the folder: Debian's program looks there, EL's doesn't.
_DEEPER = re.compile(r"/[^\s/:;&|\"']+/")
_CERTIFICATES = "/usr/local/share/ca-certificates"
_ELSEWHERE = {
    "/usr/share/ca-certificates": (
        "EL trusts what stands in /etc/pki/ca-trust/source/anchors",
        "put the certificate there, with an edit, and call update-ca-trust",
    ),
    "/etc/ca-certificates.conf": (
        "EL has no list of certificates: it trusts what stands in /etc/pki/ca-trust/source/anchors",
        "put the certificate there, with an edit, and call update-ca-trust",
    ),
    "/etc/ssl/openssl.cnf": (
        "OpenSSL reads /etc/pki/tls/openssl.cnf on EL, and its level from crypto-policies",
        "change that one with an edit, or call update-crypto-policies",
    ),
}
_ELSEWHERE["/usr/lib/ssl/openssl.cnf"] = _ELSEWHERE["/etc/ssl/openssl.cnf"]
_OTHER = re.compile(rf"(?<![\w.}}-])(?:{'|'.join(map(re.escape, _ELSEWHERE))})(?![\w.-])")
_MARKER = re.compile(r"/usr/lib/python3\S*/EXTERNALLY-MANAGED")
_PROGRAM, _OURS = "update-ca-certificates", "update-ca-trust"
_WHY = "EL's name for it"


def convert(subject: Subject) -> Outcome:
    """EL's names, in every live stage that stands on UBI."""
    edits = [Edit(span, _FILES[subject.dockerfile.text(span)], NAME, _WHY)
             for _, instruction, span in own_files(subject, _FILE, holding=tuple(_FILES))
             if instruction.flag("from") is None and not _is_deeper(subject, span)
             and not subject.is_claimed(span)]  # fmt: skip
    for _, command in _commands(subject):
        if subject.is_claimed(command.span):
            continue
        if command.name == _PROGRAM and not command.arguments:
            edits.append(Edit(command.core, quote(_OURS, command.quoting), NAME, _WHY))
        elif command.name == "rm" and _removes_marker(command) and command.program is not None:
            after = Span(command.program.span.end, command.program.span.end)
            option = '", "-f' if command.quoting == "json" else " -f"
            edits.append(Edit(after, option, NAME, "EL has no such file to remove"))
    return Outcome(tuple(edits))


def _is_deeper(subject: Subject, span: Span) -> bool:
    text = subject.dockerfile.source.text
    certificates = subject.dockerfile.text(span) == _CERTIFICATES
    return certificates and _DEEPER.match(text, span.end) is not None


def _removes_marker(command: Command) -> bool:
    """Whether pip's marker is all that a `rm` without `-f` removes."""
    options = [word.value for word in command.arguments if word.value.startswith("-")]
    files = [word.value for word in command.arguments if not word.value.startswith("-")]
    forced = any(re.fullmatch(r"-\w*f\w*|--force", option) for option in options)
    return bool(files) and not forced and all(map(_MARKER.fullmatch, files))


def _commands(subject: Subject) -> Iterator[tuple[Stage, Command]]:
    for stage in stages_on_ubi(subject):
        for instruction in stage.instructions:
            for command in subject.script(instruction).commands:
                yield stage, command


def check(subject: Subject) -> Iterator[Diagnostic]:
    """What is left under Debian's name, and what EL keeps in another way."""
    for stage, _, span in own_files(subject, _FILE, holding=tuple(_FILES)):
        name = subject.dockerfile.text(span)
        message = f"`{name}` is Debian's; EL has `{_FILES[name]}`"
        if _is_deeper(subject, span):
            message = f"EL reads no folders below {_FILES[name]}, where Debian's `{name}` has some"
        advice = "name it with an edit of the overlay"
        yield finding(subject, stage, OTHER_NAME, span, message, advice)
    for stage, instruction, span in own_files(subject, _OTHER, holding=tuple(_ELSEWHERE)):
        message, advice = _ELSEWHERE[subject.dockerfile.text(span)]
        # OPENSSL_CONF may name a file of one's own there.
        if instruction.keyword not in ("ENV", "ARG") or "openssl" not in message.lower():
            yield finding(subject, stage, OTHER_NAME, span, message, advice)
    for stage, command in _commands(subject):
        if command.name == _PROGRAM:
            yield finding(
                subject, stage, OTHER_NAME, command.core, f"`{_PROGRAM}` is Debian's",
                f"call `{_OURS}` instead, with an edit",
            )  # fmt: skip
        elif command.name == "mv" and any(_MARKER.fullmatch(w.value) for w in command.arguments):
            yield finding(
                subject, stage, OTHER_NAME, command.core, "EL has no EXTERNALLY-MANAGED to move",
                "drop the command with an edit: pip installs without it",
            )  # fmt: skip
