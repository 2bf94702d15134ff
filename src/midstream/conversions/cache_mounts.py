"""Cache mounts on apt's folders become the package manager's own, or go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.dockerfile.arguments import mounts
from midstream.edit import Edit
from midstream.source import Span
from midstream.ubi.outcome import Outcome
from midstream.ubi.survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Rule
    from midstream.dockerfile.arguments import Mount
    from midstream.dockerfile.model import Instruction
    from midstream.ubi.subject import Subject

NAME = "cache-mounts"
RULES: tuple[Rule, ...] = ()

_CACHE = {"dnf": "/var/cache/dnf", "microdnf": "/var/cache/yum"}


def convert(subject: Subject) -> Outcome:
    """`/var/cache/apt` becomes the manager's cache; a mount on `/var/lib/apt` goes."""
    footings = survey(subject)
    edits: list[Edit] = []
    for stage, instruction in subject.live_instructions():
        inner = instruction.trigger or instruction
        if stage is None or inner.keyword != "RUN":
            continue
        manager = footings[stage.index].manager
        if manager is None:
            continue
        edits += _mounts(subject, inner, manager)
    return Outcome(edits=tuple(edits))


def _mounts(subject: Subject, instruction: Instruction, manager: str) -> Iterator[Edit]:
    found = mounts(subject.dockerfile, instruction)
    for mount in found:
        target = (mount.target or "").rstrip("/")
        if mount.type != "cache" or subject.is_claimed(mount.span):
            continue
        option = mount.option("target", "dst", "destination")
        if target == "/var/cache/apt" and option is not None:
            text = f"{option.key}={_CACHE[manager]}"
            yield Edit(option.span, text, NAME, "the package manager's own cache")
        elif target.startswith(("/var/lib/apt", "/var/cache/apt")):
            yield Edit(_with_blanks(instruction, mount), "", NAME, "nothing writes there")


def _with_blanks(instruction: Instruction, mount: Mount) -> Span:
    """A flag with the blanks and continuations behind it, up to the next word."""
    ends = [flag.span.start for flag in instruction.flags] + [instruction.arguments.start]
    following = min(end for end in ends if end > mount.span.start)
    return Span(mount.span.start, following)
