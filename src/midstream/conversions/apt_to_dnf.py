"""apt, apt-get and what cleans up after them, as dnf or microdnf, word by word in place.

Which of the two it is follows the base image through the stage's lineage; a stage that stands on
no UBI image is left alone. Everything outside the changed words stays byte for byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from midstream.diagnostic import Diagnostic, Rule, Severity
from midstream.dockerfile.dropping import drop
from midstream.dockerfile.shell import quote
from midstream.edit import Edit
from midstream.source import Span
from midstream.ubi.outcome import Outcome
from midstream.ubi.survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.dockerfile.commands import Command, Script, Word
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.ubi.subject import Subject
    from midstream.ubi.survey import Footing
    from midstream.ubi.tables import Package, Repository

NAME = "apt-to-dnf"

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
NO_TRANSLATION = Rule(
    "MS205",
    "no-translation",
    """\
**What it says.** A command of Debian's package management has no safe counterpart: a pinned
version, a release, a local `.deb`, a foreign repository or key, a question to dpkg.

**Why it matters.** A guess would install something else. What midstream can't translate stays as it
was, and nothing is written.

**The way out.** Replace the command or the RUN with an edit in the overlay, with the reason.
""",
)
RULES = (UNKNOWN_PACKAGE, REPOSITORY_OFF, NO_TRANSLATION)

_APT = frozenset(("apt", "apt-get", "aptitude"))
_WITH_VALUE = frozenset(("-o", "--option", "-t", "--target-release", "--default-release", "-c"))
_HARMLESS = re.compile(
    r"-[yqfm]+|-q=\d|-V|--yes|--assume-yes|--quiet|--no-install-recommends|--no-install-suggests"
    r"|--fix-missing|--fix-broken|--show-progress|--allow-change-held-packages|--no-upgrade"
    r"|--auto-remove|--autoremove|--purge|--error-on=any|--allow-releaseinfo-change|--no-cache"
)
_HARMLESS_OPTION = re.compile(r"(?:Acquire::(?!.*AllowInsecure)|DPkg::|Dpkg::|APT::Install-)\S*")
_APT_FILES = re.compile(r"/var/(?:lib|cache)/apt(?:/.*)?|/etc/apt/apt\.conf\.d/docker-clean")
_FOREIGN = {
    "add-apt-repository": "a PPA or apt repository has no RPMs",
    "apt-add-repository": "a PPA or apt repository has no RPMs",
    "apt-cache": "dnf answers other questions in other words",
    "apt-config": "dnf has no such configuration",
    "apt-key": "dnf takes keys from `gpgkey=` of a .repo file",
    "apt-mark": "dnf has `versionlock` and `mark`, which mean other things",
    "dpkg": "rpm answers other questions in other words",
    "dpkg-divert": "rpm has no diversions",
    "dpkg-query": "rpm -q prints other fields",
    "dpkg-reconfigure": "RPMs ask no questions",
    "gdebi": "a .deb can't be installed",
    "lsb_release": "UBI has /etc/os-release, and other codenames",
}


@dataclass
class _Work:
    """What is collected about one instruction."""

    subject: Subject
    stage: Stage
    instruction: Instruction
    footing: Footing
    enabled: set[str]
    edits: list[Edit] = field(default_factory=list)
    found: list[Diagnostic] = field(default_factory=list)
    doomed: dict[int, tuple[str, str]] = field(default_factory=dict)
    installed: bool = False
    cleaned: bool = False

    @property
    def manager(self) -> str:
        return self.footing.manager or "dnf"

    def report(self, rule: Rule, message: str, span: Span, help: str) -> None:
        self.found.append(
            Diagnostic(
                rule=rule, severity=Severity.ERROR, message=message,
                source=self.subject.dockerfile.source, span=span, help=help,
                context=f"stage {self.stage.label}",
            )
        )  # fmt: skip

    def doom(self, command: Command, why: str) -> None:
        self.doomed[command.span.start] = (NAME, why)

    def edit(self, span: Span, text: str, why: str) -> None:
        self.edits.append(Edit(span, text, NAME, why))


def convert(subject: Subject) -> Outcome:
    """Convert the package management of every live stage that stands on UBI."""
    footings = survey(subject)
    enabled: dict[int, set[str]] = {}
    outcomes = []
    for stage in _parents_first(subject):
        parent = subject.graph.base(stage.index).target
        known = set(enabled.get(parent, ())) if parent is not None else set()
        enabled[stage.index] = known
        footing = footings[stage.index]
        if footing.manager is None:
            continue
        if footing.sibling:
            known.update(_set_up_by(subject, footing))
        for instruction in stage.instructions:
            work = _Work(subject, stage, instruction, footing, known)
            _instruction(work)
            outcomes.append(Outcome(tuple(work.edits), tuple(work.found)))
    return Outcome.merged(outcomes)


def _parents_first(subject: Subject) -> Iterator[Stage]:
    # A FROM only looks upwards, so the file's own order serves.
    yield from subject.live_stages


def _set_up_by(subject: Subject, footing: Footing) -> frozenset[str]:
    sibling = subject.siblings.get(footing.image or "")
    return sibling.repositories if sibling is not None else frozenset()


def _instruction(work: _Work) -> None:
    script = work.subject.script(work.instruction)
    for command in script.commands:
        if work.subject.is_claimed(command.span):
            # An overlay's own text may set a repository up as well.
            continue
        _command(work, script, command)
    work.edits += drop(script, work.doomed)


def _command(work: _Work, script: Script, command: Command) -> None:
    if command.name in _APT:
        _apt(work, script, command)
    elif command.name in _FOREIGN:
        _foreign(work, command)
    elif command.name == "rm":
        _remove_files(work, command)
    elif command.name == "debconf-set-selections":
        _no_translation(work, command, "RPMs ask no questions", "drop the pipeline with an edit")


# apt itself


def _apt(work: _Work, script: Script, command: Command) -> None:
    verb = _verb(command)
    if verb is None:
        _no_translation(work, command, "no subcommand can be read", "replace it with an edit")
        return
    word = verb.value
    if word == "update":
        work.doom(command, "dnf refreshes its metadata by itself")
    elif word in ("install", "reinstall"):
        _install(work, script, command, verb)
    elif word in ("remove", "purge"):
        _remove(work, command, verb)
    elif word in ("clean", "autoclean"):
        _clean(work, command)
    elif word in ("upgrade", "dist-upgrade", "full-upgrade"):
        newer = {"dnf": "dnf upgrade -y", "microdnf": "microdnf update -y"}[work.manager]
        work.edit(command.core, newer, "the same, with the platform's package manager")
    else:
        _no_translation(
            work, command, f"`{command.name} {word}` has no safe counterpart",
            "replace it with an edit",
        )  # fmt: skip


def _verb(command: Command) -> Word | None:
    skip = False
    for word in command.arguments:
        if skip:
            skip = False
        elif word.value in _WITH_VALUE:
            skip = True
        elif not word.value.startswith("-"):
            return word
    return None


def _install(work: _Work, script: Script, command: Command, verb: Word) -> None:
    wanted = _Wanted(work, script, command)
    at = command.arguments.index(verb)
    weak = any(w.value == "--no-install-recommends" for w in command.arguments)
    skip = False
    for index, word in enumerate(command.arguments):
        if index == at:
            continue
        if skip:
            skip = False
            continue
        if word.value in _WITH_VALUE:
            skip = True
        previous = command.arguments[index - 1] if index else command.program
        if word.value.startswith("-"):
            value = (
                command.arguments[index + 1]
                if skip and index + 1 < len(command.arguments)
                else None
            )
            wanted.option(word, value, previous, before_verb=index < at)
        elif index > at:
            wanted.package(word, previous or word)
    if wanted.refused:
        return
    if not wanted.rpms:
        work.doom(command, "nothing of what it installs is needed here")
        return
    work.edits += wanted.edits
    program = command.program or verb
    start = _start_of_program(work, command)
    head = _head(work.manager, verb.value, weak=weak)
    set_up = _set_up(work, command, wanted.repositories)
    work.edit(Span(start, verb.span.end), set_up + head, "the platform's package manager")
    if start != command.span.start and program.span.start != start:
        work.edit(Span(command.span.start, start), "", "dnf asks no questions")
    work.installed = True


def _head(manager: str, verb: str, *, weak: bool) -> str:
    head = f"{manager} {verb} -y"
    if verb == "install":
        head += " --nodocs"
    return f"{head} --setopt=install_weak_deps=False" if weak else head


def _start_of_program(work: _Work, command: Command) -> int:
    """Where to overwrite from: the program, with a `DEBIAN_FRONTEND=…` that stands before it."""
    program = command.program or command.words[0]
    own = [a for a in command.assignments if a.name == "DEBIAN_FRONTEND"]
    if own and len(command.assignments) == 1 and not command.wrappers:
        return own[0].span.start
    for assignment in own:
        end = assignment.span.end
        text = work.subject.dockerfile.source.text
        while end < program.span.start and text[end] in " \t":
            end += 1
        work.edit(Span(assignment.span.start, end), "", "dnf asks no questions")
    return program.span.start


class _Wanted:
    """The words of one install, and what becomes of each."""

    def __init__(self, work: _Work, script: Script, command: Command) -> None:
        self.work = work
        self.script = script
        self.command = command
        self.edits: list[Edit] = []
        self.rpms: list[str] = []
        self.repositories: list[Repository] = []
        self.refused = False

    def option(
        self, word: Word, value: Word | None, previous: Word | None, *, before_verb: bool
    ) -> None:
        text = word.value
        known = _HARMLESS.fullmatch(text) is not None
        if text in ("-o", "--option") and value is not None:
            known = _HARMLESS_OPTION.match(value.value) is not None
        elif text.startswith("-o") and len(text) > 2:
            known = _HARMLESS_OPTION.match(text[2:]) is not None
        if not known:
            self.refuse(word, f"`{text}` has no counterpart in dnf")
            return
        if before_verb:
            return  # overwritten with the program
        last = value or word
        self.take_out(Span(word.span.start, last.span.end), previous)

    def package(self, word: Word, previous: Word) -> None:
        name = word.value
        if name.endswith(".deb") or name.startswith(("./", "/")):
            self.refuse(word, f"`{name}` is a Debian package file")
            return
        bare = name.rstrip("+-") if name not in ("g++", "libstdc++") and name[-1:] == "-" else name
        if re.search(r"[=/]", _without_variables(bare)) or re.search(r":\w+$", bare):
            self.refuse(word, f"`{name}` names a version, release or architecture of Debian's")
            return
        if word.literal is None and _only_variable(bare):
            self.list_in_variable(word)
            return
        row = self.work.subject.packages.find(bare)
        if row is None:
            self.unknown(word, bare)
            return
        self.replace(word, bare, row, previous)

    def replace(self, word: Word, name: str, row: Package, previous: Word) -> None:
        rpms = self.work.subject.packages.rpms_for(row, name)
        new = [rpm for rpm in rpms if rpm not in self.rpms]
        if not new:
            self.take_out(word.span, previous)
            if not rpms:
                return
        if row.repository != "ubi" and rpms and not self.supplied(word, name, row):
            return
        self.rpms += new
        text = quote(" ".join(new), self.command.quoting)
        if new and text != word.text:
            why = f"`{name}` is `{' '.join(rpms)}` on EL"
            self.edits.append(Edit(word.span, text, NAME, why))

    def supplied(self, word: Word, name: str, row: Package) -> bool:
        subject = self.work.subject
        supplier = subject.platform.supplier(row.repository, subject.repositories)
        if supplier is None:
            self.refused = True
            carriers = [
                r.name for r in subject.platform.repositories.values()
                if row.repository in r.provides
            ]  # fmt: skip
            self.work.report(
                REPOSITORY_OFF,
                f"`{name}` comes from `{row.repository}`, which this overlay doesn't enable",
                word.span,
                f"add `{carriers[0] if carriers else row.repository}` to `repositories:` of the "
                "overlay",
            )
            return False
        if supplier not in self.repositories:
            self.repositories.append(supplier)
        return True

    def list_in_variable(self, word: Word) -> None:
        self.refuse(word, f"the packages stand in a variable, `{word.value}`")

    def unknown(self, word: Word, name: str) -> None:
        self.refused = True
        near = self.work.subject.packages.near(name)
        advice = "map it in overlays/_shared/packages.yaml, or replace this RUN with an edit"
        if near:
            advice += f"; known: {', '.join(near)}"
        if name.endswith("-dev"):
            stem = name.removeprefix("lib").removesuffix("-dev")
            advice += f"\nlook for what it provides: dnf install 'pkgconfig({stem})'"
        self.work.report(
            UNKNOWN_PACKAGE, f"no UBI package is known for `{name}`", word.span, advice
        )

    def refuse(self, word: Word, message: str) -> None:
        self.refused = True
        self.work.report(
            NO_TRANSLATION, message, word.span, "replace this command with an edit of the overlay"
        )

    def take_out(self, span: Span, previous: Word | None) -> None:
        """Delete a word with the blanks before it; a comment in between stays."""
        text = self.work.subject.dockerfile.source.text
        start = previous.span.end if previous is not None else span.start
        between = text[start : span.start]
        if "#" in between:
            start = span.start - (len(between) - len(between.rstrip(" \t")))
        self.edits.append(Edit(Span(start, span.end), "", NAME, "not needed with dnf"))


_VARIABLE = re.compile(r"\$\{[^}]*\}|\$\w+")


def _without_variables(name: str) -> str:
    return _VARIABLE.sub("", name)


def _only_variable(name: str) -> bool:
    return "$" in name and not re.search(r"[A-Za-z]", _without_variables(name))


def _set_up(work: _Work, command: Command, repositories: list[Repository]) -> str:
    """Commands that enable what is needed and isn't yet, to stand before the install."""
    order = work.subject.repositories
    commands = []
    for repository in sorted(repositories, key=lambda each: order.index(each.name)):
        text = repository.set_up.get(work.manager, "")
        if repository.name in work.enabled or not text:
            continue
        commands.append(quote(text, command.quoting))
        if not command.blocks:  # inside an `if` it would hold for that branch alone
            work.enabled.add(repository.name)
    if not commands:
        return ""
    joint = _joint(work, command)
    return "".join(f"{text}{joint}" for text in commands)


