"""Values that shell text gives: pinned packages, git refs, versions in URLs, variables.

Each is as written, so that a value that stands in a variable moves in one place alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from midstream.dockerfile.commands import Command, Script, Word
    from midstream.source import Span


class Given(Struct, frozen=True):
    """A name and the value that is given to it: `torch` `==2.9.0`, `git flash-attention` `v2.8`."""

    name: str
    value: str
    span: Span


VERSION = re.compile(
    r"(?<![A-Za-z0-9.])[vV]?\d+(?:\.\d+)+(?:[-.+]?(?:rc|post|dev|alpha|beta|a|b)\.?\d+)*"
    r"(?:\+[A-Za-z0-9]+(?:\.[A-Za-z0-9]+)*)?"
    r"|\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,40}\b"
)
"""A version, or a commit's id."""

_SPEC = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*(?P<spec>(?:===?|~=|!=|>=|<=|<|>)[^;\s]+)"
    r"\s*(?:;.*)?",
    re.DOTALL,
)
_URL = re.compile(r"(?:git\+)?(?:https?|ftp|ssh)://[^\s\"'`;,|)]+")
_GIT_URL = re.compile(r"git\+[^@]+/(?P<name>[^/@]+?)(?:\.git)?@(?P<ref>[^#\s\"']+)")
_REPOSITORY = re.compile(r"(?P<name>[^/:]+?)(?:\.git)?/?$")
_LEFT_ALONE = frozenset(("FETCH_HEAD", "HEAD", "-", "."))
_WITH_VALUE = frozenset(("-b", "--branch", "--depth", "-C", "-c", "-j", "--jobs", "-o", "--origin",
                         "--filter", "--reference"))  # fmt: skip


def given(script: Script) -> Iterator[Given]:
    """All values that a script gives, in the order of the text, kind by kind."""
    for each in script.assignments:
        if each.value is not None and not _is_computed(each.value):
            yield Given(each.name, _plain(each.value), each.span)
    repository = ""
    for command in script.commands:
        if command.name == "git":
            repository, found = _git(command, repository)
            yield from found
        for word in command.words:
            yield from _in_word(word)


def _is_computed(word: Word) -> bool:
    return "$(" in word.text or "`" in word.text


def _plain(word: Word) -> str:
    return word.literal if word.literal is not None else word.text.strip("\"'")


def _in_word(word: Word) -> Iterator[Given]:
    text = word.value
    pinned = _SPEC.fullmatch(text)
    if pinned:
        yield Given(pinned["name"], pinned["spec"], word.span)
        return
    for found in _URL.finditer(text):
        from_git = _GIT_URL.match(found[0])
        if from_git:
            yield Given(f"git {from_git['name']}", from_git["ref"], word.span)
            continue
        yield from in_url(found[0], word.span)


def in_url(url: str, span: Span) -> Iterator[Given]:
    """The versions in a URL, under the URL with a `*` in the place of each."""
    versions = [found[0] for found in VERSION.finditer(url)]
    if versions:
        shape = VERSION.sub("*", url).partition("://")[2]
        yield Given(shape, ", ".join(dict.fromkeys(versions)), span)


def _git(command: Command, repository: str) -> tuple[str, list[Given]]:
    """The repository that the commands after this one are in, and the ref that this one names."""
    plain, options = _sorted_out(command.arguments)
    if not plain:
        return repository, []
    verb, rest = plain[0].value, plain[1:]
    if verb == "clone" and rest:
        found = _REPOSITORY.search(rest[0].value)
        repository = found["name"] if found else rest[0].value
        refs = [word for name, word in options if name in ("-b", "--branch")]
        return repository, [_ref(repository, word) for word in refs]
    if verb in ("checkout", "switch", "fetch", "reset") and rest:
        return repository, [
            _ref(repository, word) for word in rest[-1:] if word.value not in _LEFT_ALONE
        ]  # fmt: skip
    return repository, []


def _ref(repository: str, word: Word) -> Given:
    value = word.value.partition("=")[2] if word.value.startswith("--") else word.value
    return Given(f"git {repository}".strip(), value, word.span)


def _sorted_out(words: Iterable[Word]) -> tuple[list[Word], list[tuple[str, Word]]]:
    """Plain words, and options with the words that give their values."""
    plain: list[Word] = []
    options: list[tuple[str, Word]] = []
    waiting = ""
    for word in words:
        text = word.value
        if waiting:
            options.append((waiting, word))
            waiting = ""
        elif text in _WITH_VALUE:
            waiting = text
        elif text.startswith("-") and text not in _LEFT_ALONE:
            options.append((text.partition("=")[0], word))
        else:
            plain.append(word)
    return plain, options
