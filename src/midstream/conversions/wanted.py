"""The packages that one apt command names, and the RPMs that stand for them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from midstream.conversions.lists import Listed, list_in_variable
from midstream.conversions.work import EDIT_IT, cut_word, written
from midstream.diagnostic import Rule, Severity
from midstream.dockerfile.variables import expand
from midstream.edit import Edit

if TYPE_CHECKING:
    from midstream.conversions.work import Work
    from midstream.dockerfile.commands import Command, Word
    from midstream.source import Span
    from midstream.ubi.tables import Package, Repository

UNKNOWN_PACKAGE = Rule(
    "MS203",
    "unknown-package",
    """\
**What it says.** A Debian package is installed for which `overlays/_shared/packages.yaml` knows no
RPM.

**Why it matters.** Names differ in ways that can't be guessed, and a wrong one installs something
else or fails days later in a build.

**The way out.** Add a row with the evidence for it. A `-dev` package is often found by what it
provides: `dnf install 'pkgconfig(numa)'`, `dnf provides '*/libGL.so.1'`. Or replace the RUN with an
edit in the overlay.
""",
)
REPOSITORY_OFF = Rule(
    "MS204",
    "repository-not-enabled",
    """\
**What it says.** A package comes from a repository that the overlay's `repositories:` doesn't list.

**Why it matters.** Which repositories an image is built from is a decision: `redhat` refuses EPEL,
CUDA and ROCm, and `rhel` needs a subscribed build host.

**The way out.** Add the repository to `repositories:` of the overlay, or drop the package.
""",
)
NO_SUCH_PYTHON = Rule(
    "MS206",
    "no-such-python",
    """\
**What it says.** A version of Python is installed that the platform has no RPM of.

**Why it matters.** Debian gets other versions from a PPA; for EL nobody packages them, so the
install would fail, or bring the platform's own version instead.

**The way out.** Give the version one that the platform has, under `ship: args:` of the overlay, or
install it with uv in an edit.
""",
)
LACKING = Rule(
    "MS210",
    "lacking-package",
    """\
**What it says.** The RPM that stands for a Debian package lacks something that this one has: its
row in `overlays/_shared/packages.yaml` says what, under `lacks:`.

**Why it matters.** The install and the build are green. What is missing shows when the image runs:
EPEL's `ffmpeg-free` reads no H.265, and H.264 only with Cisco's openh264.

