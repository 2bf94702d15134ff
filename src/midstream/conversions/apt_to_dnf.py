"""apt, apt-get and what cleans up after them, as dnf or microdnf, word by word in place.

Which of the two it is follows the base image through the stage's lineage; a stage that stands on
no UBI image is left alone. Everything outside the changed words stays byte for byte.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.conversions import wanted
from midstream.conversions.setting_up import set_up
from midstream.conversions.wanted import Wanted
from midstream.conversions.work import NO_TRANSLATION, cut_word, words_only, written
from midstream.diagnostic import Rule, Severity
from midstream.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.conversions.work import Work
    from midstream.dockerfile.commands import Command, Word

NAME = "apt-to-dnf"

LEFT_INSTALLED = Rule(
    "MS207",
    "dependencies-stay",
    """\
**What it says.** `apt-get autoremove` has gone: what was only installed as a dependency stays.

**Why it matters.** `dnf autoremove` goes by records that UBI's images don't keep, and would take
parts of the base image along. So the image is larger than it could be.

**The way out.** Remove the packages by name in an edit, or build in a stage that isn't shipped.
""",
)
RULES = (*wanted.RULES, NO_TRANSLATION, LEFT_INSTALLED)

_APT = frozenset(("apt", "apt-get", "aptitude"))
_WITH_VALUE = frozenset(
    ("-o", "--option", "-t", "--target-release", "--default-release", "-c", "--config-file", "-a")
)
_HARMLESS = re.compile(
    r"-[yqfm]+|-q=\d|-V|--yes|--assume-yes|--quiet|--no-install-recommends|--no-install-suggests"
    r"|--fix-missing|--fix-broken|--show-progress|--allow-change-held-packages|--no-upgrade"
    r"|--auto-remove|--autoremove|--purge|--error-on=any|--allow-releaseinfo-change|--no-cache"
    r"|--ignore-missing|--install-recommends|--allow-downgrades|--no-show-upgraded|--no-auto-remove"
)
_HARMLESS_OPTION = re.compile(r"=?(?:Acquire::(?!.*AllowInsecure)|DPkg::|Dpkg::|APT::Install-)\S*")
_APT_FILES = re.compile(
    r"/var/(?:lib|cache|log)/apt(?:/.*)?|/etc/apt/apt\.conf\.d/docker-clean"
    r"|/var/cache/debconf(?:/.*)?|/var/log/(?:dpkg|alternatives)\.log"
)
_UPGRADES = frozenset(("upgrade", "dist-upgrade", "full-upgrade", "safe-upgrade"))


def command(work: Work, command: Command) -> bool:
    """Convert one command, if it is one of these."""
    if command.name in _APT:
        _apt(work, command)
    elif command.name == "rm":
        return _remove_files(work, command)
    else:
        return False
    return True


def _apt(work: Work, command: Command) -> None:
    verb = _verb(command)
    if verb is None:
        work.refuse(command.core, f"no subcommand of `{command.name}` can be read")
    elif not words_only(command, _head_span(command, verb)):
        work.refuse(command.core, "a redirection stands between apt and its subcommand")
    elif "xargs" in command.wrappers:
        work.refuse(command.core, "which packages are meant is known only when xargs runs")
    elif verb.value == "update":
        work.doom(command, NAME, "dnf refreshes its metadata by itself", serves=True)
    elif verb.value == "install":
        _install(work, command, verb)
    elif verb.value in ("remove", "purge"):
        _remove(work, command, verb)
    elif verb.value in ("clean", "autoclean", "distclean"):
        _clean(work, command)
    elif verb.value == "autoremove" and not list(_packages(command, verb)):
        _autoremove(work, command)
    elif verb.value in _UPGRADES and not list(_packages(command, verb)):
        _upgrade(work, command, verb)
    else:
        work.refuse(command.core, f"`{command.name} {verb.value}` has no safe counterpart")


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


def _options(command: Command) -> Iterator[tuple[Word, Word | None]]:
    """Each option with the word that it takes along, if it takes one."""
    words = iter(command.arguments)
    for word in words:
        if word.value in _WITH_VALUE:
            yield word, next(words, None)
        elif word.value.startswith("-"):
            yield word, None


def _packages(command: Command, verb: Word) -> Iterator[Word]:
    taken = {id(value) for _, value in _options(command)}
    for word in command.arguments[command.arguments.index(verb) + 1 :]:
        if not word.value.startswith("-") and id(word) not in taken:
            yield word


def _head_span(command: Command, verb: Word) -> Span:
    program = command.program or verb
    return Span(program.span.start, verb.span.end)


def _has_strange_option(work: Work, command: Command) -> bool:
    strange = False
    for word, value in _options(command):
        if not _is_harmless(word.value, value):
            strange = True
            work.refuse(word.span, f"`{word.value}` has no counterpart in dnf")
    return strange


def _is_harmless(text: str, value: Word | None) -> bool:
    if text in ("-o", "--option"):
        return value is not None and _HARMLESS_OPTION.match(value.value) is not None
    if text.startswith(("-o", "--option=")) and len(text) > 2:
        option = text.removeprefix("--option").removeprefix("-o")
        return _HARMLESS_OPTION.match(option) is not None
    return _HARMLESS.fullmatch(text) is not None


def _take_out_options(work: Work, command: Command, verb: Word) -> None:
    """Those before the verb are overwritten with the program."""
    for word, value in _options(command):
        if word.span.start > verb.span.start:
            for each in (word, value):
                if each is not None:
                    work.edit(cut_word(work, command, each), "", NAME, "dnf needs no such option")


# install


def _install(work: Work, command: Command, verb: Word) -> None:
    wanted = Wanted(work, command, NAME)
    strange = _has_strange_option(work, command)
    packages = list(_packages(command, verb))
    for word in packages:
        wanted.package(word)
    if not packages:
        work.refuse(command.core, "no packages are named: apt mends what dpkg left broken")
    if strange or wanted.refused or not packages:
        return
    if not wanted.rpms:
        work.doom(command, NAME, "nothing of what it installs is needed here")
        return
    prefix = set_up(work, command, wanted.repositories)
    if prefix is None:
        return
    work.edits += wanted.edits
    _take_out_options(work, command, verb)
    weak = any(w.value == "--no-install-recommends" for w in command.arguments)
    words = [work.manager, "install", "-y", "--nodocs"]
    words += ["--setopt=install_weak_deps=False"] if weak else []
    _overwrite(work, command, verb, words, "the platform's package manager", prefix)
    work.uncleaned = command.blocks


def _overwrite(
    work: Work, command: Command, verb: Word, words: list[str], why: str, prefix: str = ""
) -> None:
    """Put other words in place of the program and its verb, and `prefix` before it all."""
    head = written(command, *words)
    start = command.span.start
    places = list(_debconf_words(work, command))
    program = _head_span(command, verb)
    if places and places[-1].end == program.start:
        program = Span(places.pop().start, program.end)
    for span in places:
        work.edit(span, prefix if span.start == start else "", NAME, "dnf asks no questions")
    if program.start == start:
        work.edit(program, prefix + head, NAME, why)
        return
    work.edit(program, head, NAME, why)
    if prefix and not any(span.start == start for span in places):
        work.edit(Span(start, start), prefix, NAME, "the package's repository")


_DEBCONF = re.compile(r"(?:DEBIAN_FRONTEND|DEBIAN_PRIORITY|DEBCONF_\w+)=")


def _debconf_words(work: Work, command: Command) -> Iterator[Span]:
    """`DEBIAN_FRONTEND=noninteractive` before the program, with the blanks behind it."""
    spans = [a.span for a in command.assignments]
    spans += [w.span for w in command.words]
    program = command.program
    for span in sorted(spans):
        if program is None or span.start >= program.span.start:
            return
        text = work.text[span.start : span.end].lstrip("\"'")
        if _DEBCONF.match(text):
            end = span.end
            while end < program.span.start and work.text[end] in " \t":
                end += 1
            yield Span(span.start, end)


# what takes things away


def _remove(work: Work, command: Command, verb: Word) -> None:
    along = any(w.value in ("--auto-remove", "--autoremove") for w in command.arguments)
    along = along or any(
        c.name in _APT and (v := _verb(c)) is not None and v.value == "autoremove"
        for c in work.script.commands
    )
    wanted = Wanted(work, command, NAME, removing=True, metapackages=along)
    strange = _has_strange_option(work, command)
    packages = list(_packages(command, verb))
    for word in packages:
        wanted.package(word)
    if strange or wanted.refused:
        return
    if not wanted.rpms:
        if packages:
            work.doom(command, NAME, "nothing of what it removes is there")
        else:
            _autoremove(work, command)
        return
    work.edits += wanted.edits
    _take_out_options(work, command, verb)
    words = {
        "dnf": ["dnf", "remove", "-y", "--noautoremove"],
        "microdnf": ["rpm", "--erase"],
    }[work.manager]
    _overwrite(work, command, verb, words, "dnf remove would take unused dependencies along")


def _autoremove(work: Work, command: Command) -> None:
    work.doom(command, NAME, "dnf's records don't cover the base image")
    work.report(
        LEFT_INSTALLED, command.core,
        "what was installed as a dependency stays: `dnf autoremove` would harm the base image",
        "remove it by name in an edit, if the size matters",
        Severity.WARNING,
    )  # fmt: skip


def _upgrade(work: Work, command: Command, verb: Word) -> None:
    if _has_strange_option(work, command):
        return
    _take_out_options(work, command, verb)
    words = {"dnf": ["dnf", "upgrade", "-y"], "microdnf": ["microdnf", "update", "-y"]}
    why = "the same, with the platform's package manager"
    _overwrite(work, command, verb, words[work.manager], why)
    work.uncleaned = command.blocks


def _clean(work: Work, command: Command) -> None:
    """The first clean after an install empties dnf's cache; no other has anything to clean."""
    inside = work.uncleaned is not None and work.uncleaned[: len(command.blocks)] == command.blocks
    plain = words_only(command, command.core) and not command.assignments
    if inside and plain and "$(…)" not in command.inside:
        work.uncleaned = None
        why = "the platform's package manager"
        work.edit(
            command.core, written(command, work.manager, "clean", "all"), NAME, why, serves=True
        )
        return
    work.doom(command, NAME, "nothing of apt's is there", serves=True)


def _remove_files(work: Work, command: Command) -> bool:
    """`rm -rf /var/lib/apt/lists/*` and its like."""
    files = [w for w in command.arguments if not w.value.startswith("-")]
    apts = [w for w in files if _APT_FILES.fullmatch(w.value)]
    if apts and len(apts) == len(files):
        _clean(work, command)
        return True
    for word in apts:
        cut = cut_word(work, command, word)
        work.edit(cut, "", NAME, "nothing of apt's is there", serves=True)
    return bool(apts)
