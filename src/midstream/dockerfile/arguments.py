"""What stands behind a keyword: key-value pairs, copied files, mounts; each with its place."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.dockerfile.joined import SPACE, join

if TYPE_CHECKING:
    from midstream.dockerfile.joined import Joined
    from midstream.dockerfile.model import Dockerfile, Flag, Instruction
    from midstream.source import Span


class Pair(Struct, frozen=True, gc=False):
    """`name=value` of an ARG, ENV or LABEL.

    `value` is as written, quotes and variables included; None for an ARG without a default.
    `span` is the whole pair's place. The value's place is None where there is no value.
    """

    name: str
    value: str | None
    span: Span
    name_span: Span
    value_span: Span | None


class Item(Struct, frozen=True, gc=False):
    """A word of an instruction, as written."""

    text: str
    span: Span


class Transfer(Struct, frozen=True, gc=False):
    """What a COPY or ADD takes, and where to. A heredoc source is its opener, e.g. `<<EOF`."""

    sources: tuple[Item, ...]
    destination: Item | None


class MountOption(Struct, frozen=True, gc=False):
    """One `key=value` of a `--mount`; `value` is None for a bare key such as `readonly`."""

    key: str
    value: str | None
    span: Span


class Mount(Struct, frozen=True, gc=False):
    """A RUN's `--mount`. Its type is bind where nothing is said."""

    options: tuple[MountOption, ...]
    span: Span

    def get(self, *keys: str) -> str | None:
        """The value of the first option that has one of these names."""
        return next((option.value for option in self.options if option.key in keys), None)

    def option(self, *keys: str) -> MountOption | None:
        return next((option for option in self.options if option.key in keys), None)

    @property
    def type(self) -> str:
        return self.get("type") or "bind"

    @property
    def target(self) -> str | None:
        return self.get("target", "dst", "destination")

    @property
    def source(self) -> str | None:
        return self.get("source", "src")


_BLANK = re.compile(r"[\t\v\f\r ]+")


@cache
def _word(escape: str) -> re.Pattern[str]:
    """A word of an ARG, ENV or LABEL (parseWords in BuildKit): quotes hold blanks together.

    An escape takes the next character along, but not inside single quotes.
    """
    mark = re.escape(escape)
    return re.compile(
        rf"""(?: {mark}. | '[^']*(?:'|\Z) | "(?:{mark}.|[^"{mark}])*(?:"|{mark}?\Z)
             | [^{SPACE}'"{mark}] | {mark}\Z )+""",
        re.VERBOSE | re.DOTALL,
    )


def pairs(dockerfile: Dockerfile, instruction: Instruction) -> tuple[Pair, ...]:
    """The pairs of an ARG, ENV or LABEL, the legacy `ENV name value` included. Read once."""
    known = dockerfile.pairs_read
    start = instruction.arguments.start
    if start not in known:
        known[start] = _pairs(dockerfile, instruction)
    return known[start]


def _pairs(dockerfile: Dockerfile, instruction: Instruction) -> tuple[Pair, ...]:
    joined = join(dockerfile.source.text, instruction.arguments, dockerfile.escape)
    words = [found.span() for found in _word(dockerfile.escape).finditer(joined.text)]
    if instruction.keyword != "ARG" and words:
        first = joined.text[slice(*words[0])]
        if "=" not in first:
            return (_legacy(joined),)
    return tuple(_pair(joined, start, end) for start, end in words)


def unreadable_pairs(text: str, escape: str) -> str | None:
    """Why BuildKit can't read the pairs of an ENV or LABEL; None where it can."""
    words = _word(escape).findall(text)
    if not words:
        return None
    if "=" not in words[0]:
        return None if _BLANK.search(text) else f"`{words[0]}` has no value"
    bare = next((word for word in words if "=" not in word), None)
    return f"`{bare}` has no `=`" if bare is not None else None


def _pair(joined: Joined, start: int, end: int) -> Pair:
    text = joined.text[start:end]
    name, equals, value = text.partition("=")
    value_start = start + len(name) + 1
    return Pair(
        name=_unquoted(name),
        value=value if equals else None,
        span=joined.span(start, end),
        name_span=joined.span(start, start + len(name)),
        value_span=joined.span(value_start, end) if equals else None,
    )


def _legacy(joined: Joined) -> Pair:
    text = joined.text
    gap = _BLANK.search(text)
    name_end, value_start = gap.span() if gap else (len(text), len(text))
    return Pair(
        name=_unquoted(text[:name_end]),
        value=text[value_start:],
        span=joined.span(0, len(text)),
        name_span=joined.span(0, name_end),
        value_span=joined.span(value_start, len(text)),
    )


def _unquoted(name: str) -> str:
    return name.strip("\"'")


def transfer(dockerfile: Dockerfile, instruction: Instruction) -> Transfer:
    """What a COPY or ADD copies, in shell or exec form."""
    items = words(dockerfile, instruction)
    if not items:
        return Transfer((), None)
    return Transfer(items[:-1], items[-1])


_PLAIN = re.compile(r"[^\t\v\f\r ]+")
_JSON_WORD = re.compile(r'"((?:\\.|[^"\\])*)"')


def words(dockerfile: Dockerfile, instruction: Instruction) -> tuple[Item, ...]:
    """The words of an instruction that is not shell: COPY, ADD, EXPOSE, USER, VOLUME …"""
    joined = join(dockerfile.source.text, instruction.arguments, dockerfile.escape)
    if instruction.json is not None:
        found = _JSON_WORD.finditer(joined.text)
        return tuple(
            Item(value, joined.span(*match.span(1)))
            for value, match in zip(instruction.json, found, strict=False)
        )
    # Quotes hold nothing together here: BuildKit splits these at every blank.
    return tuple(
        Item(found[0], joined.span(*found.span())) for found in _PLAIN.finditer(joined.text)
    )


def mounts(dockerfile: Dockerfile, instruction: Instruction) -> tuple[Mount, ...]:
    """The mounts of a RUN. Read once."""
    known = dockerfile.mounts_read
    start = instruction.span.start
    if start not in known:
        flags = instruction.flags_named("mount")
        known[start] = tuple(_mount(dockerfile, flag) for flag in flags)
    return known[start]


_OPTION = re.compile(r"[^,]+")


def _mount(dockerfile: Dockerfile, flag: Flag) -> Mount:
    joined = join(dockerfile.source.text, flag.span, dockerfile.escape)
    start = joined.text.find("=") + 1
    options = []
    for found in _OPTION.finditer(joined.text, start):
        key, equals, value = found[0].strip("\"'").partition("=")
        span = joined.span(*found.span())
        options.append(MountOption(key.lower(), value if equals else None, span))
    return Mount(tuple(options), flag.span)
