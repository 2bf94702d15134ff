"""Enabling the repositories that an install needs, in front of it, once in a stage's lineage."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.conversions.work import is_exec
from midstream.dockerfile.shell import quote
from midstream.dockerfile.taking_out import Statements

if TYPE_CHECKING:
    from midstream.conversions.work import Work
    from midstream.dockerfile.commands import Block, Command
    from midstream.ubi.tables import Repository


def set_up(work: Work, command: Command, repositories: list[Repository]) -> str | None:
    """Commands with what joins them to the install, to stand before it; often nothing.

    None where there is no place for them; that is a finding then.
    """
    commands = _commands(work, repositories)
    if not commands:
        return ""
    joint = _joint(work, command)
    if joint is None:
        names = ", ".join(f"`{r.name}`" for r in repositories)
        work.refuse(
            command.core, f"there is no place to enable {names} before this command",
            "enable it in a RUN of its own with an edit of the overlay, or make this one plainer",
        )  # fmt: skip
        return None
    if "sudo" in command.wrappers:
        commands = [_as_root(text) for text in commands]
    if _always_runs(work, command):
        work.enabled.update(each.name for each in repositories)
    return "".join(f"{_quoted(work, command, text)}{joint}" for text in commands)


_IN_HEREDOC = re.compile(r"([$`\\])")


def _quoted(work: Work, command: Command, text: str) -> str:
    """`bash <<EOF` with a bare delimiter is filled in by the outer shell before bash reads it."""
    fed = any(block.kind.endswith(" heredoc") for block in command.blocks)
    if fed and any(each.expand for each in work.instruction.heredocs):
        text = _IN_HEREDOC.sub(r"\\\1", text)
    return quote(text, command.quoting)


def _commands(work: Work, repositories: list[Repository]) -> list[str]:
    order = work.subject.repositories
    wanted = sorted(repositories, key=lambda each: order.index(each.name))
    texts = [(each.name, each.set_up.get(work.manager, "")) for each in wanted]
    return [text for name, text in texts if text and name not in work.enabled]


_PLAIN = re.compile(r"[\w\s./:@%+=,-]+")


def _as_root(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return f"sudo {text}"
    escaped = text.replace("'", "'\\''")
    return f"sudo sh -c '{escaped}'"


def _joint(work: Work, command: Command) -> str | None:
    """` && ` where a failure of the first must keep the second from running, else `; `."""
    if is_exec(command) or command.before in ("||", "|") or _in_pipeline(command):
        return None
    if work.text[: command.span.start].rstrip().endswith("!"):
        return None
    ends = command.after not in ("&&", "||")
    if not (ends and _stops_at_errors(work)):
        return _on_its_own_line(work, command, "&&")
    # With `set -e`, `a && b` doesn't stop where `a` fails: `a; b` does.
    if command.before == "&&" and not _all_before_goes(work, command):
        return None
    return _on_its_own_line(work, command, ";")


def _in_pipeline(command: Command) -> bool:
    return bool(command.blocks) and command.blocks[-1].kind == "pipeline"


_ERREXIT = re.compile(r"\bset\s+(?:-\w*\s+)*-\w*e|\b(?:ba|da|k|z)?sh\s+(?:-\w*\s+)*-\w*e|errexit")


def _stops_at_errors(work: Work) -> bool:
    dockerfile = work.subject.dockerfile
    if _ERREXIT.search(dockerfile.text(work.instruction.span)):
        return True
    shells = [i for i in dockerfile.instructions if i.keyword == "SHELL"]
    return any(re.search(r'"-\w*e|errexit', dockerfile.text(each.span)) for each in shells)


def _all_before_goes(work: Work, command: Command) -> bool:
    """Whether the commands before it in its list are taken out."""
    statements = Statements(work.script)
    before = statements.previous(command)
    while before is not None:
        if not work.is_gone(before.span, serving=not work.refused):
            return False
        before = statements.previous(before)
    return True


def _on_its_own_line(work: Work, command: Command, operator: str) -> str:
    """The operator, on a line of its own where the instruction's commands stand so."""
    if command.quoting or work.instruction.heredocs:
        return f" {operator} " if operator == "&&" else "; "
    ending = "\r\n" if "\r\n" in work.subject.dockerfile.text(work.instruction.span) else "\n"
    escape = work.subject.dockerfile.escape
    if operator == ";":
        return f"; {escape}{ending}    "
    return f" {escape}{ending}    && "


_TESTS = frozenset(("[", "[[", "test", "grep", "command", "which", "type", "hash"))


def _always_runs(work: Work, command: Command) -> bool:
    """Whether what stands here runs whenever the instruction succeeds."""
    if work.instruction.trigger is not None:
        return False
    if any(not b.kind.endswith((" -c", "heredoc")) for b in command.blocks):
        return False
    statements = Statements(work.script)
    at: Command | Block | None = command
    while at is not None:
        if at.before == "||":
            return False
        at = statements.previous(at)
        if at is not None and _decides(work, at):
            return False
    return True


def _decides(work: Work, statement: Command | Block) -> bool:
    """Whether what follows by `&&` hangs on an answer: a test, or a pipeline that ends in one."""
    inside = [c for c in work.script.commands if c.span in statement.span]
    return bool(inside) and inside[-1].name in _TESTS