**The way out.** Where the image needs it, build the software from source or take it from elsewhere,
in an edit. Where it doesn't, waive the finding with that reason.
""",
)
RULES = (UNKNOWN_PACKAGE, REPOSITORY_OFF, NO_SUCH_PYTHON, LACKING)

_PYTHON = re.compile(r"python(?P<version>3\.\d+|\$\{?\w+\}?)(?:-.*)?")


@dataclass
class Wanted:
    """The words of one install or removal. `rpms` are what is left of them."""

    work: Work
    command: Command
    rule: str
    removing: bool = False
    metapackages: bool = True  # when removing: whether what a metapackage brought goes too
    edits: list[Edit] = field(default_factory=list)
    rpms: list[str] = field(default_factory=list)
    repositories: list[Repository] = field(default_factory=list)
    refused: bool = False

    def package(self, word: Word) -> None:
        """Put the RPMs in a word's place."""
        fault = _fault(word)
        if fault:
            self.refuse(word.span, fault)
            return
        listed = list_in_variable(self.work, word)
        if listed is not None:
            self._list(word, listed)
            return
        name = word.value
        rpms = self.resolve(name, word.span)
        if rpms is None:
            return
        new = [rpm for rpm in rpms if rpm not in self.rpms]
        self.rpms += new
        if not new:
            self.take_out(word)
        elif rpms != (name,) or len(new) < len(rpms):
            why = f"`{name}` is `{' '.join(rpms)}` on EL"
            self.edits.append(Edit(word.span, self._as_written(word, new), self.rule, why))

    def _as_written(self, word: Word, rpms: list[str]) -> str:
        """In `bash -c "…"` a variable that the outer shell fills in stays the outer shell's."""
        text = written(self.command, *rpms)
        raw = self.work.text[word.span.start : word.span.end]
        outer = self.command.quoting == '"' and "\\$" not in raw
        return text.replace("\\$", "$") if outer else text

    def _list(self, word: Word, listed: Listed) -> None:
        if listed.fault:
            self.refuse(word.span, listed.fault)
            return
        for each in listed.values:
            kept: list[str] = []
            for item in each.items:
                rpms = self.resolve(item.name, item.span)
                if rpms is None:
                    return
                kept += rpms
                if rpms and rpms != (item.name,):
                    why = f"`{item.name}` is `{' '.join(rpms)}` on EL"
                    self.edits.append(Edit(item.span, " ".join(rpms), self.rule, why))
                elif not rpms:
                    self.edits.append(Edit(item.cut, "", self.rule, "not needed with dnf"))
            if each.items and not kept and not each.appends:
                self.refuse(word.span, f"nothing is left of the list in `{word.value}`")
                return
        self.rpms.append(word.value)

    def resolve(self, name: str, span: Span) -> tuple[str, ...] | None:
        """The RPMs for a Debian name; None where that is a finding."""
        subject = self.work.subject
        row = subject.packages.find(name)
        if row is None:
            self._unknown(name, span)
            return None
        rpms = subject.packages.rpms_for(row, name)
        if self.removing:
            return self._removed(name, rpms, span)
        if not rpms:
            return ()
        if not self._has_python(name, span) or not self._is_supplied(name, row, span):
            return None
        if row.lacks:
            self.work.report(
                LACKING, span, f"`{' '.join(rpms)}`, which stands for `{name}`, lacks {row.lacks}",
                "build it in an edit if the image needs that, else waive MS210 with the reason",
                Severity.WARNING,
            )  # fmt: skip
        return rpms

    def _removed(self, name: str, rpms: tuple[str, ...], span: Span) -> tuple[str, ...] | None:
        if len(rpms) > 1 and not self.metapackages:
            return ()  # apt leaves what a metapackage brought
        for rpm in rpms:
            other = self._also_stands_for(rpm, name)
            if other:
                self.refuse(span, f"`{name}` is in `{rpm}`, which stands for `{other}` too")
                return None
        return rpms

    def _also_stands_for(self, rpm: str, name: str) -> str:
        """What else was installed in this Dockerfile and is in the same RPM."""
        going = {word.value for word in self.command.arguments}
        packages = self.work.subject.packages
        for other in _installed(self.work) - going - {name}:
            row = packages.find(other)
            if other == rpm or (row is not None and rpm in row.rpms):
                return other
        return ""

    def _has_python(self, name: str, span: Span) -> bool:
        found = _PYTHON.fullmatch(name)
        pythons = self.work.subject.platform.pythons
        if found is None or not pythons:
            return True
        values = self.work.subject.graph.scope.at(self.work.instruction)
        version = expand(found["version"], values).text
        if not version or version in pythons:
            return True
        self.refused = self.work.refused = True
        self.work.report(
            NO_SUCH_PYTHON, span,
            f"{self.work.subject.platform.name} has no RPM of Python {version}",
            f"take one of {', '.join(pythons)}, or install {version} with uv in an edit",
        )  # fmt: skip
        return False

    def _is_supplied(self, name: str, row: Package, span: Span) -> bool:
        """Whether all repositories that it takes are enabled; they are set up then."""
        enabled = [self._comes_from(each, name, span) for each in (row.repository, *row.needs)]
        return all(enabled)

    def _comes_from(self, repository: str, name: str, span: Span) -> bool:
        if repository == "ubi":
            return True
        subject = self.work.subject
        supplier = subject.platform.supplier(repository, subject.repositories)
        if supplier is not None:
            if supplier not in self.repositories:
                self.repositories.append(supplier)
            return True
        carriers = [
            r.name for r in subject.platform.repositories.values() if repository in r.provides
        ] or [repository]
        self.refused = self.work.refused = True
        self.work.report(
            REPOSITORY_OFF, span,
            f"`{name}` comes from `{repository}`, which this overlay doesn't enable",
            f"add `{carriers[0]}` to `repositories:` of the overlay",
        )  # fmt: skip
        return False

    def _unknown(self, name: str, span: Span) -> None:
        self.refused = self.work.refused = True
        near = self.work.subject.packages.near(name)
        advice = "map it in overlays/_shared/packages.yaml, or replace this RUN with an edit"
        if near:
            advice += f"; known: {', '.join(near)}"
        if name.endswith("-dev") and not self.removing:
            stem = name.removeprefix("lib").removesuffix("-dev")
            advice += f"\nlook for what it provides: dnf install 'pkgconfig({stem})'"
        self.work.report(UNKNOWN_PACKAGE, span, f"no UBI package is known for `{name}`", advice)

    def refuse(self, span: Span, message: str, help: str = EDIT_IT) -> None:
        self.refused = True
        self.work.refuse(span, message, help)

    def take_out(self, word: Word) -> None:
        cut = cut_word(self.work, self.command, word)
        self.edits.append(Edit(cut, "", self.rule, "not needed with dnf"))


_INSTALLERS = frozenset(("apt", "apt-get", "aptitude", "dnf", "microdnf"))


def _installed(work: Work) -> set[str]:
    """The names that the live stages install, as they stand there."""
    found: set[str] = set()
    for _, instruction in work.subject.live_instructions():
        for command in work.subject.script(instruction).commands:
            if command.name in _INSTALLERS:
                words = [word.value for word in command.arguments]
                if "install" in words:
                    found.update(word for word in words if not word.startswith("-"))
    return found


_VARIABLE = re.compile(r"\$\{[^}]*\}|\$\w+")


def _fault(word: Word) -> str:
    """Why a word can't be looked up, or nothing."""
    name = word.value
    plain = _VARIABLE.sub("", name)
    if name.endswith(".deb") or re.match(r"\.{0,2}/|~/", name) or "*deb" in name:
        return f"`{name}` is a Debian package file"
    if re.search(r"[=/]", plain) or re.search(r":\w+$", plain):
        return f"`{name}` names a version, release or architecture of Debian's"
    if "$(" in name or "`" in name:
        return f"which packages `{name}` stands for is known only when it runs"
    if name.endswith("-"):
        return f"`{name}` asks apt to remove a package"
    return ""
