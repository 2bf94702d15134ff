"""Taking statements out of shell text so that the others run as if those had succeeded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.dockerfile.commands import Block, Command
from midstream.edit import Edit
from midstream.source import Span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midstream.dockerfile.commands import Script
    from midstream.dockerfile.model import Dockerfile, Instruction


class Statements:
    """The commands and constructs of a script, as members of their lists."""

    def __init__(self, script: Script) -> None:
        self.by_span: dict[Span, Command | Block] = {}
        self._outermost: dict[int, Command | Block] = {}
        everything: list[Command | Block] = [*script.commands, *script.blocks]
        for each in everything:
            self.by_span[each.span] = each
            known = self._outermost.get(each.span.start)
            if known is None or each.span.end > known.span.end:
                self._outermost[each.span.start] = each
        self._previous = {
            each.next_start: each
            for each in self._outermost.values()
            if each.next_start is not None
        }

    def next(self, statement: Command | Block) -> Command | Block | None:
        """The one behind it in its and-or list."""
        if statement.next_start is None:
            return None
        return self._outermost.get(statement.next_start)

    def previous(self, statement: Command | Block) -> Command | Block | None:
        """The one before it in its and-or list."""
        return self._previous.get(statement.span.start)


def take_out(
    dockerfile: Dockerfile,
    instruction: Instruction,
    statements: Statements,
    doomed: Mapping[Span, tuple[str, str]],
    *,
    keep_files: bool = True,
) -> list[Edit]:
    """Edits that take out the statements at these places; each has its rule and reason.

    What is doomed inside of something doomed goes with it. Neighbours that are joined by `&&` go
    as one piece. Where nothing can be taken out (the only command, a condition, a side of a
    pipeline) `:` takes its place. Comments on lines of their own stay. A file that a statement
    makes goes on being made, empty, unless `keep_files` is false.
    """
    outer = {
        span: reason
        for span, reason in doomed.items()
        if not any(span in other and span != other for other in doomed)
    }
    edits = []
    done: set[Span] = set()
    for span, (rule, why) in sorted(outer.items()):
        if span in done:
            continue
        run = _run(statements, statements.by_span[span], outer, keep_files)
        done.update(each.span for each in run)
        cut, text = _cut(dockerfile, statements, run, keep_files)
        cut, text = _with_comments(dockerfile, instruction, cut, text)
        edits.append(Edit(cut, text, rule, why))
    return edits


def _run(
    statements: Statements,
    first: Command | Block,
    doomed: Mapping[Span, tuple[str, str]],
    keep_files: bool,
) -> list[Command | Block]:
    """A statement, and the doomed ones that follow it by `&&`."""
    run = [first]
    if first.before == "|" or (keep_files and _keeps_a_file(first)):
        return run
    while run[-1].after == "&&":
        following = statements.next(run[-1])
        if following is None or following.span not in doomed:
            break
        if keep_files and _keeps_a_file(following):
            break
        run.append(following)
    return run


def _cut(
    dockerfile: Dockerfile, statements: Statements, run: list[Command | Block], keep_files: bool
) -> tuple[Span, str]:
    first, last = run[0], run[-1]
    whole = Span(first.span.start, last.span.end)
    nothing = (whole, _nothing(first))
    if keep_files and isinstance(first, Command) and _keeps_a_file(first):
        return first.core, _nothing(first)
    if _is_chosen(statements.previous(first)) or _is_chosen(statements.next(last)):
        return nothing
    if first.before == "||":
        return nothing  # `a || x && b`: b hangs on both, so something that goes well stays
    if first.before != "&&" and last.after == "&&" and last.next_start is not None:
        return Span(first.span.start, last.next_start), ""  # the run opens its list
    if first.removal is None or last.removal is None:
        return nothing
    if len(run) == 1:
        return first.removal, ""
    if first.before != "&&":
        return nothing
    if last.after in ("&&", "||"):
        return Span(first.removal.start, last.removal.end), ""
    return Span(_behind_what_stays(dockerfile, first.removal.start), last.removal.end), ""


def _is_chosen(neighbour: Command | Block | None) -> bool:
    """`update-alternatives --set`: `system-python` may take it out, with an operator beside it."""
    return (
        isinstance(neighbour, Command)
        and neighbour.name in ("update-alternatives", "alternatives")
        and any(word.value == "--set" for word in neighbour.arguments)
    )


def _nothing(statement: Command | Block) -> str:
    """The command that does nothing; the exec form has no shell to know `:`."""
    return "true" if isinstance(statement, Command) and statement.quoting == "json" else ":"


_NOBODY_READS = re.compile(r"/dev/\w+|\d|-|/etc/apt/.*|/usr/share/keyrings/.*")


def _keeps_a_file(statement: Command | Block) -> bool:
    """Whether its output goes to a file, which must go on being made."""
    return isinstance(statement, Command) and any(
        each.operator.startswith((">", "&>"))
        and each.target is not None
        and not _NOBODY_READS.fullmatch(each.target.value)
        for each in statement.redirections
    )


_BACK = re.compile(r"(?:[ \t]|\\[ \t]*\r?\n|\r?\n)*\Z")


def _behind_what_stays(dockerfile: Dockerfile, at: int) -> int:
    """Where the element before an operator ends."""
    start = max(0, at - 400)
    found = _BACK.search(dockerfile.source.text[start:at])
    return start + found.start() if found else at


_COMMENT_LINE = re.compile(r"(?<=\n)[ \t]*#[^\n]*\n")


def _with_comments(
    dockerfile: Dockerfile, instruction: Instruction, cut: Span, new: str
) -> tuple[Span, str]:
    """What to put in place of a cut, besides `new`, so that the comment lines in it stay."""
    text = dockerfile.source.text
    comments = _COMMENT_LINE.findall(text[cut.start : cut.end])
    if not comments:
        return cut, new
    inside = text[cut.start : cut.end]
    line_start = text.rfind("\n", 0, cut.start) + 1
    ending = inside[: inside.index("\n") + 1].rstrip("\r\n").rstrip()
    newline = "\r\n" if "\r\n" in inside else "\n"
    goes_on = ending.endswith(dockerfile.escape)
    blank = "" if text[cut.start - 1] in " \t" else " "
    joint = f"{blank}{dockerfile.escape}{newline}" if goes_on else newline
    kept = "".join(comments)
    if new:  # `:` stands behind them
        before = joint if text[line_start : cut.start].strip() else ""
        return cut, before + (kept if before else kept.lstrip(" \t")) + new
    if not text[cut.end : instruction.arguments.end].strip():
        # Nothing follows: the comments come to stand behind the instruction.
        return cut, newline + kept.rstrip("\r\n")
    indent = re.search(r"[ \t]*\Z", inside)
    behind = indent[0] if indent else ""
    if text[line_start : cut.start].strip():
        return _swallow_line_end(text, cut, joint + kept + behind, dockerfile.escape)
    return cut, kept.lstrip(" \t") + behind


def _swallow_line_end(text: str, cut: Span, new: str, escape: str) -> tuple[Span, str]:
    """A cut at a list's end leaves a lone continuation mark behind: take that line away too."""
    found = re.compile(rf"[ \t]*{re.escape(escape)}[ \t]*\r?\n").match(text, cut.end)
    if found is None:
        return cut, new
    return Span(cut.start, found.end()), new.rstrip(" \t")
