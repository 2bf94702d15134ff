"""The build arguments that upstream's own release pipeline passes, read from its Buildkite file.

The pipeline's commands are shell text, in which Buildkite's `$$` stands for `$`. What can be told
without running anything is filled in: the step's environment, plain assignments, and those of a
script that the command sources. What can't is kept as it is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import yaml
from msgspec import Struct

from midstream.configuration import Loader
from midstream.dockerfile.shell import read_text
from midstream.dockerfile.variables import expand
from midstream.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from midstream.dockerfile.commands import Command, Word
    from midstream.dockerfile.model import Dockerfile, Stage

PIPELINE = ".buildkite/release-pipeline.yaml"


class ReleaseArgument(Struct, frozen=True):
    """`--build-arg name=value`. `value` has known variables filled in; `certain` says whether all
    of them were. `line` counts from one, in the pipeline."""

    name: str
    value: str
    certain: bool
    line: int


class ReleaseBuild(Struct, frozen=True):
    """One `docker build` of the pipeline. `stage` is None where it builds the last one."""

    dockerfile: str
    stage: str | None
    arguments: tuple[ReleaseArgument, ...]
    line: int


def read_release_builds(
    pipeline: Source, script: Callable[[str], str | None]
) -> tuple[ReleaseBuild, ...]:
    """Every `docker build` and `docker buildx build` of a release pipeline, in its order.

    `script` gives the text of a file of the release, or None. A pipeline that is no YAML has none.
    """
    try:
        root = yaml.compose(pipeline.text, Loader=Loader)
    except (yaml.YAMLError, UnicodeEncodeError):
        return ()
    found: list[ReleaseBuild] = []
    for text, line, environment in _commands(root, {}):
        if _BUILD.search(text):
            shell = _Shell(script, dict(environment))
            found += shell.builds(text.replace("$$", "$"), line)
    return tuple(found)


def arguments_for(
    builds: tuple[ReleaseBuild, ...], dockerfile: str, stage: str, *, is_last: bool
) -> Mapping[str, tuple[ReleaseArgument, ...]]:
    """By name, what upstream's builds of a stage pass; one value each where they agree."""
    found: dict[str, dict[str, ReleaseArgument]] = {}
    for build in builds:
        same = build.stage == stage or (build.stage is None and is_last)
        if build.dockerfile == dockerfile and same:
            for argument in build.arguments:
                found.setdefault(argument.name, {}).setdefault(argument.value, argument)
    return {name: tuple(values.values()) for name, values in found.items()}


def passed_to(
    builds: tuple[ReleaseBuild, ...], dockerfile: Dockerfile, stage: str
) -> Mapping[str, tuple[ReleaseArgument, ...]]:
    """What upstream's release builds of a stage pass, by name.

    A stage that upstream doesn't release itself is built as the nearest one that it is FROM.
    """
    start = next((each for each in reversed(dockerfile.stages) if each.label == stage), None)
    for each in _line(dockerfile, start) if start else ():
        is_last = each.index == len(dockerfile.stages) - 1
        found = arguments_for(builds, dockerfile.source.name, each.label, is_last=is_last)
        if found:
            return found
    return {}


def _line(dockerfile: Dockerfile, stage: Stage) -> Iterator[Stage]:
    """A stage and those that it is FROM by name, nearest first."""
    yield stage
    above = [each for each in dockerfile.stages[: stage.index] if each.name == stage.image]
    if above:
        yield from _line(dockerfile, above[-1])


