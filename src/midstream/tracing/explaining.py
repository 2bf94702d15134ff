"""What a rule or an overlay's edit may have made of a call, and of which calls at all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.assumptions import shelf as assumptions
from midstream.conversions import shelf as conversions
from midstream.tracing.calls import base, is_idle, packages_of, printed, reads, same_around
from midstream.tracing.sides import fit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from midstream.adapters.sandbox import Call, Trace
    from midstream.dockerfile.commands import Command
    from midstream.edit import Edit
    from midstream.ubi.tables import PackageTable, Platform

MECHANICAL = frozenset(each.NAME for each in (*conversions.CONVERSIONS, *assumptions.CONVERTING))
"""The names of the rules; every other edit is an overlay's, or a value that it ships with."""

_APT_TOOLS = re.compile(
    r"apt|apt-[\w-]+|aptitude|dpkg(?:-[\w-]+)?|add-apt-repository|debconf-[\w-]+|locale-gen|localedef"
    r"|update-alternatives|adduser|addgroup|deluser|delgroup"
)
_APTS = re.compile(
    r"/etc/apt(?![\w-])|/var/(?:lib|cache|log)/(?:apt|debconf)|/usr/(?:local/)?share/keyrings"
    r"|/var/log/(?:dpkg|alternatives)|/etc/dpkg|\bDEBIAN_|\bdebconf\b"
)
APT_FOLDERS = ("/etc/apt", "/usr/share/keyrings", "/usr/local/share/keyrings", "/etc/dpkg")
_PYTHON = re.compile(r"/usr/bin/python3(?:\.\d+)?(?!\S)")
# Beside package management: what a rule may put there, and make of what.
_COMES: Mapping[str, frozenset[str]] = {
    "dpkg": frozenset(("uname", "sed")),
    "alternatives": frozenset((".",)),
    "debconf": frozenset(("ln",)),
}
_BECOMES: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "accounts": (
        frozenset(("adduser", "addgroup", "deluser", "delgroup")),
        frozenset(("useradd", "groupadd", "usermod", "userdel", "groupdel", "gpasswd")),
    ),
    "alternatives": (frozenset(("update-alternatives",)), frozenset((".",))),
    "debian-file": (frozenset(("update-ca-certificates",)), frozenset(("update-ca-trust",))),
    "locales": (frozenset(("locale-gen", "localedef")), frozenset(("dnf", "microdnf"))),
    "shell-dialect": (frozenset(("echo",)), frozenset(("printf",))),
    "system-python": (frozenset(("update-alternatives",)), frozenset(("ln",))),
}
# The words of a call that a rule may change or take out, and leave the program as it is.
_WORDS: Mapping[str, re.Pattern[str]] = {
    "apt-to-dnf": re.compile(
        r"/var/(?:lib|cache|log)/(?:apt|debconf)(?:/.*)?|/var/log/(?:dpkg|alternatives)\.log"
        r"|/etc/apt/apt\.conf\.d/docker-clean"
    ),
    "debian-file": re.compile(r"-f"),
    "debian-paths": re.compile(r"/usr/lib64"),
    "system-flag": re.compile(r"--system"),
    "system-python": re.compile(r"/usr/(?:local/)?bin/(?:python|pip)\S*"),
}


