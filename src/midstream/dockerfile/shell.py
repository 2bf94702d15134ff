"""The commands that a RUN, CMD or ENTRYPOINT runs, word by word, with spans in the Dockerfile.

Reading finds every command at any depth: chains, pipelines, `if`, loops, `case`, groups,
subshells, functions, substitutions, `bash -c` strings and shell heredocs. Where it can't tell, it
says so in `Script.doubts`, and nobody edits there.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from midstream.diagnostic import Diagnostic, Rule, Severity
from midstream.dockerfile.commands import (
    SHELLS,
    Assignment,
    Block,
    Command,
    Doubt,
    Read,
    Redirection,
    Script,
    Text,
    Word,
)
from midstream.dockerfile.inner_heredocs import plain_redirection
from midstream.dockerfile.joined import COMMENT_OR_BLANK, continuation, join
from midstream.dockerfile.shell_reader import Reader

if TYPE_CHECKING:
    from midstream.dockerfile.model import Dockerfile, Heredoc, Instruction

__all__ = [
    "RULES", "Assignment", "Block", "Command", "Doubt", "Read", "Redirection", "Script", "Word",
    "called_script", "called_scripts", "doubts_as_findings", "plain_text", "quote", "read_script",
    "read_text",
]  # fmt: skip

NOT_UNDERSTOOD = Rule(
    "MS140",
    "shell-not-understood",
    """\
**What it says.** A part of a RUN can't be read for certain: a quote that the outer shell fills in,
an `eval`, a construct that the grammar doesn't know.

**Why it matters.** midstream changes nothing there, so whatever is Debian's in it stays.

