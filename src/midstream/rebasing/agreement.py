"""Two places upstream that say different things about one value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from midstream.diagnostic import Diagnostic, Place, Rule, Severity
from midstream.dockerfile.arguments import pairs
from midstream.dockerfile.pinned import given as given_in
from midstream.dockerfile.variables import expand
from midstream.upstream.bake import VERSIONS, given_to
from midstream.upstream.release_arguments import PIPELINE, span_of_line
from midstream.upstream.requirements import files_in, read_requirements, with_included

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from midstream.dockerfile.commands import Command, Script
    from midstream.source import Source, Span
    from midstream.ubi.subject import Subject
    from midstream.upstream.origin import Origin
    from midstream.upstream.release_arguments import ReleaseArgument

DISAGREE = Rule(
    "MS244",
    "upstream-disagrees",
    """\
**What it says.** Two places upstream give one value differently: an ARG's default or a pin in
the Dockerfile, docker/versions.json, a pin of a requirements file that the shipped stages read, an
argument of upstream's release build. A pin is `name==1.2`, a wheel or a source archive by its name,
or the tag of a checkout that is built as a Python package.

**Why it matters.** The image gets one of the two, and the tests may have run with the other. A
FlashInfer of another version than the pinned one was the most common failure after a merge.

**The way out.** Ask upstream, or give the argument under `ship: args:` with the reason. Where the
overlay gives it already, it is said for your information alone.
""",
)
RULES = (DISAGREE,)

_NAMED = re.compile(r"(?P<name>\w+?)(?:_GIT)?_(?:VERSION|REF|TAG)")
_FAMILY = re.compile(r"-(?:python|cubin|jit-cache)$")  # they are released together


class _Said(Struct, frozen=True):
    """One place's word about a value. `what` is how the place calls it."""

    what: str
    version: str
    source: Source
    span: Span


def disagreements(
    subject: Subject,
    origin: Origin,
    given: Mapping[str, str],
    released: Mapping[str, tuple[ReleaseArgument, ...]],
    requirements: Mapping[str, Source],
) -> Iterator[Diagnostic]:
    """Each value of the shipped stages that another of upstream's files contradicts, with both
    places.

    `given` are the arguments that the overlay sets: about those a person has decided. `released`
    are those that upstream's release build passes, `requirements` the files that are read.
    """
    defaults = _defaults(subject)
    for name, (value, span) in defaults.items():
        for other in _elsewhere(origin, name, value, released if name in given else {}):
            if value and _differ(value, other.version):
                here = _Said(name, value, subject.dockerfile.source, span)
                yield _finding(here, other, origin, given.get(name))
                break
    yield from _between_pins(subject, origin, defaults, given, requirements)


def _finding(here: _Said, other: _Said, origin: Origin, given: str | None = None) -> Diagnostic:
    named = "" if here.what == other.what else f"`{other.what}` "
    message = f"`{here.what}` is {here.version} here, and {named}{other.version} in "
    message += other.source.name
    is_argument = re.fullmatch(r"[A-Z_0-9]+", here.what) is not None
    advice = f", or give it: args: {{{here.what}: {{value: …, why: …}}}}" if is_argument else ""
    return Diagnostic(
        rule=DISAGREE,
        severity=Severity.WARNING if given is None else Severity.INFO,
        message=message if given is None else f"{message}; the overlay gives {given}",
        source=here.source,
        span=here.span,
        help=f"ask upstream{advice}" if given is None else None,
        context=origin.label,
        also=Place(other.source, other.span, "the other value"),
    )


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


def _elsewhere(
    origin: Origin, name: str, value: str, released: Mapping[str, tuple[ReleaseArgument, ...]]
) -> Iterator[_Said]:
    """What other files give to an ARG by its name."""
    versions = origin.find(VERSIONS)
    for each in given_to(versions, origin.dockerfile.name, "") if versions is not None else ():
        if each.name == name and versions is not None:
            yield _Said(name, each.value, versions, each.span)
    pipeline = origin.find(PIPELINE)
    passed = [each for each in released.get(name, ()) if each.certain]
    # Several images may be built with several values: one that is the default is no contradiction.
    if pipeline is not None and passed and all(_is_version(each.value) for each in passed):
        first = next((each for each in passed if not _differ(value, each.value)), passed[0])
        yield _Said(name, first.value, pipeline, span_of_line(pipeline, first.line))


def _is_version(value: str) -> bool:
    return re.fullmatch(r"v?\d+(?:\.\w+)+", value) is not None


# --- versions of packages ---


def _between_pins(
    subject: Subject,
    origin: Origin,
    defaults: Mapping[str, tuple[str, Span]],
    given: Mapping[str, str],
    requirements: Mapping[str, Source],
) -> Iterator[Diagnostic]:
    """Each package that the Dockerfile and a requirements file, or the one that is built with and
    the one that is run with, pin apart. One finding for two files, however many it is about."""
    by_package: dict[str, list[_Said]] = {}
    for package, said in _in_dockerfile(subject, defaults, given):
        by_package.setdefault(package, []).append(said)
    for first, *others in by_package.values():
        differ = all(_differ(first.version, each.version) for each in others)
        if first.what in defaults and others and differ:
            yield _finding(first, others[0], origin)
    apart: dict[tuple[str, str], list[tuple[_Said, _Said]]] = {}
    for source in _that_count(origin, requirements):
        for package, here in _in_requirements(source).items():
            for earlier in by_package.get(package, ()):
                if all(_differ(earlier.version, each.version) for each in here):
                    pair = (earlier.source.name, source.name)
                    apart.setdefault(pair, []).append((earlier, here[0]))
            by_package.setdefault(package, []).extend(here)
    for (first, second), *more in apart.values():
        found = _finding(first, second, origin)
        named = ", ".join(f"{a.what} {a.version} and {b.version}" for a, b in more)
        yield replace(found, help=f"{found.help}\napart too: {named}") if more else found


