"""A second opinion: what tools that use dockerfile-parse see in a Dockerfile.

BuildKit's rules are the truth, and `scan` reads by them. Red Hat's build tools read with the
library dockerfile-parse, which knows fewer of them: where it sees other instructions, bases, labels
or another environment, a warning says what such a tool sees. A difference that nothing explains is
an error: then one of the two readers is wrong. The only module that knows dockerfile-parse.
"""

from __future__ import annotations

import re
from io import BytesIO
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from midstream.diagnostic import Diagnostic, Rule, Severity, counted
from midstream.dockerfile.arguments import pairs
from midstream.dockerfile.variables import Scope, expand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from midstream.dockerfile.model import Dockerfile, Instruction
    from midstream.source import Span

_ABOUT = """

**Why it matters.** BuildKit reads the file rightly, so it builds as it should. A tool that reads it
with dockerfile-parse (2.0.1; Red Hat's build tools do) sees something else.

**The way out.** None is needed for the build. Where such a tool is in your pipeline, write the
place in the plainer form that the finding names.
"""


def _limit(code: str, name: str, says: str) -> Rule:
    return Rule(code, f"second-reader-{name}", f"**What it says.** dockerfile-parse {says}{_ABOUT}")


HEREDOC = _limit("MS130", "heredoc", "takes the lines of a here-document for instructions.")
CONTINUATION = _limit(
    "MS131",
    "continuation",
    "ends a continued instruction at a blank line, and forgets\n"
    "one that the end of the file leaves open.",
)
ESCAPE = _limit(
    "MS132",
    "escape",
    "takes `\\\\` at a line's end for a continuation, and overlooks\n`# escape=` after `# check=`.",
)
MARK = _limit(
    "MS133",
    "byte-order-mark",
    "keeps the byte order mark as a part of the first keyword.",
)
IMAGE = _limit(
    "MS134",
    "image",
    "sees another base image: it knows neither `${X:-y}` and its\n"
    "kin, nor global ARGs that use others.",
)
LABELS = _limit("MS135", "labels", "sees other labels on the last stage.")
ENVIRONMENT = _limit("MS136", "environment", "sees another environment in the last stage.")
FAILS = _limit("MS137", "fails", "raises an error when asked for labels, environment or arguments.")
DISAGREE = Rule(
    "MS139",
    "readers-disagree",
    """\
**What it says.** midstream and dockerfile-parse see different instructions, and no known limit of
dockerfile-parse explains it.

**Why it matters.** One of the two is wrong about this file, and it may be midstream.

**The way out.** Please report it, with the line.
""",
)
RULES = (
    HEREDOC, CONTINUATION, ESCAPE, MARK, IMAGE, LABELS, ENVIRONMENT, FAILS, DISAGREE,
)  # fmt: skip


class _Seen(Struct, frozen=True):
    """An instruction as dockerfile-parse sees it. Lines count from one."""

    keyword: str
    line: int
    last_line: int


class _Difference(Struct, frozen=True):
    rule: Rule
    span: Span
    what: str


def read_again(dockerfile: Dockerfile) -> tuple[Diagnostic, ...]:
    """What dockerfile-parse sees otherwise; each kind once, at its first place."""
    if not dockerfile.stages:
        return ()
    data = dockerfile.source.data
    try:
        theirs = _instructions(data)
    except UnicodeDecodeError:
        why = "dockerfile-parse can't read this file at all: it is not UTF-8"
        return (_finding(dockerfile, _Difference(FAILS, dockerfile.stages[0].image_span, why), 0),)
    found = [
        *_structure(dockerfile, theirs),
        *_images(dockerfile, theirs),
        *_values(dockerfile),
    ]
    first: dict[str, _Difference] = {}
    for each in found:
        first.setdefault(each.rule.code, each)
    return tuple(
        _finding(dockerfile, each, sum(other.rule == each.rule for other in found) - 1)
        for each in first.values()
    )


def _parser(data: bytes, environment: Mapping[str, str] | None = None) -> Any:
    # Loading it takes as long as reading a whole Dockerfile; most commands don't need it.
    from dockerfile_parse import DockerfileParser

    return DockerfileParser(fileobj=BytesIO(data), parent_env=dict(environment or {}))


def _instructions(data: bytes) -> list[_Seen]:
    return [
        _Seen(each["instruction"], each["startline"] + 1, each["endline"] + 1)
        for each in _parser(data).structure
        if each["instruction"] != "COMMENT"
    ]


# Which instructions there are


