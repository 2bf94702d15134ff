"""ARG and ENV: which names are known where, and what a text is once they are filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midstream.dockerfile.model import Dockerfile, Instruction


@dataclass(frozen=True, slots=True)
class Expanded:
    """A text with its variables filled in, and the names that had no value."""

    text: str
    missing: tuple[str, ...] = ()


def expand(text: str, values: Mapping[str, str], escape: str = "\\") -> Expanded:
    """Fill in `$X` and `${X…}` as BuildKit does (`:-`, `:+`, `-`, `+`, `?`, `#`, `%`, `/` …)."""
    raise NotImplementedError


class Scope:
    """What ARG and ENV give at each place of a Dockerfile, for the arguments of one build.

    `Scope(dockerfile, arguments)`; `inherited` maps the label of an external base (or its image
    reference) to the environment that its image brings, where that is known.
    """

    def __init__(
        self,
        dockerfile: Dockerfile,
        arguments: Mapping[str, str] | None = None,
        inherited: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        raise NotImplementedError

    def at(self, instruction: Instruction) -> Mapping[str, str]:
        """Every variable with a value just before that instruction (ENV wins over ARG)."""
        raise NotImplementedError

    def environment(self, stage: int) -> Mapping[str, str]:
        """The ENV at a stage's end, what it inherited included."""
        raise NotImplementedError

    def declared(self, instruction: Instruction) -> frozenset[str]:
        """Every name declared there by ARG or ENV, with or without a value."""
        raise NotImplementedError
