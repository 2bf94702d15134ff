"""Text to `Dockerfile`, by BuildKit's rules (frontend/dockerfile/parser in moby/buildkit)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from midstream.diagnostic import Diagnostic, Rule, Severity
from midstream.dockerfile.arguments import unreadable_pairs
from midstream.dockerfile.heredocs import UnreadableHeredoc, openers
from midstream.dockerfile.joined import SPACE, continuation, end_of_line, join, put_together
from midstream.dockerfile.model import Dockerfile, Flag, Heredoc, Instruction, Stage
from midstream.source import Span

if TYPE_CHECKING:
    from midstream.dockerfile.joined import Joined
    from midstream.source import Source

EMPTY = Rule(
    "MS100",
    "empty-file",
    """\
**What it says.** The file holds no instruction: it is empty, or comments only.

**The way out.** Check that the right file was fetched: `midstream track` says which it is.
""",
)
BINARY = Rule(
    "MS101",
    "binary-file",
    """\
**What it says.** The file holds NUL bytes, so it is no Dockerfile but something binary.

**The way out.** Check the path in upstream/*.yaml, or the name on the command line.
""",
)
NO_FROM = Rule(
    "MS102",
    "no-from",
    """\
**What it says.** An instruction other than ARG stands before the first FROM, or there is no FROM.

**Why it matters.** BuildKit refuses such a file: "no build stage in current context".

**The way out.** Mend the Dockerfile. If upstream's is meant to be included, it is no target.
""",
)
UNKNOWN_INSTRUCTION = Rule(
    "MS103",
    "unknown-instruction",
    """\
**What it says.** A line starts with a word that is no Dockerfile instruction.

**Why it matters.** BuildKit refuses the file. Often the line before lacks a `\\` at its end.

**The way out.** Mend the line, or the one before it.
""",
)
UNTERMINATED = Rule(
    "MS104",
    "unterminated-heredoc",
    """\
**What it says.** A here-document runs to the end of the file: its closing word never comes.

**Why it matters.** BuildKit refuses the file, and everything below would be data.

**The way out.** Put the closing word on a line of its own, without blanks before or after it
(`<<-WORD` allows tabs before it).
""",
)
NO_IMAGE = Rule(
    "MS105",
    "from-without-image",
    """\
**What it says.** A FROM names no image, or holds words that BuildKit doesn't take.

**The way out.** Write `FROM [--platform=…] image [AS name]`.
""",
)
BAD_DIRECTIVE = Rule(
    "MS106",
    "bad-directive",
    """\
**What it says.** A parser directive stands twice, or `# escape=` names another character than
a backslash or a backtick. BuildKit refuses both.
""",
)
DUPLICATE_STAGE = Rule(
    "MS107",
    "duplicate-stage",
    """\
**What it says.** Two stages have one name. BuildKit takes the later one for every reference that
follows it, which is seldom meant.

**The way out.** Rename one of them.
""",
)
NO_ARGUMENTS = Rule(
    "MS108",
    "missing-arguments",
    """\
**What it says.** An instruction stands alone, without arguments. BuildKit refuses the file.
""",
)
BAD_ARGUMENTS = Rule(
    "MS109",
    "bad-arguments",
    """\
**What it says.** What stands behind the keyword is of no form that BuildKit takes: an ENV or LABEL
with a word that has no `=`, or an exec form that holds something other than strings.

**The way out.** Write `ENV name=value other=value`, and quote what holds blanks; write the exec
form as `["program", "argument"]`.
""",
)
RULES = (
    EMPTY, BINARY, NO_FROM, UNKNOWN_INSTRUCTION, UNTERMINATED, NO_IMAGE, BAD_DIRECTIVE,
    DUPLICATE_STAGE, NO_ARGUMENTS, BAD_ARGUMENTS,
)  # fmt: skip

KEYWORDS = frozenset(
    (
        "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL",
        "MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
    )
)  # fmt: skip
_WITH_JSON = frozenset(
    ("ADD", "CMD", "COPY", "ENTRYPOINT", "HEALTHCHECK", "RUN", "SHELL", "VOLUME")
)
_WITH_HEREDOC = frozenset(("ADD", "COPY", "RUN"))
_DIRECTIVES = frozenset(("check", "escape", "syntax"))
_BLANKS_AND_COMMENTS = re.compile(rf"(?:[{SPACE}]*+#[^\n]*+)*+[{SPACE}]*+")
_DIRECTIVE = re.compile(  # Go's \s is these five, and no other white space
    rf"[{SPACE}]*#[\t\n\f\r ]*([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*(.+?)[\t\n\f\r ]*\Z"
)
_KEYWORD_END = re.compile(r"[\t\v\f\r ]+")
_FLAG_BEHIND = re.compile(r"[\t\v\f\r ]*--")
_PLAIN_FLAG = re.compile(r"[^\t\v\f\r '\"]+")
_WORD = re.compile(r"[^\t\v\f\r ]+")
_HEALTHCHECK = re.compile(rf"CMD[{SPACE}]+", re.IGNORECASE)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")  # Python's reader takes NaN, Go's doesn't


_JSON = json.JSONDecoder(parse_constant=_no_constant)


def parse(source: Source) -> Dockerfile:
    """Read a Dockerfile. Never raises for its content: what is wrong is in `diagnostics`."""
    scanner = _Scanner(source)
    scanner.read()
    stages = _stages(scanner)
    _check_whole(scanner, stages)
    return Dockerfile(
        source=source,
        escape=scanner.escape,
        directives=tuple(scanner.directives),
        instructions=tuple(scanner.instructions),
        stages=stages,
        diagnostics=tuple(scanner.found),
    )


def render(dockerfile: Dockerfile) -> str:
    """The text again, put together of the instructions and of what lies between them."""
    text = dockerfile.source.text
    pieces = []
    done = 0
    for instruction in dockerfile.instructions:
        span = instruction.span
        pieces += [text[done : span.start], text[span.start : span.end]]
        done = span.end
    return "".join([*pieces, text[done:]])


@dataclass
class _Scanner:
    """Walks the lines once, from the top."""

    source: Source
    escape: str = "\\"
    directives: list[tuple[str, str]] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)
    found: list[Diagnostic] = field(default_factory=list)
    at: int = 0  # where the next line starts

    def __post_init__(self) -> None:
        self.text = self.source.text

    def report(
        self, rule: Rule, message: str, span: Span, help: str, severity: Severity = Severity.ERROR
    ) -> None:
        self.found.append(
            Diagnostic(
                rule=rule, severity=severity, message=message, source=self.source, span=span,
                help=help,
            )
        )  # fmt: skip

    def read(self) -> None:
        if self.text.startswith("\ufeff"):  # one byte order mark, as BuildKit drops it
            self.at = 1
        while self.at < len(self.text) and self._directive():
            pass
        while (start := self._content()) < len(self.text):
            self._instruction(start)

    def _step(self) -> tuple[int, int]:
        """Steps over a line; its place without the line ending."""
        start = self.at
        end, self.at = end_of_line(self.text, start, len(self.text))
        return start, end

    def _content(self) -> int:
        """Where the next character stands that is neither blank nor comment; or the text's end."""
        found = _BLANKS_AND_COMMENTS.match(self.text, self.at)
        return found.end() if found else self.at

    def _directive(self) -> bool:
        """Steps over a line that is a parser directive, if the next one is."""
        start, (end, following) = self.at, end_of_line(self.text, self.at, len(self.text))
        found = _DIRECTIVE.match(self.text[start:end])
        if found is None or (name := found[1].lower()) not in _DIRECTIVES:
            return False
        self.at = following
        span, value = Span(start, end), found[2]
        if any(name == known for known, _ in self.directives):
            self.report(BAD_DIRECTIVE, f"`{name}` is given twice", span, "keep the first one")
            return True
        self.directives.append((name, value))
        if name == "escape":
            if value in ("\\", "`"):
                self.escape = value
            else:
                self.report(
                    BAD_DIRECTIVE, f"`{value}` can't be the escape character", span,
                    "write # escape=\\ or # escape=`",
                )  # fmt: skip
        return True

    def _instruction(self, start: int) -> None:
        """Reads the instruction whose keyword stands there."""
        pieces = self._pieces(start)
        joined = put_together(self.text, pieces)
        if joined.text.strip(SPACE):
            self.instructions.append(self._build(joined))
            return
        self.report(
            UNKNOWN_INSTRUCTION, f"there is no instruction before this `{self.escape}`",
            Span(start, max(joined.end, start + 1)), "take the line out",
        )  # fmt: skip

    def _pieces(self, start: int) -> list[tuple[int, int]]:
        """The parts of a logical line, with continuations and the comments between left out."""
        text, size = self.text, len(self.text)
        pieces: list[tuple[int, int]] = []
        while True:
            end, self.at = end_of_line(text, start, size)
            mark = continuation(text, start, end, self.escape)
            if mark is None:
                pieces.append((start, end))
                return pieces
            pieces.append((start, mark))
            content = self._content()
            if content == size:  # the file ends
                self.at = size
                return pieces
            start = max(self.at, text.rfind("\n", self.at, content) + 1)

    def _build(self, joined: Joined, offset: int = 0) -> Instruction:
        """The instruction whose keyword stands at `offset` of a logical line."""
        line = joined.text
        offset = _behind_blanks(line, offset)
        line_end = len(line.rstrip(SPACE))
        gap = _KEYWORD_END.search(line, offset, line_end)
        keyword_end = gap.start() if gap else line_end
        keyword = line[offset:keyword_end].upper()
        keyword_span = joined.span(offset, keyword_end)
        flags, rest = _flags(joined, gap.end() if gap else len(line), line_end, self.escape)
        rest = _behind_blanks(line, rest)
        end = max(rest, line_end)
        trigger = None
        if keyword == "ONBUILD" and rest < end:
            trigger = self._build(joined, rest)
            heredocs = trigger.heredocs
        else:
            heredocs = self._heredocs(keyword, joined)
        if keyword not in KEYWORDS:
            self.report(
                UNKNOWN_INSTRUCTION, f"`{line[offset:keyword_end][:60]}` is no instruction",
                keyword_span, "is a `\\` missing at the end of the line before?",
            )  # fmt: skip
        elif rest >= end and keyword not in ("FROM", "CMD", "ENTRYPOINT", "RUN"):
            self.report(
                NO_ARGUMENTS, f"`{keyword}` has no arguments", keyword_span,
                "say what it should do, or take the line out",
            )  # fmt: skip
        if keyword in ("ENV", "LABEL") and (
            problem := unreadable_pairs(line[rest:end], self.escape)
        ):
            self.report(
                BAD_ARGUMENTS, problem, joined.span(rest, end),
                f'write {keyword} name="value", with quotes around what holds blanks',
            )  # fmt: skip
        return Instruction(
            keyword=keyword,
            span=Span(keyword_span.start, self.at),
            keyword_span=keyword_span,
            flags=flags,
            arguments=joined.span(rest, end),
            value=line[rest:end],
            first_line=self.source.line_at(joined.pieces[0][0]),
            last_line=self.source.line_at(self.at - 1),
            heredocs=heredocs,
            json=self._json(keyword, joined, Span(rest, end)) if keyword in _WITH_JSON else None,
            trigger=trigger,
        )

    def _json(self, keyword: str, joined: Joined, part: Span) -> tuple[str, ...] | None:
        """The exec form, or None where BuildKit takes the text as shell form."""
        value = joined.text[part.start : part.end]
        if keyword == "HEALTHCHECK":
            kind = _HEALTHCHECK.match(value)
            if kind is None:
                return None
            value = value[kind.end() :]
        if not value.startswith("["):
            return None
        try:  # what stands behind the closing bracket is ignored, as BuildKit ignores it
            words, _ = _JSON.raw_decode(value)
        except (ValueError, RecursionError):
            return None
        if all(isinstance(word, str) for word in words):
            return tuple(words)
        self.report(
            BAD_ARGUMENTS, "an exec form may hold nothing but strings",
            joined.span(part.start, part.end), 'write it as ["program", "argument"]',
        )  # fmt: skip
        return None

    def _heredocs(self, keyword: str, joined: Joined) -> tuple[Heredoc, ...]:
        if keyword not in _WITH_HEREDOC or "<<" not in joined.text:
            return ()
        try:
            opened = openers(joined.text)
        except UnreadableHeredoc as error:
            self.report(
                UNTERMINATED,
                str(error),
                joined.span(0, len(joined.text)),
                "close it, or write a plain word",
            )
            return ()
        read = []
        for opener in opened:
            span = joined.span(opener.start, opener.end)
            body_start = self.at
            body_end, terminator = self._body(opener.name, chomp=opener.chomp)
            if terminator is None:
                self.report(
                    UNTERMINATED, f"`{opener.name}` never comes on a line of its own", span,
                    f"end the here-document with a line that is `{opener.name}`",
                )  # fmt: skip
            read.append(
                Heredoc(
                    name=opener.name,
                    file_descriptor=opener.file_descriptor,
                    expand=opener.expand,
                    chomp=opener.chomp,
                    opener=span,
                    body=Span(body_start, body_end),
                    terminator=terminator or Span(body_end, body_end),
                )
            )
        return tuple(read)

    def _body(self, name: str, *, chomp: bool) -> tuple[int, Span | None]:
        while self.at < len(self.text):
            start, end = self._step()
            content = self.text[start:end]
            if (content.lstrip("\t") if chomp else content) == name:
                return start, Span(start, self.at)
        return self.at, None


def _flags(joined: Joined, at: int, end: int, escape: str) -> tuple[tuple[Flag, ...], int]:
    """The `--flags` from `at` on up to `end`, and where the arguments start."""
    line = joined.text
    flags: list[Flag] = []
    while _FLAG_BEHIND.match(line, at, end):
        start = at + len(line[at:]) - len(line[at:].lstrip())
        word, at = _flag_word(line, start, end, escape)
        if word == "--":
            break
        name, equals, value = word[2:].partition("=")
        span = joined.span(start, at)
        flags.append(Flag(name.lower(), value if equals else None, span))
    return tuple(flags), at


def _behind_blanks(line: str, at: int) -> int:
    while at < len(line) and line[at] in SPACE:
        at += 1
    return at


def _flag_word(line: str, at: int, end: int, escape: str) -> tuple[str, int]:
    """One flag with its quotes and escapes taken off, and where it ends."""
    plain = _PLAIN_FLAG.match(line, at, end)
    if (
        plain
        and (plain.end() == end or line[plain.end()] in "\t\v\f\r ")
        and escape not in plain[0]
    ):
        return plain[0], plain.end()
    word: list[str] = []
    quote = ""
    while at < end:
        character = line[at]
        if not quote and character in "\t\v\f\r ":
            break
        if character == escape:
            word.append(line[at + 1 : min(at + 2, end)])
            at += 2
            continue
        if character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        else:
            word.append(character)
        at += 1
    return "".join(word), min(at, end)


def _stages(scanner: _Scanner) -> tuple[Stage, ...]:
    instructions = scanner.instructions
    starts = [at for at, each in enumerate(instructions) if each.keyword == "FROM"]
    stages = []
    for index, first in enumerate(starts):
        last = starts[index + 1] if index + 1 < len(starts) else len(instructions)
        inside = tuple(instructions[first:last])
        lead = instructions[first - 1].span.end if first else 0
        stages.append(_stage(scanner, index, inside, lead))
    return tuple(stages)


def _stage(scanner: _Scanner, index: int, inside: tuple[Instruction, ...], lead: int) -> Stage:
    origin = inside[0]
    joined = join(scanner.text, origin.arguments, scanner.escape)
    words = list(_WORD.finditer(joined.text))
    named = len(words) == 3 and words[1][0].lower() == "as"
    if len(words) != 1 and not named:
        scanner.report(
            NO_IMAGE, "this FROM can't be read", origin.arguments, "write FROM image [AS name]"
        )
    image = words[0] if words else None
    platform = origin.flag("platform")
    return Stage(
        index=index,
        name=words[2][0] if named else None,
        image=image[0] if image else "",
        image_span=joined.span(*image.span()) if image else origin.arguments,
        platform=platform.value if platform else None,
        span=Span(origin.span.start, inside[-1].span.end),
        lead=lead,
        instructions=inside,
    )


def _check_whole(scanner: _Scanner, stages: tuple[Stage, ...]) -> None:
    start = Span(0, 0)
    nul = scanner.text.find("\0")
    if nul != -1:
        scanner.found.clear()  # whatever else is said about a binary file is noise
        advice = "check the path: a Dockerfile is text"
        scanner.report(
            BINARY, "this is a binary file, not a Dockerfile", Span(nul, nul + 1), advice
        )
        return
    if not scanner.instructions:
        advice = "check that this is the file you mean"
        scanner.report(EMPTY, "there is no instruction in this file", start, advice)
        return
    for instruction in scanner.instructions:
        if instruction.keyword == "FROM":
            break
        if instruction.keyword != "ARG" and instruction.keyword in KEYWORDS:
            scanner.report(
                NO_FROM, f"`{instruction.keyword}` stands before the first FROM",
                instruction.keyword_span, "start the file with FROM; only ARG may come before it",
            )  # fmt: skip
            break
    else:
        advice = "add a FROM, or check that this is the file you mean"
        scanner.report(NO_FROM, "there is no FROM in this file", start, advice)
    _check_names(scanner, stages)


def _check_names(scanner: _Scanner, stages: tuple[Stage, ...]) -> None:
    seen: dict[str, Stage] = {}
    for stage in stages:
        if stage.name is None:
            continue
        name = stage.name.lower()
        if name in seen:
            scanner.report(
                DUPLICATE_STAGE, f"a stage called `{stage.name}` stands above already",
                stage.origin.arguments, "rename one of the two", Severity.WARNING,
            )  # fmt: skip
        seen[name] = stage