def _joint(work: _Work, command: Command) -> str:
    """` && `, on a line of its own where the instruction's commands stand so."""
    if command.quoting or work.instruction.heredocs:
        return " && "
    ending = "\r\n" if "\r\n" in work.subject.dockerfile.text(work.instruction.span) else "\n"
    return f" {work.subject.dockerfile.escape}{ending}    && "


def _remove(work: _Work, command: Command, verb: Word) -> None:
    names = command.arguments[command.arguments.index(verb) + 1 :]
    edits = []
    for word in names:
        if word.value.startswith("-"):
            continue
        row = work.subject.packages.find(word.value)
        if row is not None and row.rpms and word.text != row.rpms[0]:
            edits.append(Edit(word.span, " ".join(row.rpms), NAME, "the RPM's name"))
    for index, word in enumerate(command.arguments):
        if index > command.arguments.index(verb) and word.value.startswith("-"):
            previous = command.arguments[index - 1]
            edits.append(Edit(Span(previous.span.end, word.span.end), "", NAME, "in the head"))
    head = {"dnf": "dnf remove -y --noautoremove", "microdnf": "rpm --erase"}[work.manager]
    program = command.program or verb
    span = Span(program.span.start, verb.span.end)
    work.edits += edits
    work.edit(span, head, "dnf remove would take unused dependencies along")