class Explainer(Struct, frozen=True):
    """What the tables of a platform, and the rules that read them, explain."""

    packages: PackageTable
    platform: Platform

    def maps(self, before: Call, after: Call) -> bool:
        """Whether one package command stands for another."""
        first, second = packages_of(before), packages_of(after)
        if first is None or second is None or not same_around(before, after):
            return False
        verb, names = first
        if verb != second[0]:
            return False
        asked = set(second[1])
        if verb == "upgrade":
            return not names and not asked
        allowed = [self._rpms(name) for name in names]
        if verb == "remove":
            return bool(asked) and asked <= {rpm for each in allowed for way in each for rpm in way}
        expected: set[str] = set()
        for ways in allowed:
            chosen = next((way for way in ways if set(way) <= asked), None)
            if chosen is None:
                return False
            expected.update(chosen)
        return bool(expected) and expected == asked

    def _rpms(self, name: str) -> list[tuple[str, ...]]:
        """What may stand for a Debian name whose variables have their values by now."""
        row = self.packages.rows.get(name)
        found = [row.rpms] if row is not None else []
        for named, row in self.packages.rows.items():
            if "$" not in named:
                continue
            variables = re.findall(r"\$\{[^}]*\}|\$\w+", named)
            expression = "(.*)".join(
                re.escape(part) for part in re.split(r"\$\{[^}]*\}|\$\w+", named)
            )
            values = re.fullmatch(expression, name)
            if values is not None:
                rpms = row.rpms
                for variable, value in zip(variables, values.groups(), strict=True):
                    rpms = tuple(rpm.replace(variable, value) for rpm in rpms)
                found.append(rpms)
        return found

    def explains_loss(self, edit: Edit, call: Call, of_apt: bool) -> bool:
        if edit.rule not in MECHANICAL:
            return True
        name = base(call.words[0])
        packages = packages_of(call)
        if packages is not None:
            verb, names = packages
            if verb == "install":
                return all(any(not way for way in self._rpms(each)) for each in names)
            return verb not in ("upgrade",)
        if _APT_TOOLS.fullmatch(name):
            return True
        if edit.rule == "system-python":
            return name == "ln" or (name in ("rm", "unlink") and bool(_PYTHON.search(call.line)))
        if edit.rule == "debian-paths":  # `/usr/lib/$(uname -m)-linux-gnu` is one folder by now
            return name in ("uname", "arch")
        # Neighbours that go are one edit, which has the name of the first one's rule.
        return of_apt and edit.rule in ("apt-sources", "apt-to-dnf", "debconf")

    def explains_gain(self, edit: Edit, call: Call) -> bool:
        if base(call.words[0]) in _COMES.get(edit.rule, ()):
            return True
        if edit.rule != "apt-to-dnf":
            return False
        packages = packages_of(call)
        if packages is not None and packages[0] == "clean":
            return True
        return any(
            text and text in edit.text.replace("\\`", "`").replace("\\$", "$").replace("'\\''", "'")
            for repository in self.platform.repositories.values()
            for text in repository.set_up.values()
        )


def apts_business(before: Trace) -> set[int]:
    """Which calls do nothing but set apt up, or feed one that does."""
    calls = before.calls
    found = {
        n for n, call in enumerate(calls)
        if _APT_TOOLS.fullmatch(base(call.words[0]))
        or any(_APTS.search(word) for word in call.words)
        or call.words[0] in ("sleep", "[", "test", "command", "type", "hash")
    }  # fmt: skip
    kept = " ".join(t for p, t in before.files.items() if p.startswith(APT_FOLDERS))
    # A call's output is read by calls behind it, and by those to its right in a pipeline.
    for number in range(len(calls) - 1, -1, -1):
        said = printed(calls[number])
        if number in found or len(said) < 3:
            continue
        readers = [n for n, c in enumerate(calls) if n != number and reads(c, said)]
        if (
            (said in kept and not readers)
            or (readers and all(n in found for n in readers))
            or (not readers and calls[number].output != "file" and is_idle(calls[number]))
        ):
            found.add(number)
    return found


def may_change(edit: Edit) -> bool:
    """Whether an edit may leave a call there, with other words."""
    return edit.rule not in MECHANICAL or edit.rule in {*_BECOMES, *_WORDS}


def becomes(edit: Edit, before: Call, after: Call) -> bool:
    """Whether an edit may make another program of one."""
    if edit.rule not in MECHANICAL:
        return True
    old, new = _BECOMES.get(edit.rule, (frozenset(), frozenset()))
    return base(before.words[0]) in old and base(after.words[0]) in new


def words_cut(after: Call, command: Command, edits: set[Edit]) -> bool:
    """Whether the result's words are upstream's without some that edits took out."""
    kept = [w for w in command.arguments if not any(e.span.overlaps(w.span) for e in edits)]
    return fit(kept, after.words[1:]) and len(kept) < len(command.arguments)


def only_there(before: Call, after: Call, command: Command, edits: set[Edit]) -> bool:
    """Whether nothing but words that these edits may change is other."""
    patterns = [_WORDS.get(edit.rule) for edit in edits if edit.rule in MECHANICAL]
    ours = len(patterns) == len(edits)
    if ours:
        old, new = (_without(call.words[1:], patterns) for call in (before, after))
        return old == new
    if len(command.arguments) != len(before.words) - 1:
        return True  # which word is which can't be said
    kept = [
        value
        for word, value in zip(command.arguments, before.words[1:], strict=True)
        if not any(edit.span.overlaps(word.span) or edit.span in word.span for edit in edits)
    ]
    rest = iter(after.words[1:])
    return all(any(value == other for other in rest) for value in kept)


def _without(words: Sequence[str], patterns: Sequence[re.Pattern[str] | None]) -> list[str]:
    return [w for w in words if not any(p is not None and p.fullmatch(w) for p in patterns)]