def _that_count(origin: Origin, requirements: Mapping[str, Source]) -> tuple[Source, ...]:
    """The requirements files that count: the one that the Dockerfile's name stands for, since what
    is built may read it (cuda.txt, rocm.txt …), with what it takes along; and those that are named
    to build with. Others are alternatives to it, or what a tool makes of it. Where there is none
    of that name, all that are named and not for tests."""
    if origin.snapshot is None:
        return ()
    suffix = origin.dockerfile.name.rpartition(".")[2]
    own = f"requirements/{'cuda' if suffix.endswith('Dockerfile') else suffix}.txt"
    found = with_included([own], origin.find)
    has_own = bool(found)
    for path, source in requirements.items():
        if "build" in path or not (has_own or "test" in path):
            found.setdefault(path, source)
    return tuple(found.values())


def _in_dockerfile(
    subject: Subject, defaults: Mapping[str, tuple[str, Span]], given: Mapping[str, str]
) -> Iterator[tuple[str, _Said]]:
    source = subject.dockerfile.source
    for name, (value, span) in defaults.items():
        package = _NAMED.fullmatch(name)
        if package and name not in given and _VERSION.match(value):
            yield _package(package["name"]), _Said(name, value, source, span)
    for _, instruction in subject.live_instructions():
        text = subject.dockerfile.text(instruction.span)
        if instruction.keyword == "RUN" and any(each in text for each in _PINNING):
            for what, version, span in dict.fromkeys(_in_run(subject.script(instruction), source)):
                yield _package(what), _Said(what, version, source, span)
        elif instruction.keyword in ("ADD", "ARG", "COPY", "ENV") and ".whl" in text:
            for file in files_in(text, archives=False):
                yield _package(file.name), _Said(file.name, file.version, source, instruction.span)


_VERSION = re.compile(r"v?\d(?![0-9a-f]{6,39}$)")  # and no commit's id, which may start so too
_PINNING = ("==", ".whl", ".tar.gz", ".zip", "git")
_TAG = re.compile(r"(?:refs/)?(?:tags/)?v?(?P<version>\d+(?:\.\w+)+)")


def _in_run(script: Script, source: Source) -> Iterator[tuple[str, str, Span]]:
    """The packages that a RUN installs or builds in one version, as they are called there."""
    makes_package = any(_makes_package(each) for each in script.commands)
    for each in given_in(script):
        tag = _TAG.fullmatch(each.value) if each.name.startswith("git ") else None
        # A tag of what isn't built for Python counts something else: protobuf's 21.12 is 4.21.12.
        if tag and (makes_package or "git+" in source[each.span]):
            yield each.name.removeprefix("git "), tag["version"], each.span
        elif re.fullmatch(r"===?\d[^,*$]*", each.value):
            yield each.name, each.value.lstrip("=").partition("+")[0], each.span
    values = [each.value for each in script.assignments if each.value is not None]
    words = [
        (word, archives)
        for command in script.commands
        for archives in (_installs(command),)
        for word in command.words
    ]
    for word, archives in [*((value, False) for value in values), *words]:
        for file in files_in(word.value, archives=archives):
            yield file.name, file.version, word.span


_HERE = re.compile(r"\.{1,2}(?:[/\[].*)?|-e|--editable|setup\.py")


def _makes_package(command: Command) -> bool:
    """Whether a command builds the Python package whose source it is in."""
    words = [each.value for each in command.arguments]
    builds = (
        words[:1] == ["build"] if command.name in ("uv", "maturin") else words[1:2] == ["build"]
    )
    is_python = _PYTHON.fullmatch(command.name) is not None or _installs(command)
    return builds or (is_python and any(_HERE.fullmatch(word) for word in words))


_PYTHON = re.compile(r"python[\d.]*")


_PIP = re.compile(r"pip[\d.]*")


def _installs(command: Command) -> bool:
    """Whether it is one of pip's, by whatever name: `pip3.12 install`, `uv pip install`."""
    words = [command.name, *(each.value for each in command.arguments)]
    at = next((n for n, word in enumerate(words) if _PIP.fullmatch(word)), None)
    return at is not None and any(w in ("download", "install", "wheel") for w in words[at + 1 :])


def _in_requirements(source: Source) -> dict[str, list[_Said]]:
    found: dict[str, list[_Said]] = {}
    for each in read_requirements(source):
        if each.version is not None:
            said = _Said(each.name, each.version, source, each.span)
            found.setdefault(_package(each.name), []).append(said)
    return found


def _package(name: str) -> str:
    """What one thing is called, however its name is written and whichever part of it it is."""
    plain = re.sub(r"[-_.]+", "-", name).lower()
    return _FAMILY.sub("", plain).replace("-", "")


def _differ(first: str, second: str) -> bool:
    """Whether two versions differ; `v0.6.1` and `0.6.1` are one, and so are 12.9 and 12.9.1, but
    not 0.6.1 and 0.6.1.post1. The local part behind `+` is how it was built."""
    one, two = sorted((_public(first), _public(second)), key=len)
    return one != two and not re.match(rf"{re.escape(one)}\.\d", two)


def _public(version: str) -> str:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version.strip("\"'")).public
    except InvalidVersion:
        return version.strip("\"'").removeprefix("v")
