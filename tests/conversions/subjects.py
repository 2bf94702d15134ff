"""A Dockerfile's text as a Subject, with the real tables, and the laws of every conversion."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from midstream.conversions.shelf import convert_all
from midstream.dockerfile.graph import build_graph
from midstream.dockerfile.scan import parse
from midstream.dockerfile.shell import plain_text, read_script
from midstream.edit import apply_edits
from midstream.source import Source, Span
from midstream.ubi.subject import Sibling, Subject
from midstream.ubi.tables import (
    ImageTable,
    PackageTable,
    Platform,
    read_images,
    read_packages,
    read_platform,
    read_repositories,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from midstream.diagnostic import Diagnostic
    from midstream.edit import Edit

SHARED = Path(__file__).parents[2] / "overlays" / "_shared"
EVERY_REPOSITORY = ("epel", "centos-stream", "cuda", "oneapi", "intel-gpu", "rocm")


def shared(name: str) -> Source:
    """A table of the overlays, as it is delivered."""
    return Source.from_bytes(f"overlays/_shared/{name}", (SHARED / name).read_bytes())


@cache
def tables(platform: str) -> tuple[Platform, PackageTable, ImageTable]:
    repositories = read_repositories(shared("repositories.yaml"))
    return (
        read_platform(shared(f"platforms/{platform}.yaml"), repositories),
        read_packages(shared("packages.yaml"), platform, repositories),
        read_images(shared("images.yaml"), platform),
    )


def subject(
    text: str,
    *,
    platform: str = "ubi9",
    repositories: tuple[str, ...] = EVERY_REPOSITORY,
    arguments: Mapping[str, str] | None = None,
    claimed: tuple[Span, ...] = (),
    live: frozenset[int] | None = None,
    siblings: Mapping[str, Sibling] | None = None,
) -> Subject:
    """All stages are live unless said otherwise."""
    dockerfile = parse(Source("Dockerfile", text))
    platform_table, packages, images = tables(platform)
    return Subject(
        dockerfile=dockerfile,
        graph=build_graph(dockerfile, arguments or {}),
        platform=platform_table,
        packages=packages,
        images=images,
        live=frozenset(s.index for s in dockerfile.stages) if live is None else live,
        claimed=claimed,
        repositories=repositories,
        siblings=siblings or {},
    )


@dataclass(frozen=True)
class Converted:
    """What became of a text."""

    text: str
    found: tuple[Diagnostic, ...]
    edits: tuple[Edit, ...]

    @property
    def codes(self) -> list[str]:
        return [each.rule.code for each in self.found]

    @property
    def messages(self) -> list[str]:
        return [f"{each.rule.code} {each.message}" for each in self.found]


def convert(before: Subject) -> Converted:
    """Convert, and hold the result to the laws of every conversion."""
    outcome = convert_all(before)
    text = apply_edits(before.dockerfile.source.text, outcome.edits)
    after = subject(text, platform=before.platform.name, repositories=before.repositories)
    again = convert_all(after)
    assert [(e.span, e.text) for e in again.edits] == [], "converting the result changes nothing"
    assert shapes(after, len(before.dockerfile.instructions))
    check_shell(before, after)
    check_commands(before, after, outcome.edits)
    return Converted(text, outcome.diagnostics, outcome.edits)


def shapes(after: Subject, at_most: int) -> bool:
    """No instruction appears from nowhere, but for the ENV that enables a toolset, and what puts
    an image with a user and folder of its own where upstream's base starts."""
    new = [
        i for i in after.dockerfile.instructions
        if (i.keyword == "ENV" and "gcc-toolset" in i.value)
        or (i.keyword, i.value) in (("USER", "0"), ("WORKDIR", "/"))
    ]  # fmt: skip
    return len(after.dockerfile.instructions) <= at_most + len(new)


def check_shell(before: Subject, after: Subject) -> None:
    """Every RUN that bash could read can still be read."""
    texts = _runs(after)
    if _bash_reads(_runs(before)):
        assert _bash_reads(texts), texts


def _runs(of: Subject) -> list[str]:
    return [
        plain_text(of.dockerfile, i)
        for i in of.dockerfile.instructions
        if (i.trigger or i).keyword == "RUN" and (i.trigger or i).json is None
    ]


def _bash_reads(texts: Sequence[str]) -> bool:
    return all(
        subprocess.run(["/bin/bash", "-n"], input=text.encode(), check=False).returncode == 0
        for text in texts
    )


def check_commands(before: Subject, after: Subject, edits: Sequence[Edit]) -> None:
    """Commands that no edit touches are the same, in the same order, when the result is read."""
    ordered = sorted(edits)
    found = {start: words for start, _, words in _commands(after)}
    for start, end, words in _commands(before):
        if any(edit.span.overlaps(Span(start, end)) for edit in ordered):
            continue
        moved = sum(len(e.text) - len(e.span) for e in ordered if e.span.end <= start)
        assert found.get(start + moved) == words


def _commands(of: Subject) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    for instruction in of.dockerfile.instructions:
        for command in read_script(of.dockerfile, instruction).commands:
            words = tuple(word.text for word in command.words)
            yield command.span.start, command.span.end, words
