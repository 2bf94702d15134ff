"""All conversions, in the order in which their findings are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.conversions import (
    accounts,
    alternatives,
    apt_sources,
    apt_to_dnf,
    base_image,
    cache_mounts,
    debconf,
    debian_paths,
    dpkg,
    left_over,
    locales,
    platform_questions,
)
from midstream.conversions.work import Work
from midstream.ubi.outcome import Outcome
from midstream.ubi.survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Rule
    from midstream.dockerfile.commands import Command
    from midstream.edit import Edit
    from midstream.ubi.subject import Footing, Subject

OF_FILES = (base_image, cache_mounts, debconf, debian_paths)
"""Conversions that look at a whole Dockerfile: `convert(subject)`."""

OF_COMMANDS = (
    platform_questions, apt_to_dnf, apt_sources, dpkg, debconf, locales, alternatives, accounts,
)  # fmt: skip
"""Conversions that look at one command after the other: `command(work, command)`."""

CONVERSIONS = tuple(dict.fromkeys((*OF_FILES, *OF_COMMANDS, left_over)))
RULES: tuple[Rule, ...] = tuple(
    dict.fromkeys(rule for conversion in CONVERSIONS for rule in conversion.RULES)
)


def convert_all(subject: Subject) -> Outcome:
    """What every conversion has to say about a Dockerfile."""
    commands = Outcome.merged(_convert_commands(subject))
    whole = Outcome.merged(conversion.convert(subject) for conversion in OF_FILES)
    # What a command becomes says all about its words.
    others = [edit for edit in whole.edits if not _meets(edit, commands.edits)]
    outcome = Outcome((*others, *commands.edits), (*whole.diagnostics, *commands.diagnostics))
    found = sorted(
        (*outcome.diagnostics, *left_over.left_over(subject, outcome)),
        key=lambda each: (each.span, each.rule.code),
    )
    return Outcome(outcome.edits, tuple(found))


def _meets(edit: Edit, others: tuple[Edit, ...]) -> bool:
    return any(edit.span.overlaps(other.span) or edit.span in other.span for other in others)


def _convert_commands(subject: Subject) -> Iterator[Outcome]:
    footings = survey(subject)
    enabled: dict[int, set[str]] = {}
    for stage in subject.live_stages:  # a FROM only looks upwards, so parents come first
        parent = subject.graph.base(stage.index).target
        known = set(enabled.get(parent, ())) if parent is not None else set()
        enabled[stage.index] = known
        footing = footings[stage.index]
        if footing.manager is None:
            continue
        known.update(_set_up_by(subject, footing))
        for instruction in stage.instructions:
            yield _instruction(Work(subject, stage, instruction, footing, known))


def _set_up_by(subject: Subject, footing: Footing) -> frozenset[str]:
    sibling = subject.siblings.get(footing.image or "") if footing.sibling else None
    return sibling.repositories if sibling is not None else frozenset()


def _instruction(work: Work) -> Outcome:
    if not work.script.commands:
        return Outcome()
    apt_sources.prepare(work)
    for command in work.script.commands:
        if not work.subject.is_claimed(command.span) and not work.is_gone(command.span):
            _command(work, command)
    return work.outcome()


def _command(work: Work, command: Command) -> None:
    for conversion in OF_COMMANDS:
        if conversion.command(work, command):
            return
