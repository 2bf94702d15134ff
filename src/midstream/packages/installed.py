"""What a Dockerfile for UBI installs with dnf, and from which repositories."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.diagnostic import Place
from midstream.packages.answers import is_known, unnamed
from midstream.packages.claims import Claim
from midstream.ubi.survey import survey
from midstream.ubi.tables import INSTALLERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from midstream.dockerfile.commands import Command, Script, Word
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.ubi.subject import Subject
    from midstream.ubi.tables import Package

_VERBS = frozenset(("install", "reinstall"))
_WITH_VALUE = frozenset(
    (
        "--enablerepo", "--disablerepo", "--repo", "--repoid", "--repofrompath", "--setopt",
        "--exclude", "-x", "--config", "-c", "--releasever", "--installroot", "--forcearch",
        "--downloaddir", "--destdir", "--advisory",
    )
)  # fmt: skip
_CONDITIONS = frozenset(("if", "case", "while", "for"))
_OF_NO_REPOSITORY = re.compile(r".*://|.*\.rpm$")


def installs(subject: Subject, target: str) -> Iterator[Claim]:
    """A claim for each package that the stages on UBI install; `wanted` is empty where a word
    can't be looked up, and `unsure` says why then."""
    footings = survey(subject)
    rows = {unnamed(rpm): row for row in subject.packages.rows.values() for rpm in row.rpms}
    for stage in subject.live_stages:
        if footings[stage.index].manager is None:
            yield from _foreign(subject, stage, target)
            continue
        enabled, unsure = _repositories(subject, stage)
        for instruction in stage.instructions:
            script = subject.script(instruction)
            for command in script.commands:
                values = _values(subject, instruction, script)
                for word in _packages(command):
                    for wanted in _filled(word.value, values):
                        if _OF_NO_REPOSITORY.match(wanted):
                            continue
                        yield _claim(
                            subject, wanted, word, command, enabled, unsure,
                            rows.get(wanted) or rows.get(unnamed(word.value)), target, stage,
                        )  # fmt: skip


def _foreign(subject: Subject, stage: Stage, target: str) -> Iterator[Claim]:
    """That nobody looks up what a stage on another distribution installs, if it installs any."""
    scripts = [subject.script(instruction) for instruction in stage.instructions]
    if any(True for script in scripts for each in script.commands for _ in _packages(each)):
        place = Place(subject.dockerfile.source, stage.origin.keyword_span)
        why = f"what `{stage.label}` installs isn't looked up: it stands on no UBI image"
        yield Claim("", (), place, None, target, f"stage {stage.label}", unsure=why, foreign=True)


def _claim(
    subject: Subject,
    wanted: str,
    word: Word,
    command: Command,
    enabled: tuple[str, ...],
    unsure: str,
    row: Package | None,
    target: str,
    stage: Stage,
) -> Claim:
    place = Place(subject.dockerfile.source, word.span)
    known = is_known(wanted)
    if not known:
        unsure = f"what `{word.value}` stands for is known only when it runs"
    elif wanted.startswith("@"):
        known, unsure = False, f"`{wanted}` is a group of packages"
    return Claim(
        wanted if known else "", enabled, place, row, target, f"stage {stage.label}",
        perhaps=bool(_CONDITIONS.intersection(command.inside)), unsure=unsure,
    )  # fmt: skip


def _packages(command: Command) -> Iterator[Word]:
    if command.name not in INSTALLERS:
        return
    takes = verb = False
    for word in command.arguments:
        if takes:
            takes = False
        elif word.value.startswith("-"):
            takes = word.value in _WITH_VALUE
        elif not verb:
            if word.value not in _VERBS:
                return
            verb = True
        else:
            yield word


# --- the values of variables ---

_USED = re.compile(r"\$\{(\w+)\}|\$(\w+)")
_ANY = "${…}"  # what only a run of the command can tell
_RUN = re.compile(r"\$\(.*?\)|`.*?`", re.DOTALL)


def _values(subject: Subject, instruction: Instruction, script: Script) -> dict[str, list[str]]:
    """What ARG, ENV and the script itself give variables: several, where the script does."""
    values = {name: [text] for name, text in subject.graph.scope.at(instruction).items()}
    given: dict[str, list[str]] = {}
    for each in script.assignments:
        text = each.value.value if each.value is not None else _ANY
        own = re.compile(rf"\$\{{{each.name}\}}|\${each.name}\b")  # `X="$X git"` adds to it
        given.setdefault(each.name, []).append(own.sub("", _RUN.sub(_ANY, text)))
    return {**values, **given}


def _filled(text: str, values: Mapping[str, list[str]]) -> list[str]:
    """The words that a word becomes. What is known only when it runs stays a variable."""
    known = _RUN.sub(_ANY, text)
    alone = _USED.fullmatch(known)
    if alone is not None:
        lists = values.get(alone[1] or alone[2], [text])
        words = [word for each in lists for word in each.replace("\\\n", " ").split()]
        return [_with_values(word, values) for word in words] or [text]
    return [_with_values(known, values)]


def _with_values(text: str, values: Mapping[str, list[str]]) -> str:
    def value(found: re.Match[str]) -> str:
        texts = values.get(found[1] or found[2], [])
        known = len(texts) == 1 and texts[0] != _ANY and " " not in texts[0]
        return texts[0] if known else found[0]

    return _USED.sub(value, _USED.sub(value, text))


# --- the repositories ---

_EPEL = re.compile(r"\bepel-release\b")
_SETS_UP = re.compile(
    r"/etc/yum\.repos\.d|config-manager|--add-repo|--enablerepo|--repofrompath|\w-(?:release|repo)\b\S*\.rpm"
    r"|subscription-manager|module\s+(?:enable|install)|\.repo\b"
)


def _repositories(subject: Subject, stage: Stage) -> tuple[tuple[str, ...], str]:
    """The names of the repositories that a stage has, and whether it may have others as well."""
    enabled = ["ubi", *subject.repositories]
    footing = survey(subject)[stage.index]
    sibling = subject.siblings.get(footing.image or "")
    enabled += sibling.repositories if sibling is not None else ()
    base = subject.platform.base_for(footing.image or "")
    if base is not None and base.name in subject.platform.repositories:
        enabled.append(base.name)  # CUDA's images come with CUDA's repository
    text = "\n".join(
        subject.dockerfile.text(each.span)
        for each in subject.lineage(stage)
        if each.keyword in ("RUN", "COPY", "ADD")
    )
    for repository in subject.platform.repositories.values():
        for command in repository.set_up.values():
            text = text.replace(command, "")
    if _EPEL.search(text):
        enabled.append("epel")
        text = _EPEL.sub("", text)
    unsure = "its stage sets up a repository of its own" if _SETS_UP.search(text) else ""
    return tuple(dict.fromkeys(each for each in enabled if each)), unsure
