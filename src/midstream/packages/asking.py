"""Asking all repositories of a platform and an architecture at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.errors import MidstreamError
from midstream.packages.answers import Answers, State, answer, asked_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from midstream.packages.answers import Sighting
    from midstream.packages.reading import Read, Repositories
    from midstream.ubi.metadata import Metadata
    from midstream.ubi.tables import Platform

_AT_ONCE = 4


class Failure(Struct, frozen=True):
    """A repository that could not be read: `ubi/appstream`, and why."""

    repository: str
    error: MidstreamError


def ask(
    platform: Platform,
    arch: str,
    wanted: Iterable[str],
    reader: Repositories,
    said: Callable[[str], None],
) -> tuple[Answers, tuple[Failure, ...]]:
    """What every repository that says where it can be read has of these arguments of install.

    `said` is told of progress.
    """
    questions = sorted(set(wanted))
    asked = asked_for(questions)
    parts = [
        (row.name, part)
        for row in platform.repositories.values()
        for part in row.metadata
        if arch in part.arches
    ]

    said(f"reading {len(parts)} repositories of {platform.name} for {arch}")

    def read(each: tuple[str, Metadata]) -> tuple[Read, ...] | MidstreamError:
        try:
            return reader.read(each[1], arch, asked)
        except MidstreamError as error:
            # A metalink's address is the same for several of them.
            error.message = f"{each[0]}/{each[1].id} for {arch}: {error.message}"
            return error

    states: dict[str, State] = {}
    found: dict[str, list[Sighting]] = {each: [] for each in questions}
    failures: list[Failure] = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for (row, part), done in zip(parts, pool.map(read, parts), strict=True):
            if isinstance(done, MidstreamError):
                failures.append(Failure(f"{row}/{part.id}", done))
                continue
            for each in done:
                name = f"{row}/{each.id}"
                states[name] = State(each.repomd.digest, each.repomd.revision)
                for question in questions:
                    found[question] += answer(question, name, each.kept, each.modules)
    unread = frozenset(each.repository.partition("/")[0] for each in failures)
    packages = {question: tuple(sightings) for question, sightings in found.items()}
    return Answers(platform.name, arch, states, packages, unread), tuple(failures)