**The way out.** Replace the RUN with an edit in the overlay, or write the part more plainly.
""",
)
RULES = (NOT_UNDERSTOOD,)

_NOTHING = Script(())


def read_script(dockerfile: Dockerfile, instruction: Instruction) -> Script:
    """The commands of a RUN, CMD, ENTRYPOINT or HEALTHCHECK (or of what an ONBUILD carries)."""
    instruction = instruction.trigger or instruction
    if instruction.keyword not in ("RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK"):
        return _NOTHING
    reader = Reader(dockerfile.source.text)
    if instruction.json is not None:
        reader.read_exec(_exec_words(dockerfile, instruction))
        return reader.script()
    text = shell_text(dockerfile, instruction)
    if instruction.keyword == "HEALTHCHECK":
        kind = re.match(r"\s*(NONE|CMD)\b", text.text, re.IGNORECASE)
        skip = kind.end() if kind else 0
        text = Text(text.text[skip:], text.at[skip:])
    if instruction.heredocs:
        _read_with_heredocs(reader, dockerfile, instruction, text)
    else:
        reader.read(text)
    return reader.script()


def shell_text(dockerfile: Dockerfile, instruction: Instruction) -> Text:
    """What the shell gets, with the Dockerfile's own syntax masked in place, same length.

    Comment lines, blank lines and line ends inside a continuation become blanks; a continuation
    between two characters of one word stays `\\⏎`, which the shell joins as BuildKit does.
    """
    source = dockerfile.source.text
    start, end = instruction.arguments.start, instruction.arguments.end
    text = source[start:end]
    if "\n" in text:
        text = _masked(text, dockerfile.escape)
    for heredoc in instruction.heredocs:
        opened, closed = heredoc.opener.start - start, heredoc.opener.end - start
        text = text[:opened] + " " * (closed - opened) + text[closed:]
    return Text(text, range(start, end + 1))


def _masked(text: str, escape: str) -> str:
    parts: list[str] = []
    lines = text.split("\n")
    for number, whole in enumerate(lines):
        line = whole.rstrip("\r")
        last = number == len(lines) - 1
        if number and COMMENT_OR_BLANK.match(line):
            parts.append(" " * (len(whole) + (not last)))
            continue
        mark = continuation(line, 0, len(line), escape)
        if mark is None or last:
            parts.append(whole + ("" if last else " "))
            continue
        body = line[:mark]
        glued = body[-1:].strip() and _following(lines, number)[:1].strip()
        blanks = len(whole) - len(body) + 1
        parts.append(body + (" " * (blanks - 2) + "\\\n" if glued else " " * blanks))
    return "".join(parts)


def _following(lines: list[str], number: int) -> str:
    """The next line that is neither blank nor a comment."""
    return next((each for each in lines[number + 1 :] if not COMMENT_OR_BLANK.match(each)), "")


def plain_text(dockerfile: Dockerfile, instruction: Instruction) -> str:
    """The shell text as BuildKit hands it over: for `bash -n`. Heredocs follow the line."""
    instruction = instruction.trigger or instruction
    joined = join(dockerfile.source.text, instruction.arguments, dockerfile.escape).text
    if not instruction.heredocs:
        return joined
    bodies = "".join(
        dockerfile.text(each.body) + dockerfile.text(each.terminator)
        for each in instruction.heredocs
    )
    if _is_only_heredoc(dockerfile, instruction):
        return dockerfile.text(instruction.heredocs[0].body)
    return f"{joined}\n{bodies}"


def _is_only_heredoc(dockerfile: Dockerfile, instruction: Instruction) -> bool:
    return not shell_text(dockerfile, instruction).text.strip()


def _read_with_heredocs(
    reader: Reader, dockerfile: Dockerfile, instruction: Instruction, text: Text
) -> None:
    """A heredoc alone is the script; one that a shell reads is too; all others are data."""
    if not text.text.strip():
        first = instruction.heredocs[0]
        if _is_shell_script(dockerfile.text(first.body)):
            reader.read(_body(dockerfile, first), kind="heredoc")
        return
    line = text.text
    for each in instruction.heredocs:
        start, end = each.opener.start - text.at[0], each.opener.end - text.at[0]
        if start < 0:  # HEALTHCHECK's own words have been cut off; it takes no heredoc
            continue
        plain = plain_redirection(dockerfile.text(each.opener))
        line = line[:start] + plain + line[end:]
        reader.document(
            each.opener, _body(dockerfile, each), each.terminator.end, expand=each.expand
        )
    reader.read(Text(line, text.at))


_SHEBANG = re.compile(r"\s*#!\s*(?:\S*/env\s+(?:-S\s+)?)?(\S+)")


def _is_shell_script(body: str) -> bool:
    found = _SHEBANG.match(body)
    return found is None or found[1].rsplit("/", 1)[-1] in SHELLS


def _body(dockerfile: Dockerfile, heredoc: Heredoc) -> Text:
    text = dockerfile.text(heredoc.body)
    if "\r" in text:
        text = text.replace("\r", " ")
    return Text(text, range(heredoc.body.start, heredoc.body.end + 1))


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_JSON_STRING = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
_JSON_PART = re.compile(r"\\u[0-9a-fA-F]{4}|\\.|[^\\]", re.DOTALL)


def _exec_words(dockerfile: Dockerfile, instruction: Instruction) -> list[Text]:
    """The words of the exec form, each character with its place in the Dockerfile."""
    joined = join(dockerfile.source.text, instruction.arguments, dockerfile.escape)
    words = []
    for found in _JSON_STRING.finditer(joined.text):
        characters: list[str] = []
        at: list[int] = []
        ends: list[int] = []
        for part in _JSON_PART.finditer(joined.text, *found.span(1)):
            characters.append(json.loads(f'"{part[0]}"') if part[0][0] == "\\" else part[0])
            at.append(joined.at(part.start()))
            ends.append(joined.at(part.end() - 1) + 1)
        words.append(Text("".join(characters), [*at, joined.at(found.end(1))], ends))
    return words[: len(instruction.json or ())]  # what stands behind the bracket is ignored


def read_text(text: str, *, offset: int = 0) -> Script:
    """The commands of shell text that stands alone, e.g. a script of the build context."""
    reader = Reader(text)
    reader.read(Text(text, range(offset, offset + len(text) + 1)))
    return reader.script()


_IN_DOUBLE = re.compile(r'([$`"\\])')


def quote(text: str, quoting: str) -> str:
    """Text as it must be written where a command stands whose `quoting` is this."""
    if quoting == "'":
        return text.replace("'", "'\\''")
    if quoting == '"':
        return _IN_DOUBLE.sub(r"\\\1", text)
    if quoting == "json":
        return json.dumps(text)[1:-1]
    return text


_INTERPRETERS = SHELLS | {"source", ".", "python", "python3"}
_ENDINGS = (".sh", ".bash", ".py")
_SCRIPT_NAME = re.compile(r"(?:[\w./$\{\}-]|\$\([^()\n]*\)|`[^`\n]*`)*\.(?:sh|bash|py)")


def called_scripts(script: Script) -> tuple[Word, ...]:
    """The words that are script files run by path: `bash tools/x.sh`, `./x.sh`, `. ./env.sh`."""
    found = (called_script(command) for command in script.commands)
    return tuple(word for word in found if word is not None)


def called_script(command: Command) -> Word | None:
    """The word that is a script file which a command runs by path."""
    word = command.program
    if command.name in _INTERPRETERS:
        word = next((w for w in command.arguments if not w.text.startswith("-")), None)
    # Most commands call none, which their ending tells soonest.
    if word is None or not word.value.endswith(_ENDINGS) or word.text.startswith("-"):
        return None
    return word if _SCRIPT_NAME.fullmatch(word.value) else None


def doubts_as_findings(
    dockerfile: Dockerfile, script: Script, *, context: str = ""
) -> tuple[Diagnostic, ...]:
    """A warning for each place that could not be read."""
    return tuple(
        Diagnostic(
            rule=NOT_UNDERSTOOD,
            severity=Severity.WARNING,
            message=f"this part of the shell can't be read for certain: {doubt.why}",
            source=dockerfile.source,
            span=doubt.span,
            help="nothing is changed there; replace the RUN with an edit if it holds Debian's",
            context=context,
        )
        for doubt in script.doubts
    )
