"""Two places upstream that say different things about one value."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from midstream.diagnostic import Diagnostic, Place, Rule, Severity
from midstream.dockerfile.arguments import pairs
from midstream.dockerfile.variables import expand
from midstream.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.source import Source
    from midstream.ubi.subject import Subject
    from midstream.upstream.origin import Origin

DISAGREE = Rule(
    "MS244",
    "upstream-disagrees",
    """\
**What it says.** Two of upstream's files give one value differently: an ARG's default in the
Dockerfile, docker/versions.json, a pin of a requirements file.

**Why it matters.** The image gets one of the two, and the tests may have run with the other. A
FlashInfer of another version than the pinned one was the most common failure after a merge.

**The way out.** Ask upstream, or give the argument under `ship: args:` with the reason.
""",
)
RULES = (DISAGREE,)

_VERSIONS = "docker/versions.json"
_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*==\s*([^\s;#,]+)", re.MULTILINE)
_NEXT_TO = ("", "-python")  # FLASHINFER_VERSION is the version of flashinfer-python


def disagreements(subject: Subject, origin: Origin, given: frozenset[str]) -> Iterator[Diagnostic]:
    """Each ARG of the shipped stages whose default another file contradicts.

    `given` are the arguments that the overlay sets: about those a person has decided.
    """
    for name, (value, span) in _defaults(subject).items():
        if name in given or not value:
            continue
        for other, source, place in _elsewhere(origin, name):
            if _differ(value, other):
                yield Diagnostic(
                    rule=DISAGREE,
                    severity=Severity.WARNING,
                    message=f"`{name}` is {value} here, and {other} in {source.name}",
                    source=subject.dockerfile.source,
                    span=span,
                    help=f"ask upstream, or give it: args: {{{name}: {{value: …, why: …}}}}",
                    context=origin.label,
                    also=Place(source, place, "the other value"),
                )
                break


def _defaults(subject: Subject) -> dict[str, tuple[str, Span]]:
    """The first default of each ARG, with its place."""
    known: dict[str, str] = {}
    found: dict[str, tuple[str, Span]] = {}
    for _, instruction in subject.live_instructions():
        if instruction.keyword != "ARG":
            continue
        for pair in pairs(subject.dockerfile, instruction):
            if pair.value is not None and pair.value_span is not None:
                value = expand(pair.value, known, subject.dockerfile.escape).text
                known.setdefault(pair.name, value)
                found.setdefault(pair.name, (value, pair.value_span))
    return found


def _elsewhere(origin: Origin, name: str) -> Iterator[tuple[str, Source, Span]]:
    yield from _in_versions(origin, name)
    if name.endswith("_VERSION"):
        yield from _in_pins(origin, name.removesuffix("_VERSION").lower().replace("_", "-"))


def _in_versions(origin: Origin, name: str) -> Iterator[tuple[str, Source, Span]]:
    # versions.json is made from docker/Dockerfile, and is about that file alone.
    source = origin.find(_VERSIONS)
    if source is None or origin.dockerfile.name != "docker/Dockerfile":
        return
    try:
        variables = json.loads(source.text)["variable"]
        value = variables[name]["default"]
    except (ValueError, KeyError, TypeError):
        return
    at = max(0, source.text.find(f'"{name}"'))
    yield str(value), source, Span(at, at + len(name) + 2)


def _in_pins(origin: Origin, package: str) -> Iterator[tuple[str, Source, Span]]:
    """Pins in the requirements file that is named for the Dockerfile: cuda.txt, rocm.txt …"""
    suffix = origin.dockerfile.name.rpartition(".")[2]
    kind = "cuda" if suffix.endswith("Dockerfile") else suffix
    source = origin.find(f"requirements/{kind}.txt")
    if source is None:
        return
    for found in _PIN.finditer(source.text):
        name = re.sub(r"[-_.]+", "-", found[1]).lower()
        if name in [f"{package}{end}" for end in _NEXT_TO]:
            yield found[2], source, Span(*found.span(2))


def _differ(first: str, second: str) -> bool:
    """Whether two versions differ; `v0.6.1` and `0.6.1` are one, and so are 12.9 and 12.9.1."""
    one, two = first.strip("\"'").removeprefix("v"), second.removeprefix("v")
    return one != two and not one.startswith(f"{two}.") and not two.startswith(f"{one}.")
