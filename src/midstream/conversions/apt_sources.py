"""apt's own set-up: repositories, PPAs, keys, preferences, configuration.

Where a package comes from is looked up for each package (`apt-to-dnf`), so a Debian repository that
one of ours stands for has nothing to do any more. One that none stands for is a finding: what
comes from it may have the name of something older that UBI has.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.conversions.work import NO_TRANSLATION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from midstream.conversions.work import Work
    from midstream.dockerfile.commands import Block, Command, Word
    from midstream.ubi.tables import Repository

NAME = "apt-sources"
RULES = (NO_TRANSLATION,)

_PPA = frozenset(("add-apt-repository", "apt-add-repository"))
_PLACES = re.compile(
    r"/etc/apt(?:/.*)?|/usr/share/keyrings(?:/.*)?|/etc/dpkg(?:/.*)?|/usr/local/share/keyrings/.*"
)
_SOURCES = re.compile(r"/etc/apt/sources\.list(?:\.d(?:/.*)?)?")
_FEEDERS = frozenset(
    ("echo", "printf", "cat", "curl", "wget", "gpg", "tee", "base64", "sed", "apt-key", "tr")
)
_PLACERS = frozenset(
    ("mkdir", "chmod", "chown", "touch", "install", "rm", "mv", "cp", "ln", "gpg", "rmdir", "test")
)
_IDLE = frozenset(
    ("[", "[[", "test", "echo", "printf", "sleep", "break", "continue", "true", "false", ":",
     "exit", "return")
)  # fmt: skip
_HARMLESS_SETTING = re.compile(
    r"\s*(?:#.*|//.*)?|(?:Acquire|Binary::apt|DPkg|Dpkg|APT::(?:Keep|Get::Assume|Install-|Acquire"
    r"|Sandbox|Get::Show))\S*\s+\S+"
)
_CONSTRUCTS = frozenset(("if", "for", "while", "until", "group", "subshell", "case"))


def prepare(work: Work) -> None:
    """Take out the constructs that do nothing but set apt up."""
    for block in sorted(work.script.blocks, key=lambda each: (each.span.start, -each.span.end)):
        if block.kind in _CONSTRUCTS and not work.is_gone(block.span):
            inside = [c for c in work.script.commands if c.span in block.span]
            if _only_sets_up(work, inside):
                serves = not any(_origins(work, _unit(work, c)) for c in inside)
                work.doom(block, NAME, "it sets up what the platform has already", serves=serves)


def command(work: Work, command: Command) -> bool:
    """Convert one command, or the pipeline that it opens."""
    unit = _unit(work, command)
    if not _is_setup(unit):
        return _is_question(work, command)
    origins = _origins(work, unit)
    first = _statement(unit)
    if unit[0] is not command:
        return True  # the pipeline's first command has spoken for it
    fault = _fault(work, unit, origins)
    if fault:
        work.refuse(first.span, fault, _advice(work, origins))
        return True
    why = "one of the platform's repositories stands for it" if origins else "only apt reads it"
    work.doom(first, NAME, why, serves=not origins)
    return True


def _is_question(work: Work, command: Command) -> bool:
    if command.name in _PPA:
        work.refuse(command.core, "which repository is added can't be read")
    elif command.name == "apt-key":
        work.refuse(
            command.core, "`apt-key` has no counterpart: dnf takes keys from `gpgkey=` of a .repo"
        )
    elif command.name == "apt-cache":
        work.refuse(command.core, "`apt-cache` has no counterpart: dnf answers in other words")
    elif command.name == "apt-mark":
        work.refuse(command.core, "`apt-mark` has no counterpart: dnf has no such marks")
    elif command.name == "apt-config":
        work.refuse(command.core, "`apt-config` has no counterpart: dnf has no such settings")
    elif any(_PLACES.fullmatch(word.value) for word in _files(command)):
        work.refuse(command.core, "files of apt's are used, which the platform hasn't got")
    else:
        return False
    return True


# What belongs together


def _unit(work: Work, command: Command) -> Sequence[Command]:
    """The command, or all of the pipeline around it."""
    block = _pipeline(command)
    if block is None:
        return [command]
    return [c for c in work.script.commands if c.span in block.span]


def _pipeline(command: Command) -> Block | None:
    return next((b for b in reversed(command.blocks) if b.kind == "pipeline"), None)


def _statement(unit: Sequence[Command]) -> Command | Block:
    return _pipeline(unit[0]) or unit[0] if len(unit) > 1 else unit[0]


def _only_sets_up(work: Work, commands: Sequence[Command]) -> bool:
    """Whether each command is a part of apt's set-up or does nothing, and one is the former."""
    some = False
    for each in commands:
        if any(b.kind == "$(…)" for b in each.blocks):
            continue  # what it prints ends in a word of a command that is looked at
        unit = _unit(work, each)
        if _is_setup(unit):
            some = True
            if _fault(work, unit, _origins(work, unit)):
                return False
        elif each.name not in _IDLE or _writes(each) or each.assignments:
            return False
    return some


def _is_setup(unit: Sequence[Command]) -> bool:
    """Whether all that a command or pipeline does is in apt's own folders."""
    inner = [c for c in unit if not _is_substituted(c, unit[0])]
    if len(inner) == 1 and inner[0].name in _PPA:
        return bool(_named(inner[0]))
    feeds = all(each.name in _FEEDERS for each in inner)
    places = len(inner) == 1 and inner[0].name in _PLACERS
    if not (feeds or places):
        return False
    written = [word for each in inner for word in _writes(each)]
    if any(not _PLACES.fullmatch(word.value) for word in written):
        return False
    if places:
        return _places_only(inner[0])
    keyed = any(each.name == "apt-key" for each in inner)
    return bool(written) or (keyed and len(inner) > 1)


