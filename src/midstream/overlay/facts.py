"""Values read from upstream's files, so that nobody types them twice."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from midstream.diagnostic import Diagnostic, Rule, Severity
from midstream.dockerfile.arguments import pairs
from midstream.dockerfile.variables import expand
from midstream.errors import UsageError
from midstream.overlay.model import FactKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from midstream.dockerfile.model import Dockerfile
    from midstream.overlay.model import FactRule
    from midstream.source import Source

NO_FACT = Rule(
    "MS534",
    "fact-not-found",
    """\
**What it says.** A value that `facts:` reads from upstream isn't there any more, or stands there
more than once with different values.

**Why it matters.** The result depends on it; an old or guessed value would be wrong without a word.

**The way out.** Look where upstream keeps it now, and mend the entry.
""",
)
RULES = (NO_FACT,)


class FactMissing(UsageError):
    """A fact that can't be read; the finding says where it was looked for."""


def read_facts(
    rules: Mapping[str, FactRule], dockerfile: Dockerfile, file: Callable[[str], Source]
) -> dict[str, str]:
    """The value of every fact. Raises `FactMissing`, and what `file` raises."""
    return {name: read_fact(rule, dockerfile, file) for name, rule in rules.items()}


def read_fact(rule: FactRule, dockerfile: Dockerfile, file: Callable[[str], Source]) -> str:
    """One value. Raises `FactMissing`."""
    if rule.kind is FactKind.ARG:
        values = argument_values(dockerfile, rule.what)
        where = dockerfile.source.name
    else:
        source = file(rule.file or "")
        where = source.name
        values = _READERS[rule.kind](source.text, rule.what)
    different = sorted(set(values))
    if len(different) == 1:
        return different[0]
    said = f"has several values: {', '.join(different)}" if different else "isn't there"
    found = Diagnostic(
        rule=NO_FACT,
        severity=Severity.ERROR,
        message=f"the fact `{rule.name}` {said} in `{where}`",
        source=rule.place.source,
        span=rule.place.span,
        help=f"look for `{rule.what}` in upstream's `{where}`, and mend the entry",
    )
    raise FactMissing(f"can't read the fact `{rule.name}`", diagnostics=[found])


def argument_values(dockerfile: Dockerfile, name: str) -> list[str]:
    """The defaults of an ARG, wherever it is declared with one, in the order of the text."""
    known: dict[str, str] = {}
    found = []
    for instruction in dockerfile.instructions:
        if instruction.keyword != "ARG":
            continue
        for pair in pairs(dockerfile, instruction):
            if pair.value is not None:
                value = expand(pair.value, known, dockerfile.escape).text
                known[pair.name] = value
                found += [value] if pair.name == name else []
    return found


_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*===?\s*([^\s;#,]+)")


def pinned(text: str, name: str) -> list[str]:
    """`name==version` of a requirements file; names compare as PEP 503 says."""
    wanted = _normal(name)
    matches = (_NAME.match(line) for line in text.splitlines())
    return [found[2] for found in matches if found and _normal(found[1]) == wanted]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _pointed(text: str, pointer: str) -> list[str]:
    """What a JSON pointer (RFC 6901) points at."""
    try:
        value: Any = json.loads(text)
        for part in pointer.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            value = value[_index(key)] if isinstance(value, list) else value[key]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return []
    if value is None or isinstance(value, dict | list):
        return []
    return [value if isinstance(value, str) else json.dumps(value)]


def _index(key: str) -> int:
    """An index of an array, which RFC 6901 writes in digits alone: Python would take -1 too."""
    if not (key.isascii() and key.isdigit()):
        raise KeyError(key)
    return int(key)


def _matched(text: str, pattern: str) -> list[str]:
    groups = (found[1] for found in re.finditer(pattern, text, re.MULTILINE))
    return [group for group in groups if group is not None]


_READERS: dict[FactKind, Callable[[str, str], list[str]]] = {
    FactKind.PIN: pinned,
    FactKind.JSON: _pointed,
    FactKind.REGEX: _matched,
}
