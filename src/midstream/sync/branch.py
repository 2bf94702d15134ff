"""A target's branch: what our commits on it say, and whether people's are among them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

    from midstream.adapters.repository import Written
    from midstream.upstream.lock import Lock

PREFIX = "midstream"
WHO = "midstream <midstream@midstream.invalid>"
_TRAILER = re.compile(r"^Midstream-([A-Z][a-z]+): (.*)$", re.MULTILINE)


def branch_of(target: str) -> str:
    return f"{PREFIX}/{target}"


class Inputs(Struct, frozen=True):
    """All that a commit is made from, beside its parent. `overlay` is a digest."""

    url: str
    lock: Lock
    overlay: str

    @property
    def tool(self) -> str:
        return __version__


def message(target: str, path: str, inputs: Inputs, before: Lock | None) -> str:
    """What a commit says: nothing that the same inputs wouldn't say again."""
    lock = inputs.lock
    since = f"From {before.label}, by {inputs.tool}.\n\n" if before else ""
    return (
        f"Carry {target} to {lock.label}\n\n{since}"
        f"Midstream-Upstream: {inputs.url}@{lock.commit}\n"
        f"Midstream-Path: {path}={lock.files[path]}\n"
        f"Midstream-Overlay: {inputs.overlay}\n"
        f"Midstream-Tool: {inputs.tool}\n"
    )


def trailers(said: str) -> dict[str, str]:
    """`Overlay`, `Path`, `Tool` and `Upstream` of a commit of ours."""
    return dict(_TRAILER.findall(said))


def is_ours(commit: Written) -> bool:
    """Whether it is as midstream made it: a person who changes it becomes its committer."""
    by_us = commit.author == WHO and commit.committer == WHO
    return by_us and "Upstream" in trailers(commit.message)


def strangers(commits: Iterable[Written]) -> tuple[Written, ...]:
    """People's commits, wherever they stand on a branch."""
    return tuple(each for each in commits if not is_ours(each))
