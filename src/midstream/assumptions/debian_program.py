"""Programs that Debian's packages bring and EL's don't: `a2enmod`, `cron`, `service x start`."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding
from midstream.diagnostic import Rule, Severity
from midstream.dockerfile.commands import LOOKING
from midstream.ubi.survey import stages_on_ubi

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.commands import Command
    from midstream.dockerfile.model import Stage
    from midstream.ubi.subject import Subject

NAME = "debian-program"

NOT_ON_EL = Rule(
    "MS324",
    NAME,
    """\
**What it says.** A command is a program that Debian's package of that software brings and EL's
doesn't, or the package manager of another system, or starts a service by an init script; or `sshd`
runs and nothing makes its host keys.

**Why it matters.** In a RUN the build stops, unless `|| true` stands behind it. In CMD, ENTRYPOINT
and HEALTHCHECK the build is green, and the container doesn't start or is called unhealthy. Debian's
`openssh-server` makes keys when it is installed; EL leaves that to systemd.

**The way out.** An edit with what the finding names. Without systemd a container starts its daemon
itself: EL's `service` asks systemd, whatever is installed.

**Source.** The file lists of EL's `httpd`, `cronie`, `postgresql-server`, `php`, `ccache`,
`initscripts-service` and `openssh-server`, beside Debian's.
""",
)
RULES = (NOT_ON_EL,)

_ITSELF = (
    "start the daemon itself, with an edit: EL's `service` asks systemd, which doesn't run here"
)
_NOTHING = "drop the command with an edit, or do on EL what it is for"
_INSTEAD = {
    "a2enmod": "EL's httpd loads what /etc/httpd/conf.modules.d says: write it there, with an edit",
    "a2ensite": "EL's httpd reads /etc/httpd/conf.d/*.conf: put the site there, with an edit",
    "apache2": "call `httpd -DFOREGROUND`, with an edit",
    "batcat": "call `bat`, with an edit",
    "cron": "call `crond -n`, with an edit",
    "fdfind": "call `fd`, with an edit",
    "netcat": "call `nc` of nmap-ncat, with an edit",
    "pg_createcluster": "call `initdb` and `pg_ctl`, which EL has in /usr/bin, with an edit",
    "phpenmod": "EL's PHP loads what /etc/php.d says: write it there, with an edit",
    "service": _ITSELF,
    "update-ccache-symlinks": "drop it with an edit: EL's links are in /usr/lib64/ccache",
    "update-java-alternatives": "call `alternatives --set java`, with an edit",
}
_INSTEAD |= dict.fromkeys(("a2dismod",), _INSTEAD["a2enmod"])
_INSTEAD |= dict.fromkeys(("a2dissite", "a2enconf", "a2disconf"), _INSTEAD["a2ensite"])
_INSTEAD |= dict.fromkeys(("apache2ctl",), _INSTEAD["apache2"])
_INSTEAD |= dict.fromkeys(("phpdismod", "phpquery"), _INSTEAD["phpenmod"])
_INSTEAD |= dict.fromkeys(
    ("pg_ctlcluster", "pg_dropcluster", "pg_lsclusters"), _INSTEAD["pg_createcluster"]
)
_INSTEAD |= dict.fromkeys(
    ("deb-systemd-helper", "deb-systemd-invoke", "debootstrap", "debsums", "ischroot",
     "localepurge", "savelog", "tasksel", "unminimize", "update-grub", "update-initramfs"),
    _NOTHING,
)  # fmt: skip
_OTHERS = {"apk": "Alpine", "zypper": "SUSE"}  # their images take rows of images.yaml too
_SYSTEM = frozenset(("", "/bin", "/sbin", "/usr/bin", "/usr/sbin"))


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Each such command in the stages on UBI."""
    for stage in stages_on_ubi(subject):
        for instruction in stage.instructions:
            script = subject.script(instruction)
            known = set(script.functions)
            for command in script.commands:
                if command.name in LOOKING:
                    known.update(word.value for word in command.arguments)
                if command.program is not None and command.name not in known:
                    yield from _command(subject, stage, command)


def _command(subject: Subject, stage: Stage, command: Command) -> Iterator[Diagnostic]:
    path = command.program.value if command.program is not None else ""
    folder, name = posixpath.split(path)
    if folder == "/etc/init.d":
        message = f"`{path}` isn't there: EL's packages bring no init scripts"
        yield finding(subject, stage, NOT_ON_EL, command.core, message, _ITSELF)
    elif folder in _SYSTEM and name in _INSTEAD:
        message = f"`{name}` is Debian's, and EL's packages bring no such program"
        if name == "service":
            message = "`service` starts nothing here: EL has no init scripts, and asks systemd"
        yield finding(subject, stage, NOT_ON_EL, command.core, message, _INSTEAD[name])
    elif folder in _SYSTEM and name in _OTHERS:
        message = f"`{name}` is {_OTHERS[name]}'s, and this stage stands on UBI"
        advice = "install the RPMs that stand for these packages, with an edit"
        yield finding(subject, stage, NOT_ON_EL, command.core, message, advice)
    elif folder in _SYSTEM and name == "sshd" and not _has_keys(subject, stage):
        yield finding(
            subject, stage, NOT_ON_EL, command.core,
            "nothing makes the host keys of `sshd`, which EL's package leaves to systemd",
            "RUN ssh-keygen -A after the install, with an edit", Severity.WARNING,
        )  # fmt: skip


def _has_keys(subject: Subject, stage: Stage) -> bool:
    texts = (subject.dockerfile.text(each.span) for each in subject.lineage(stage))
    return any("ssh-keygen" in text or "ssh_host_" in text for text in texts)
