"""Package lists that stand in a variable of the same script: `PKGS="git curl"`, `for p in …`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.conversions.work import Work
    from midstream.dockerfile.commands import Assignment, Command, Word


class Item(Struct, frozen=True):
    """A name in a list; `cut` is what to delete to take it out."""

    name: str
    span: Span
    cut: Span


class Value(Struct, frozen=True):
    """What one assignment gives; `appends` where it adds to what was there (`X="$X git"`)."""

    items: tuple[Item, ...]
    appends: bool


class Listed(Struct, frozen=True):
    """All values that a variable is given, or why they can't be converted."""

    values: tuple[Value, ...] = ()
    fault: str = ""


_WHOLE = re.compile(r'"?\$(?:\{(?P<braced>\w+)\}|(?P<plain>\w+))"?')
_APT = frozenset(("apt", "apt-get", "aptitude"))


def list_in_variable(work: Work, word: Word) -> Listed | None:
    """The list that a word stands for, or None where it is no variable alone."""
    found = _WHOLE.fullmatch(word.text)
    if found is None:
        return None if _names_something(word) else Listed(fault=_unknown(word))
    name = found["braced"] or found["plain"]
    given = [each for each in work.script.assignments if each.name == name]
    if not given:
        return Listed(fault=_unknown(word))
    if not _only_apt_reads(work, name, given):
        return Listed(fault=f"`{name}` is used for more than apt's packages")
    if any(_has_array(work, each) for each in given):
        return Listed(fault=f"`{name}` is an array")
    values = tuple(_value(work, each) for each in given)
    if any(len(value.items) > 1 for value in values) and word.text.startswith('"'):
        return Listed(fault=f"`{word.text}` is one word for the shell")
    return Listed(values)


def _names_something(word: Word) -> bool:
    """`python${V}-dev` has a name of its own; `$A$B` has none."""
    return bool(re.search(r"[A-Za-z]", re.sub(r"\$\{[^}]*\}|\$\w+", "", word.value)))


def _unknown(word: Word) -> str:
    return f"the packages stand in a variable, `{word.value}`, which isn't set here"


def _only_apt_reads(work: Work, name: str, given: list[Assignment]) -> bool:
    """Whether nothing but apt's commands, and appending to itself, reads a variable."""
    places = [each.span for each in given]
    places += [command.span for command in work.script.commands if command.name in _APT]
    reads = [read.span for read in work.script.reads if read.name == name]
    return all(any(read in place for place in places) for read in reads) and not any(
        _is_exported(command, name) for command in work.script.commands
    )


def _is_exported(command: Command, name: str) -> bool:
    return command.name in ("export", "declare", "readonly") and any(
        word.text.partition("=")[0] == name for word in command.arguments
    )


def _has_array(work: Work, given: Assignment) -> bool:
    return given.value is None or work.text[given.value.span.start] == "("


_NAME = re.compile(r"[^\s\\\"']+")
_COMMENT = re.compile(r"(?:(?<=\n)|\A)[ \t]*#[^\n]*")


def _value(work: Work, given: Assignment) -> Value:
    assert given.value is not None  # noqa: S101 - arrays and empty values were refused
    items = tuple(_items(work, given.value))
    own = [i for i in items if i.name.strip("${}") == given.name]
    return Value(tuple(i for i in items if i not in own), bool(own))


def _items(work: Work, value: Word) -> Iterator[Item]:
    text = work.text[value.span.start : value.span.end]
    text = _COMMENT.sub(lambda comment: " " * len(comment[0]), text)
    end = 0
    for found in _NAME.finditer(text):
        start = value.span.start
        before = end if end else found.start()
        yield Item(
            found[0],
            Span(start + found.start(), start + found.end()),
            Span(start + before, start + found.end()),
        )
        end = found.end()