def _structure(dockerfile: Dockerfile, theirs: list[_Seen]) -> Iterator[_Difference]:
    by_line = {each.line: each for each in theirs}
    known = set()
    for instruction in dockerfile.instructions:
        known.add(instruction.first_line)
        seen = by_line.get(instruction.first_line)
        if seen is None:
            if instruction.value or instruction.flags:  # a keyword alone is nothing to either
                yield _lost(dockerfile, instruction, theirs)
        elif seen.keyword != instruction.keyword:
            yield _renamed(dockerfile, instruction, seen)
    extra: dict[int, list[str]] = {}
    for seen in theirs:
        if seen.line not in known:
            owner = _owner(dockerfile, seen.line)
            extra.setdefault(owner, []).append(seen.keyword)
    for owner, keywords in extra.items():
        yield _invented(dockerfile, dockerfile.instructions[owner], keywords)


def _owner(dockerfile: Dockerfile, line: int) -> int:
    """The index of the last instruction that starts at or above a line."""
    starts = [each.first_line for each in dockerfile.instructions]
    return max((at for at, start in enumerate(starts) if start <= line), default=0)


def _invented(dockerfile: Dockerfile, instruction: Instruction, keywords: list[str]) -> _Difference:
    shown = ", ".join(f"`{each[:30]}`" for each in list(dict.fromkeys(keywords))[:3])
    more = ", …" if len(set(keywords)) > 3 else ""
    what = f"dockerfile-parse sees {counted(len(keywords), 'instruction')} inside this"
    what += f" {instruction.keyword}: {shown}{more}"
    if stages := keywords.count("FROM"):
        what += f"; it sees {counted(stages, 'stage')} too many"
    if instruction.heredocs:
        return _Difference(HEREDOC, instruction.heredocs[0].opener, what)
    if _blank_lines(dockerfile, instruction):
        return _Difference(CONTINUATION, instruction.keyword_span, what)
    if dockerfile.escape != "\\":
        return _Difference(ESCAPE, instruction.keyword_span, what)
    return _Difference(DISAGREE, instruction.keyword_span, what)


def _lost(dockerfile: Dockerfile, instruction: Instruction, theirs: list[_Seen]) -> _Difference:
    """Why an instruction isn't seen: mostly since it is taken for a part of the one above."""
    what = f"dockerfile-parse doesn't see this {instruction.keyword}"
    line = instruction.first_line
    holder = next((each for each in theirs if each.line < line <= each.last_line), None)
    if holder is not None:
        what += f": it takes the line for a part of the {holder.keyword} above"
        if _content_above(dockerfile, line).endswith("\\"):
            return _Difference(ESCAPE, instruction.keyword_span, what)
    end = _content_above(dockerfile, dockerfile.source.line_count + 1)
    if all(each.line < line for each in theirs) and end.endswith(("\\", dockerfile.escape)):
        return _Difference(CONTINUATION, instruction.keyword_span, what)
    return _Difference(DISAGREE, instruction.keyword_span, what)


def _renamed(dockerfile: Dockerfile, instruction: Instruction, seen: _Seen) -> _Difference:
    what = f"dockerfile-parse sees `{seen.keyword}` in place of this {instruction.keyword}"
    span = instruction.keyword_span
    if seen.keyword == f"\ufeff{instruction.keyword}":
        return _Difference(MARK, span, what)
    if seen.keyword.endswith(("\\", "`")) or dockerfile.escape in seen.keyword:
        return _Difference(ESCAPE, span, what)
    return _Difference(DISAGREE, span, what)


def _line(dockerfile: Dockerfile, number: int) -> str:
    return dockerfile.source.line(number)


def _content_above(dockerfile: Dockerfile, number: int) -> str:
    """The nearest line above that is neither blank nor a comment."""
    lines = (_line(dockerfile, at).strip() for at in range(number - 1, 0, -1))
    return next((line for line in lines if line and line[0] != "#"), "")


def _blank_lines(dockerfile: Dockerfile, instruction: Instruction) -> bool:
    numbers = range(instruction.first_line, instruction.last_line)
    return any(not _line(dockerfile, number).strip() for number in numbers)


# Which images they are made from


def _images(dockerfile: Dockerfile, theirs: list[_Seen]) -> Iterator[_Difference]:
    lines = [each.line for each in theirs if each.keyword == "FROM"]
    try:
        images = _parser(dockerfile.source.data).parent_images
    except (ValueError, IndexError):
        return  # `_values` says where
    if len(images) != len(lines):
        return  # a FROM that names nothing: `scan` has said so
    seen = dict(zip(lines, images, strict=True))
    scope = Scope(dockerfile)
    for stage in dockerfile.stages:
        ours = scope.expand_global(stage.image).text
        image = seen.get(stage.origin.first_line, ours)
        if image != ours:
            what = f"dockerfile-parse sees the base image `{image}` here"
            what += f"; by the defaults it is `{ours}`"
            yield _Difference(IMAGE, stage.image_span, what)


