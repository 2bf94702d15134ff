"""Users and groups that Debian's images have and EL's haven't: `www-data`, `nogroup`, `sudo`."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from midstream.assumptions.duplicate_user import LOOKING, users_of_image
from midstream.assumptions.places import finding, in_comment
from midstream.diagnostic import Rule
from midstream.dockerfile.users import created
from midstream.source import Span
from midstream.ubi.survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.commands import Command, Script
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.ubi.subject import Subject

NAME = "debian-account"

NO_SUCH_ACCOUNT = Rule(
    "MS320",
    NAME,
    """\
**What it says.** A user or group is named that Debian's `base-passwd` or Ubuntu's image brings and
EL's `setup` doesn't: in USER, in `--chown`, in a rule of sudo's (`%sudo ALL=…`), or in a command
such as `chown`, `usermod`, `userdel` or `su`.

**Why it matters.** A build stops at `chown` and `--chown`. A container whose USER has no entry
doesn't start, and the build is green. A rule for a group that isn't there gives nobody anything.

**The way out.** Create the account before, with an edit: `useradd --system www-data`; where it is
only removed or renamed, drop that. EL's name for the group `nogroup` is `nobody`, and for `sudo` it
is `wheel`: swap those.

**Source.** /usr/share/base-passwd on Debian, /etc/passwd in Ubuntu's image since 24.04; setup's
/etc/passwd and /etc/group on EL.
""",
)
RULES = (NO_SUCH_ACCOUNT,)

_EL = {"nogroup": "nobody", "sudo": "wheel"}
_USERS = frozenset(
    ("backup", "gnats", "irc", "list", "news", "proxy", "ubuntu", "uucp", "www-data", "_apt")
)
_GROUPS = _USERS | frozenset(
    ("dip", "fax", "nogroup", "plugdev", "sasl", "shadow", "src", "staff", "sudo", "voice")
)
_OF_GROUPS = re.compile(r"-g|-a?G|--gid|--groups?")
_OF_USERS = re.compile(r"-o|-u|--owner|--user")
_WITH_OPTIONS = frozenset(("install", "runuser", "sudo", "useradd", "usermod"))
_LAST_IS_USER = frozenset(("chage", "passwd", "userdel", "usermod"))
_LAST_IS_GROUP = frozenset(("groupdel", "groupmod"))
_RULE_OF_SUDO = re.compile(r"%sudo(?=[\s\\])")
_AS_USER = frozenset(("gosu", "runuser", "su", "su-exec"))
_NAMING = frozenset(("chgrp", "chown", "gpasswd")) | _WITH_OPTIONS | _AS_USER


def check(subject: Subject) -> Iterator[Diagnostic]:
    """The first place in each stage where such a name is used and nothing has created it."""
    footings = survey(subject)
    there: dict[int, set[str]] = {}
    for stage in subject.live_stages:
        parent = subject.graph.base(stage.index).target
        inherited = users_of_image(subject, stage.index) if parent is None else there[parent]
        known = there[stage.index] = set(inherited)
        if footings[stage.index].manager is None:
            continue
        for instruction in stage.instructions:
            yield from _instruction(subject, stage, instruction, known)


def _instruction(
    subject: Subject, stage: Stage, outer: Instruction, known: set[str]
) -> Iterator[Diagnostic]:
    for name, span in _named(subject, outer, known):
        known.add(name)
        instead = f"; EL has `{_EL[name]}`" if name in _EL else ""
        advice = f"create `{name}` before, with an edit"
        if name in _EL:
            advice = f"swap it with an edit: swap: [{name}, {_EL[name]}]"
        elif name == "ubuntu":
            advice += ", or drop what removes or renames it"
        yield finding(
            subject, stage, NO_SUCH_ACCOUNT, span, f"`{name}` is an account of Debian's{instead}",
            advice,
        )  # fmt: skip


def _named(subject: Subject, outer: Instruction, known: set[str]) -> Iterator[tuple[str, Span]]:
    """Debian's names in an instruction that aren't known by then, in the order of the text."""
    inner = outer.trigger or outer
    places = list(_pair(inner.value, inner.arguments) if inner.keyword == "USER" else ())
    for flag in inner.flags_named("chown"):
        places += _pair(flag.value or "", flag.span)
    yield from (place for place in places if place[0] not in known)
    script = subject.script(outer)
    for command in script.commands:
        known.update(_creates(command))
        yield from (place for place in _of_command(command) if place[0] not in known)
        changed = [place for place in _of_change(command) if place[0] not in known]
        if (
            changed
            and "||" not in (command.before, command.after)
            and not _is_asked(script, command)
        ):
            yield from changed
    text, span = subject.dockerfile.source.text, outer.span
    for found in _RULE_OF_SUDO.finditer(text, span.start, span.end):
        if "sudo" not in known and not in_comment(text, found.start(), span.start):
            yield "sudo", Span(*found.span())


def _creates(command: Command) -> Set[str]:
    if command.name in ("groupadd", "addgroup"):
        return {word.value for word in command.arguments}
    return set(created(command))  # a user's own group comes with it


def _pair(text: str, span: Span) -> Iterator[tuple[str, Span]]:
    """`user:group`, as USER, `--chown` and `chown` take it."""
    user, _, group = text.strip().strip("\"'").partition(":")
    if user in _USERS:
        yield user, span
    if group in _GROUPS and group != user:
        yield group, span


def _of_command(command: Command) -> Iterator[tuple[str, Span]]:
    programs = {command.name, *command.wrappers}
    if not programs & _NAMING:
        return
    plain = [word for word in command.words[1:] if not word.value.startswith("-")]
    if programs & {"chown", "chgrp"} and command.arguments:
        for word in [w for w in command.arguments if not w.value.startswith("-")][:1]:
            owner = f":{word.value}" if command.name == "chgrp" else word.value
            yield from _pair(owner, word.span)
    if programs & _WITH_OPTIONS:
        for before, word in pairwise(command.words):
            yield from _of_option(before.value, word.value, word.span)
            yield from _of_option(*word.value.partition("=")[::2], word.span)
    if programs & _AS_USER:
        yield from ((word.value, word.span) for word in plain if word.value in _USERS)
    if command.name == "gpasswd":
        yield from ((word.value, word.span) for word in plain if word.value in _GROUPS)


def _is_asked(script: Script, command: Command) -> bool:
    """Whether the text looks for the account before: `if id ubuntu; then userdel ubuntu; fi`."""
    around = {block for block in command.blocks if block.kind in ("if", "case")}
    looks = (each for each in script.commands if each.name in LOOKING)
    before = command.before == "&&" and any(each.name in LOOKING for each in script.commands)
    return before or any(around & set(each.blocks) for each in looks)


def _of_change(command: Command) -> Iterator[tuple[str, Span]]:
    """The account that a command changes or removes, which is its last word."""
    for word in command.arguments[-1:]:
        users = command.name in _LAST_IS_USER and word.value in _USERS
        if users or (command.name in _LAST_IS_GROUP and word.value in _GROUPS):
            yield word.value, word.span


def _of_option(option: str, value: str, span: Span) -> Iterator[tuple[str, Span]]:
    names = _GROUPS if _OF_GROUPS.fullmatch(option) else frozenset[str]()
    if _OF_USERS.fullmatch(option):
        names |= _USERS
    yield from ((name, span) for name in value.split(",") if name in names)
