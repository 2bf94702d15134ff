"""overlays/packages.lock.json: what the repositories had when `midstream packages lock` asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from midstream.errors import UsageError
from midstream.packages.answers import Answers, Sighting, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NAME = "overlays/packages.lock.json"


class UnreadableLock(UsageError):
    """The lock isn't as midstream writes it."""


class _Build(Struct, frozen=True, forbid_unknown_fields=True):
    repositories: dict[str, State]
    packages: dict[str, tuple[Sighting, ...]]


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    midstream: int
    platforms: dict[str, dict[str, _Build]]


def read_lock(data: bytes) -> tuple[Answers, ...]:
    """Raises `UnreadableLock`."""
    try:
        file = msgspec.json.decode(data, type=_File)
    except msgspec.DecodeError as error:
        raise UnreadableLock(
            f"can't read {NAME}: {error}", help="run: midstream packages lock"
        ) from None
    if file.midstream != 1:
        raise UnreadableLock(
            f"{NAME} was made for another version of the format",
            help="run: midstream packages lock",
        )
    return tuple(
        Answers(platform, arch, build.repositories, build.packages)
        for platform, arches in file.platforms.items()
        for arch, build in arches.items()
    )


def write_lock(every: Iterable[Answers]) -> bytes:
    """The same answers give the same bytes. A package stands on a line, for those who review it."""
    platforms: dict[str, dict[str, Any]] = {}
    for each in sorted(every, key=lambda each: (each.platform, each.arch)):
        platforms.setdefault(each.platform, {})[each.arch] = as_json(each)
    return f"{_lines({'midstream': 1, 'platforms': platforms}, 5)}\n".encode()


def as_json(answers: Answers) -> dict[str, Any]:
    """What one platform and architecture has, in the order of names."""
    states = dict(sorted(answers.repositories.items()))
    packages = dict(sorted(answers.packages.items()))
    content: dict[str, Any] = msgspec.to_builtins({"repositories": states, "packages": packages})
    return content


def _lines(value: object, depth: int, indent: int = 1) -> str:
    """JSON whose objects stand on lines of their own down to a depth."""
    if not depth or not isinstance(value, dict) or not value:
        return json.dumps(value)
    inside = ",\n".join(
        f"{' ' * indent}{json.dumps(key)}: {_lines(each, depth - 1, indent + 1)}"
        for key, each in value.items()
    )
    return f"{{\n{inside}\n{' ' * (indent - 1)}}}"


class Moved(Struct, frozen=True):
    """What is another version now: `ubi9 x86_64 git`, what it was, and what it is.

    Empty where nothing has it, None where that isn't asked.
    """

    package: str
    before: str | None
    after: str | None


def moved(before: Iterable[Answers], after: Iterable[Answers]) -> Iterator[Moved]:
    """The packages of which two locks don't say the same."""
    old, new = _by_name(before), _by_name(after)
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield Moved(name, old.get(name), new.get(name))


def _by_name(every: Iterable[Answers]) -> dict[str, str]:
    return {
        f"{each.platform} {each.arch} {wanted}": ", ".join(
            f"{one.name}-{one.evr} ({one.repository})" for one in found
        )
        for each in every
        for wanted, found in each.packages.items()
    }
