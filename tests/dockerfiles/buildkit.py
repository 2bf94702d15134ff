"""BuildKit's own parser as the judge: what it reads and what we read, in one shape."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from midstream.dockerfile.arguments import pairs, words
from midstream.dockerfile.joined import join
from midstream.dockerfile.scan import parse
from midstream.source import Source

if TYPE_CHECKING:
    from midstream.dockerfile.arguments import Pair
    from midstream.dockerfile.model import Dockerfile, Flag, Instruction
    from midstream.source import Span

oracle: Any = import_module("dockerfile")  # has no types, and the name of a folder of these tests


@dataclass(frozen=True)
class Seen:
    """One instruction, as far as BuildKit's parser tells. Lines count from one."""

    keyword: str
    lines: tuple[int, int]
    flags: tuple[str, ...]
    value: tuple[str, ...]
    json: bool
    heredocs: tuple[tuple[str, int, str], ...]
    carries: str | None


_PAIRS = frozenset(("ENV", "LABEL"))
_WORDS = frozenset(("ADD", "ARG", "COPY", "EXPOSE", "FROM", "VOLUME"))
_TEXT = frozenset(
    (
        "CMD", "ENTRYPOINT", "HEALTHCHECK", "MAINTAINER", "RUN", "SHELL", "STOPSIGNAL", "USER",
        "WORKDIR",
    )
)  # fmt: skip


def theirs(text: str) -> list[Seen] | None:
    """What BuildKit's parser sees; None where it refuses the file."""
    try:
        found = oracle.parse_string(text)
    except oracle.GoParseError:
        return None
    return [_their(each) for each in found]


def _their(each: Any) -> Seen:
    keyword, carried = (each.cmd or "").upper(), (each.sub_cmd or "").upper()
    return Seen(
        keyword=keyword,
        lines=(each.start_line, each.end_line),
        flags=each.flags,
        value=each.value if (carried or keyword) in _PAIRS | _WORDS | _TEXT else (),
        json=each.json,
        heredocs=tuple((h.name, h.file_descriptor, h.content) for h in each.heredocs),
        carries=carried or None,
    )


def ours(text: str) -> list[Seen]:
    """What we see, in the same shape."""
    read = parse(Source("Dockerfile", text))
    return [_our(read, each) for each in read.instructions]


def _our(read: Dockerfile, each: Instruction) -> Seen:
    inner = each.trigger or each
    heredocs = tuple((h.name, h.file_descriptor, read.text(h.body)) for h in each.heredocs)
    return Seen(
        keyword=each.keyword,
        lines=(each.first_line, each.last_line),
        flags=tuple(_flag(flag) for flag in each.flags),
        value=_value(read, inner),
        json=inner.json is not None,
        heredocs=() if each.trigger else heredocs,  # its parser doesn't tell those of an ONBUILD
        carries=inner.keyword if each.trigger else None,
    )


def _flag(flag: Flag) -> str:
    return f"--{flag.name}" if flag.value is None else f"--{flag.name}={flag.value}"


def _value(read: Dockerfile, inner: Instruction) -> tuple[str, ...]:
    keyword = inner.keyword
    if keyword == "HEALTHCHECK":
        kind, *rest = inner.value.split(maxsplit=1)
        return (kind, *(inner.json if inner.json is not None else rest))
    if inner.json is not None:
        return inner.json
    if keyword in _PAIRS:
        return tuple(text for pair in pairs(read, inner) for text in _written(read, pair))
    if keyword == "ARG":
        return tuple(_joined(read, pair.span) for pair in pairs(read, inner))
    if keyword in _WORDS:
        return tuple(item.text for item in words(read, inner))
    return (inner.value,) if keyword in _TEXT and inner.value else ()


def _written(read: Dockerfile, pair: Pair) -> tuple[str, str]:
    return _joined(read, pair.name_span), pair.value or ""


def _joined(read: Dockerfile, span: Span) -> str:
    return join(read.source.text, span, read.escape).text
