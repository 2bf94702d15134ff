"""Values that upstream's files for `docker buildx bake` give to build arguments.

Bake reads HCL, and JSON of the same shape. What is read here are literals: the default of a
variable, an argument of a target. An expression is nobody's value.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from midstream.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from midstream.source import Source


class Baked(Struct, frozen=True):
    """A build argument's value, and where it stands."""

    name: str
    value: str
    span: Span


class _Target(Struct):
    name: str
    stage: str | None
    inherits: tuple[str, ...]
    arguments: dict[str, Baked]


VERSIONS = "docker/versions.json"
_MADE_FROM = "docker/Dockerfile"  # upstream makes versions.json from the ARGs of this file


def is_baked(path: str) -> bool:
    """Whether a file is one that `docker buildx bake` takes values from."""
    return path == VERSIONS or path.endswith(".hcl")


def given_to(source: Source, dockerfile: str, stage: str) -> tuple[Baked, ...]:
    """What such a file gives to the ARGs of a Dockerfile whose `stage` is built."""
    if source.name == VERSIONS:
        return tuple(variables(source).values()) if dockerfile == _MADE_FROM else ()
    return arguments(source, dockerfile, stage)


@lru_cache(maxsize=64)
def variables(source: Source) -> Mapping[str, Baked]:
    """The variables of a file in JSON, such as docker/versions.json, by name; none where it is
    something else."""
    try:
        content: Any = json.loads(source.text)["variable"]
        defaults = {str(name): each["default"] for name, each in content.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    found = {}
    for name, value in defaults.items():
        if isinstance(value, str | int | float):
            at = max(0, source.text.find(f'"{name}"'))
            found[name] = Baked(name, str(value), Span(at, at + len(name) + 2))
    return found


@lru_cache(maxsize=64)
def arguments(source: Source, dockerfile: str, stage: str) -> tuple[Baked, ...]:
    """What the targets of an HCL file pass to a stage of a Dockerfile; where two targets build
    it, what both pass. Nothing where the file doesn't name the Dockerfile."""
    text = _without_comments(source.text)
    if f'"{dockerfile}"' not in text:
        return ()
    blocks = list(_blocks(text))
    known = {name: _default(text, start, end) for kind, name, start, end in blocks
             if kind == "variable"}  # fmt: skip
    targets = {
        name: _target(text, name, start, end, known)
        for kind, name, start, end in blocks
        if kind == "target"
    }
    found: dict[tuple[str, str], Baked] = {}
    for each in targets.values():
        if each.stage == stage:
            for baked in _passed(each, targets, ()).values():
                found.setdefault((baked.name, baked.value), baked)
    return tuple(found.values())


def _passed(
    target: _Target, targets: Mapping[str, _Target], above: tuple[str, ...]
) -> dict[str, Baked]:
    found: dict[str, Baked] = {}
    for name in target.inherits:
        if name in targets and name not in above:
            found |= _passed(targets[name], targets, (*above, name))
    return found | target.arguments


_COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|(?:#|//)[^\n]*|/\*.*?\*/', re.DOTALL)
_BLOCK = re.compile(r'^(variable|target)\s+"([^"]+)"\s*\{', re.MULTILINE)
# A pair stands on a line of its own, or behind the brace or a comma on the line of another.
_PAIR = re.compile(
    r'(?:^|[{,])[ \t]*"?([A-Za-z_][\w.-]*)"?[ \t]*=[ \t]*'
    r'((?:"(?:\\.|[^"\\\n])*"|\[[^]]*]|[^],\n"[])+?)[ \t]*(?=,|$)',
    re.MULTILINE,
)
_LITERAL = re.compile(r'"([^"\\$]*)"|(-?\d+(?:\.\d+)?|true|false)')


def _without_comments(text: str) -> str:
    """Comments become blanks of the same length; a `#` in a string is none."""

    def blank(found: re.Match[str]) -> str:
        return found[0] if found[0].startswith('"') else re.sub(r"[^\n]", " ", found[0])

    return _COMMENT.sub(blank, text)


def _blocks(text: str) -> Iterator[tuple[str, str, int, int]]:
    for found in _BLOCK.finditer(text):
        yield found[1], found[2], found.end(), _closing(text, found.end())


def _closing(text: str, start: int) -> int:
    """Where the block that is open at `start` is closed. Braces in strings are HCL's own."""
    depth = 1
    for found in re.finditer(r'"(?:\\.|[^"\\\n])*"|[{}]', text[start:]):
        if found[0] in "{}":
            depth += 1 if found[0] == "{" else -1
            if not depth:
                return start + found.start()
    return len(text)


def _default(text: str, start: int, end: int) -> tuple[str, Span] | None:
    for found in _PAIR.finditer(text, start - 1, end):
        if found[1] == "default":
            literal = _LITERAL.fullmatch(found[2])
            if literal:
                return literal[1] if literal[1] is not None else literal[2], Span(*found.span(2))
    return None


def _target(
    text: str, name: str, start: int, end: int, known: Mapping[str, tuple[str, Span] | None]
) -> _Target:
    said: dict[str, str] = {}
    passed: dict[str, Baked] = {}
    inner = re.search(r"(?:^|[{,])\s*args\s*=\s*\{", text[start - 1 : end], re.MULTILINE)
    first = start - 1 + inner.end() if inner else end
    inside = (first, _closing(text, first) if inner else end)
    for found in _PAIR.finditer(text, start - 1, end):
        if not inside[0] <= found.start(1) < inside[1]:
            said[found[1]] = found[2]
    for found in _PAIR.finditer(text, inside[0] - 1, inside[1]):
        literal = _LITERAL.fullmatch(found[2])
        value = known.get(found[2])
        if literal:
            plain = literal[1] if literal[1] is not None else literal[2]
            value = plain, Span(*found.span(2))
        if value is not None and value[0]:
            passed[found[1]] = Baked(found[1], *value)
    stage = _LITERAL.fullmatch(said.get("target", ""))
    inherits = tuple(re.findall(r'"([^"]+)"', said.get("inherits", "")))
    return _Target(name, stage[1] if stage else None, inherits, passed)