def _clean(work: _Work, command: Command) -> None:
    if work.installed and not work.cleaned:
        work.cleaned = True
        work.edit(command.core, f"{work.manager} clean all", "the platform's package manager")
        return
    work.doom(command, "nothing of apt's is there")


def _remove_files(work: _Work, command: Command) -> None:
    """`rm -rf /var/lib/apt/lists/*` and its like."""
    files = [w for w in command.arguments if not w.value.startswith("-")]
    apts = [w for w in files if _APT_FILES.fullmatch(w.value)]
    if not apts:
        return
    if len(apts) == len(files):
        _clean(work, command)
        return
    for word in apts:
        previous = command.arguments[command.arguments.index(word) - 1]
        work.edit(Span(previous.span.end, word.span.end), "", "nothing of apt's is there")


def _foreign(work: _Work, command: Command) -> None:
    if command.name in ("add-apt-repository", "apt-add-repository"):
        _ppa(work, command)
        return
    _no_translation(
        work, command, f"`{command.name}` has no counterpart: {_FOREIGN[command.name]}",
        "replace this command with an edit of the overlay",
    )  # fmt: skip


def _ppa(work: _Work, command: Command) -> None:
    """deadsnakes brings Pythons that AppStream has; the loop around it goes with it."""
    names = [w.value for w in command.arguments if not w.value.startswith("-")]
    if names != ["ppa:deadsnakes/ppa"]:
        _no_translation(
            work, command, f"`{' '.join(names)}` has no RPMs",
            "replace this command with an edit of the overlay",
        )  # fmt: skip
        return
    why = "AppStream has the Pythons that deadsnakes brings"
    loop = next((b for b in command.blocks if b.kind in ("for", "while", "until")), None)
    if loop is None:
        work.doom(command, why)
        return
    script = work.subject.script(work.instruction)
    others = {c.name for c in script.commands if c.span in loop.span}
    if others <= {command.name, "break", "echo", "sleep", "exit", "true", "false"} and loop.removal:
        work.edit(loop.removal, "", why)
        return
    _no_translation(work, command, "a loop around the PPA does more", "replace it with an edit")


def _no_translation(work: _Work, command: Command, message: str, help: str) -> None:
    work.report(NO_TRANSLATION, message, command.core, help)
