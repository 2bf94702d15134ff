"""What a call says: its words, what it prints, and what it tells a package manager."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midstream.adapters.sandbox import Call

_MANAGERS = frozenset(("apt", "apt-get", "aptitude", "dnf", "yum", "microdnf", "rpm"))
_VERBS = {
    "install": "install",
    **dict.fromkeys(("remove", "purge", "autoremove"), "remove"),
    **dict.fromkeys(("upgrade", "dist-upgrade", "full-upgrade", "safe-upgrade"), "upgrade"),
    **dict.fromkeys(("clean", "autoclean", "distclean"), "clean"),
}
_WITH_VALUE = frozenset(("-o", "-t", "-c", "-a", "--option", "--target-release"))


def base(name: str) -> str:
    """A program's name without the folder that it is in."""
    return name.rsplit("/", 1)[-1] or name


def packages_of(call: Call) -> tuple[str, tuple[str, ...]] | None:
    """What a package manager is told: install, remove, upgrade, clean or other; and the names."""
    name = base(call.words[0])
    if name not in _MANAGERS:
        return None
    plain = [
        word for before, word in pairwise(call.words)
        if not word.startswith("-") and before not in _WITH_VALUE
    ]  # fmt: skip
    if name == "rpm":
        return ("remove" if {"-e", "--erase"} & set(call.words) else "other", tuple(plain))
    if not plain:
        return ("other", ())
    verb = "upgrade" if (name, plain[0]) == ("microdnf", "update") else _VERBS.get(plain[0])
    return (verb or "other", tuple(plain[1:]))


def is_idle(call: Call) -> bool:
    """Whether a call only says something, and not into a file."""
    return call.words[0] in ("echo", "printf") and call.output in ("out", "err", "null")


def reads(call: Call, said: str) -> bool:
    """Whether a call is given a text, as input or in a word."""
    return said in call.input or any(said in word for word in call.words)


def printed(call: Call) -> str:
    """What a call prints, where that is known."""
    if call.words[0] in ("echo", "printf"):
        return " ".join(word for word in call.words[1:] if not word.startswith("-")).strip()
    if call.words[0] in ("cat", "tee"):
        return call.input.strip()
    return call.said


def rewritten(text: str, texts: Mapping[str, str]) -> str:
    """A text with each of `texts` replaced by what it became."""
    for old, new in texts.items():
        text = text.replace(old, new)
    return text


def call_rewritten(call: Call, texts: Mapping[str, str]) -> Call:
    """A call with such texts replaced wherever they stand in it."""
    if not texts:
        return call
    return replace(
        call,
        words=tuple(rewritten(word, texts) for word in call.words),
        input=rewritten(call.input, texts),
        folder=rewritten(call.folder, texts),
        environment=tuple((n, rewritten(v, texts)) for n, v in call.environment),
    )


def with_words(call: Call, renamed: Mapping[str, str]) -> Call:
    """A call whose arguments have the names that upstream's had; its program stays."""
    if not renamed:
        return call
    return replace(
        call,
        words=(call.words[0], *(rewritten(word, renamed) for word in call.words[1:])),
        input=rewritten(call.input, renamed),
        environment=tuple((n, rewritten(v, renamed)) for n, v in call.environment),
    )


def same_around(before: Call, after: Call) -> bool:
    """Whether all but the words is the same."""
    return (
        _wrappers(before) == _wrappers(after)
        and before.input == after.input
        and before.folder == after.folder
        and before.output == after.output
        and before.errors == after.errors
        and before.environment == after.environment
    )


def _wrappers(call: Call) -> str:
    return re.sub(r"\b(?:DEBIAN_\w+|DEBCONF_\w+)=\S* ?|\benv (?=env |$)", "", call.wrappers)


def shown(call: Call) -> str:
    """A call on one line, as it might be typed."""
    places = {"out": "", "err": " >&2", "null": " >/dev/null", "pipe": " |", "file": " > …"}
    errors = {"err": "", "null": " 2>/dev/null", "out": " 2>&1", "pipe": " 2>&1", "file": " 2>…"}
    environment = "".join(f"{name}={value} " for name, value in call.environment)
    line = " ".join(word if word and " " not in word else repr(word) for word in call.words)
    folder = f"(in {call.folder}) " if call.folder else ""
    fed = f" <<< {call.input[:40]!r}" if call.input else ""
    text = f"{folder}{environment}{call.wrappers}{line}{fed}"
    return (text + places[call.output] + errors[call.errors])[:200]