# Labels and environment of the last stage


def _values(dockerfile: Dockerfile) -> Iterator[_Difference]:
    scope = Scope(dockerfile)
    last = dockerfile.stages[-1]
    # What the stage inherits is not theirs to know: it is given to them.
    inherited = scope.environment_at(last.instructions[1]) if len(last.instructions) > 1 else {}
    parser = _parser(dockerfile.source.data, inherited)
    ours = _Ours(dockerfile, scope)
    try:
        labels, environment = dict(parser.labels), dict(parser.envs)
    except (ValueError, IndexError) as error:
        yield _Difference(FAILS, _culprit(dockerfile), f"dockerfile-parse fails here: {error}")
        return
    yield from _compared(LABELS, "label", labels, ours.read("LABEL"), last.origin.arguments)
    yield from _compared(
        ENVIRONMENT, "variable", environment, ours.read("ENV"), last.origin.arguments
    )


class _Ours(Struct, frozen=True):
    """What the last stage sets itself, each value with its place."""

    dockerfile: Dockerfile
    scope: Scope

    def read(self, keyword: str) -> dict[str, tuple[str, Span]]:
        found = {}
        for instruction in self.dockerfile.stages[-1].instructions:
            if instruction.keyword != keyword:
                continue
            for pair in pairs(self.dockerfile, instruction):
                name = self._expanded(pair.name, instruction)
                found[name] = (self._expanded(pair.value or "", instruction), pair.span)
        return found

    def _expanded(self, text: str, instruction: Instruction) -> str:
        return expand(text, self.scope.at(instruction), self.dockerfile.escape).text


def _compared(
    rule: Rule,
    noun: str,
    theirs: Mapping[str, str],
    ours: Mapping[str, tuple[str, Span]],
    fallback: Span,
) -> Iterator[_Difference]:
    for name, (value, span) in ours.items():
        if name not in theirs:
            yield _Difference(rule, span, f"dockerfile-parse doesn't see the {noun} `{name}`")
        elif theirs[name] != value:
            what = f"dockerfile-parse sees `{theirs[name]}` as the {noun} `{name}`"
            what += f"; by this file it is `{value}`"
            yield _Difference(rule, span, what)
    for name in theirs:
        if name not in ours:
            what = f"dockerfile-parse sees a {noun} `{name}` in the last stage, which there isn't"
            yield _Difference(rule, fallback, what)


def _culprit(dockerfile: Dockerfile) -> Span:
    """The first ARG, ENV or LABEL that dockerfile-parse can't read."""
    attribute: dict[str, Callable[[Any], object]] = {
        "ARG": lambda parser: parser.args,
        "ENV": lambda parser: parser.envs,
        "LABEL": lambda parser: parser.labels,
    }
    for instruction in dockerfile.instructions:
        if instruction.keyword in attribute:
            alone = f"FROM scratch\n{dockerfile.text(instruction.span)}"
            try:
                attribute[instruction.keyword](_parser(alone.encode("utf-8", "surrogateescape")))
            except (ValueError, IndexError):
                return instruction.arguments
    return dockerfile.stages[-1].origin.arguments


_ADVICE = {
    HEREDOC: "put the script in a file, or join its lines with `&&`",
    CONTINUATION: "take the blank line, or the last `\\`, out",
    ESCAPE: "put `# escape=` first, and no `\\\\` at a line's end",
    MARK: "save the file without a byte order mark",
    IMAGE: "write the value out, or give it as a build argument to both",
    LABELS: "write the values without `${…:-…}` and the like",
    ENVIRONMENT: "write the values without `${…:-…}` and the like",
    FAILS: "one `NAME=value` per instruction, and no comment behind it",
    DISAGREE: "please report it, with this line",
}


def _finding(dockerfile: Dockerfile, found: _Difference, more: int) -> Diagnostic:
    also = f" (and {more} more like it)" if more else ""
    return Diagnostic(
        rule=found.rule,
        severity=Severity.ERROR if found.rule is DISAGREE else Severity.WARNING,
        message=re.sub(r"\s*\n\s*", " ", found.what) + also,
        source=dockerfile.source,
        span=found.span,
        help=_ADVICE[found.rule],
    )