def _commands(
    node: yaml.Node | None, environment: Mapping[str, str]
) -> Iterator[tuple[str, int, Mapping[str, str]]]:
    """The text of each step's commands, with its line and the environment around it."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _commands(item, environment)
    if not isinstance(node, yaml.MappingNode):
        return
    values = {str(key.value): value for key, value in node.value}
    own = values.get("env")
    if isinstance(own, yaml.MappingNode):
        environment = {**environment, **{str(k.value): str(v.value) for k, v in own.value}}
    for key in ("command", "commands"):
        yield from _texts(values.get(key), environment)
    for key in ("steps", "group"):
        yield from _commands(values.get(key), environment)


def _texts(
    node: yaml.Node | None, environment: Mapping[str, str]
) -> Iterator[tuple[str, int, Mapping[str, str]]]:
    if node is None:
        return
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    scalars = [each for each in nodes if isinstance(each, yaml.ScalarNode)]
    for each in scalars:
        # The text of a block scalar starts on the line after its `|`.
        line = each.start_mark.line + (2 if each.style in ("|", ">") else 1)
        yield str(each.value), line, environment


_BUILD = re.compile(r"\bdocker\s+(?:buildx\s+)?build\b")
_DECLARING = frozenset(("declare", "export", "local", "readonly", "typeset"))
_ARRAY = re.compile(r"\$\{(\w+)\[[@*]\]\}")


@dataclass
class _Shell:
    """As much of a shell as tells what a build command is given."""

    script: Callable[[str], str | None]
    values: dict[str, str]
    arrays: dict[str, list[str]] = field(default_factory=dict)

    def builds(self, text: str, line: int) -> list[ReleaseBuild]:
        self._read_arrays(text)
        found = []
        read = read_text(text)
        assignments = list(read.assignments)
        for command in read.commands:
            while assignments and assignments[0].span.start < command.span.start:
                each = assignments.pop(0)
                self._assign(each.name, each.value.text if each.value else "")
            if command.name in ("source", "."):
                self._source(command)
            elif command.name in _DECLARING:
                self._declare(command)
            elif command.name == "docker":
                at = line + text.count("\n", 0, command.span.start)
                found += self._docker(command, text, at)
        return found

    def _read_arrays(self, text: str) -> None:
        for match in re.finditer(r"^\s*(\w+)=\(([^)]*)\)", text, re.MULTILINE):
            self.arrays[match[1]] = match[2].split()

    def _assign(self, name: str, written: str) -> None:
        value = self._fill(written)
        if value is None:
            self.values.pop(name, None)
        else:
            self.values[name] = value

    def _fill(self, written: str) -> str | None:
        """A word's value; None where it takes more than variables to tell."""
        if "$(" in written or "`" in written:
            return None
        filled = expand(written, self.values)
        return None if filled.missing or filled.errors else filled.text

    def _declare(self, command: Command) -> None:
        for word in command.arguments:
            name, equals, value = word.text.partition("=")
            if equals:
                self._assign(name, value)

    def _source(self, command: Command) -> None:
        """Run through the assignments of a sourced script, with its positional parameters."""
        values = [self._fill(word.text) for word in command.arguments]
        text = self.script(values[0]) if values and values[0] else None
        if text is None:
            return
        for number, value in enumerate(values[1:], start=1):
            if value is not None:
                self.values[str(number)] = value
        for name, value in _assigned(text):
            self._assign(name, value)

    def _docker(self, command: Command, text: str, line: int) -> list[ReleaseBuild]:
        words = [each for word in command.arguments for each in self._words(word)]
        if words[:1] == ["buildx"]:
            words = words[1:]
        if words[:1] != ["build"]:
            return []
        options = list(_options(words[1:]))
        files = [value for name, value in options if name in ("-f", "--file")]
        stages = [value for name, value in options if name == "--target"]
        filled = self._fill(files[-1]) if files else "Dockerfile"
        if not filled:
            return []
        arguments = []
        for name, value in options:
            if name == "--build-arg":
                start = text.find(value.partition("=")[0], command.span.start)
                at = line + text.count("\n", command.span.start, max(start, command.span.start))
                arguments.append(self._argument(value, at))
        stage = self._fill(stages[-1]) if stages else None
        return [ReleaseBuild(filled, stage, tuple(arguments), line)]

    def _words(self, word: Word) -> list[str]:
        array = _ARRAY.fullmatch(word.text.strip('"'))
        if array:
            return self.arrays.get(array[1], [])
        return [word.text]

    def _argument(self, written: str, line: int) -> ReleaseArgument:
        if len(written) > 1 and written[0] == written[-1] and written[0] in "\"'":
            written = written[1:-1]
        name, equals, value = written.partition("=")
        if not equals:
            value = f"${name}"  # `--build-arg NAME` takes the environment's
        filled = self._fill(value)
        shown = value.strip("\"'") if filled is None else filled
        return ReleaseArgument(name, shown, filled is not None, line)


@lru_cache(maxsize=64)
def _assigned(text: str) -> tuple[tuple[str, str], ...]:
    """Names and what a script gives them, in its order, `local` and `export` included."""
    read = read_text(text)
    found = [(a.span.start, a.name, a.value.text if a.value else "") for a in read.assignments]
    for each in read.commands:
        if each.name in _DECLARING:
            found += [(w.span.start, *_split(w)) for w in each.arguments if "=" in w.text]
    return tuple((name, value) for _, name, value in sorted(found))


def _split(word: Word) -> tuple[str, str]:
    name, _, value = word.text.partition("=")
    return name, value


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """`--name value` and `--name=value`; a flag is given the word behind it, harmlessly."""
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name.startswith("-") and equals and name != "--build-arg":
            yield name, value
        elif word.startswith("-") and index + 1 < len(words):
            yield word.partition("=")[0], value if equals else words[index + 1]


def span_of_line(source: Source, line: int) -> Span:
    """The text of a line, for a finding that points there."""
    start = source.offset(min(line, source.line_count))
    text = source.line(min(line, source.line_count))
    indent = len(text) - len(text.lstrip())
    return Span(start + indent, start + len(text))