def _is_substituted(command: Command, first: Command) -> bool:
    return len(command.blocks) > len(first.blocks) and any(
        b.kind == "$(…)" for b in command.blocks[len(first.blocks) :]
    )


def _places_only(command: Command) -> bool:
    files = [word for word in _files(command) if word.value.startswith("/")]
    return bool(files) and all(_PLACES.fullmatch(word.value) for word in files)


def _files(command: Command) -> list[Word]:
    return [w for w in command.arguments if "/" in w.value and "://" not in w.value]


_OUTPUT = {
    "curl": ("-o", "--output"), "wget": ("-O", "--output-document"), "gpg": ("-o", "--output"),
}  # fmt: skip


def _writes(command: Command) -> list[Word]:
    """The files that a command makes, as far as its words say; /dev/null is none."""
    found = [
        r.target for r in command.redirections
        if r.operator.startswith((">", "&>")) and r.target is not None
    ]  # fmt: skip
    arguments = command.arguments
    if command.name == "tee":
        found += [w for w in arguments if not w.value.startswith("-")]
    if command.name == "sed" and any(w.value.startswith(("-i", "--in-place")) for w in arguments):
        found += [w for w in arguments if w.value.startswith("/")]
    for option in _OUTPUT.get(command.name, ()):
        for at, word in enumerate(arguments[:-1]):
            short = re.fullmatch(rf"-\w*{option[1:]}", word.value) if len(option) == 2 else None
            if word.value == option or short:
                found.append(arguments[at + 1])
    return [w for w in found if not re.fullmatch(r"/dev/\w+|\d|-", w.value)]


# What comes from where


def _origins(work: Work, unit: Sequence[Command]) -> list[str]:
    """What a source names: the PPA, or the URL and the list's file; nothing for a key."""
    found: list[str] = []
    for each in unit:
        if each.name in _PPA:
            found += _named(each)
        lists = [w.value for w in _writes(each) if _SOURCES.fullmatch(w.value)]
        if lists and each.name != "sed":
            found += [*lists, *_addresses(work, unit)]
    return found


def _named(command: Command) -> list[str]:
    return [w.value for w in command.arguments if not w.value.startswith("-")]


def _addresses(work: Work, unit: Sequence[Command]) -> Iterator[str]:
    text = " ".join(word.value for each in unit for word in each.words)
    for each in unit:
        if any(r.operator.startswith("<<") for r in each.redirections):
            text += work.subject.dockerfile.text(work.instruction.span)
    yield from re.findall(r"https?://[^\s\"']+", text)


def _repository(work: Work, origins: Sequence[str]) -> Repository | None:
    for repository in work.subject.platform.repositories.values():
        if any(repository.replaces(origin) for origin in origins):
            return repository
    return None


_RELEASES = re.compile(
    r"\b(?:backports|sid|unstable|testing|experimental|proposed|focal|jammy|noble|bullseye|bookworm"
    r"|trixie)\b|\$"
)


def _fault(work: Work, unit: Sequence[Command], origins: Sequence[str]) -> str:
    """Why the set-up can't go, or nothing."""
    if origins:
        return _fault_of_source(work, origins)
    for each in unit:
        for word in _writes(each):
            if "/preferences" in word.value:
                return "which versions apt prefers has no counterpart in dnf"
            if word.value.startswith("/etc/apt/apt.conf") and not _is_harmless(unit):
                return "this setting of apt's has no known counterpart in dnf"
            if each.name == "sed" and _RELEASES.search(" ".join(w.value for w in each.arguments)):
                return "another release of Debian's or Ubuntu's has no counterpart"
            if _is_used_elsewhere(work, unit, word):
                return f"`{word.value}` is used for something else than apt, too"
    return ""


def _fault_of_source(work: Work, origins: Sequence[str]) -> str:
    repository = _repository(work, origins)
    shown = next((o for o in origins if not o.startswith("/")), origins[0])
    if repository is None:
        return f"no repository of RPMs is known that stands for `{shown}`"
    if repository.name != "ubi" and repository.name not in work.subject.repositories:
        return f"`{repository.name}` stands for `{shown}`, and this overlay doesn't enable it"
    return ""


def _advice(work: Work, origins: Sequence[str]) -> str:
    repository = _repository(work, origins) if origins else None
    if repository is not None:
        return f"add `{repository.name}` to `repositories:` of the overlay"
    if origins:
        return (
            "say which stands for it with `stands_for:` in overlays/_shared/repositories.yaml, "
            "or replace this command with an edit of the overlay"
        )
    return "replace this command with an edit of the overlay"


def _is_harmless(unit: Sequence[Command]) -> bool:
    """Whether all settings say how apt works and not what it installs."""
    text = "\n".join(w.value for c in unit if c.name in ("echo", "printf") for w in c.arguments)
    text = re.sub(r"^-\w+$|\\n|%s", "\n", text, flags=re.MULTILINE)
    settings = [part for part in re.split(r"[;\n]", text) if part.strip()]
    return bool(settings) and all(_HARMLESS_SETTING.fullmatch(s.strip()) for s in settings)


def _is_used_elsewhere(work: Work, unit: Sequence[Command], word: Word) -> bool:
    """Whether a key is read by a command that isn't a part of apt's set-up."""
    for each in work.script.commands:
        around = any(other.span in each.span for other in unit)  # the unit, or the shell it is in
        if around or each.name in _PLACERS | _FEEDERS:
            continue
        if any(word.value in other.value for other in each.arguments):
            return True
    return False
