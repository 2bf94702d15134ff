"""Taking commands out of shell text so that the others run as if those had succeeded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.edit import Edit
from midstream.source import Span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midstream.dockerfile.commands import Command, Script


def drop(script: Script, doomed: Mapping[int, tuple[str, str]]) -> list[Edit]:
    """Edits that take out the commands that start at these offsets; each has its rule and reason.

    A run at the start of an and-or list goes up to the first command that stays. Where nothing
    can be taken out (the only command, a condition, a side of a pipeline) `:` takes its place.
    """
    edits = []
    done: set[int] = set()
    by_start = {command.span.start: command for command in script.commands}
    for start, (rule, why) in sorted(doomed.items()):
        if start in done:
            continue
        command = by_start[start]
        run = _leading_run(command, by_start, doomed)
        last = _trailing_run(command, by_start, doomed)
        if len(last) > 1:
            run = last
            edits.append(_at_the_end(script, run, rule, why))
        else:
            edits.append(_edit(command, run, rule, why))
        done.update(each.span.start for each in run)
    return edits


def _leading_run(
    command: Command, by_start: Mapping[int, Command], doomed: Mapping[int, tuple[str, str]]
) -> list[Command]:
    """The command, and if it opens an and-or list, the doomed ones that follow it by `&&`."""
    run = [command]
    if command.before in ("&&", "||", "|"):
        return run
    while run[-1].after == "&&" and run[-1].next_start in doomed:
        following = by_start.get(run[-1].next_start or -1)
        if following is None:
            break
        run.append(following)
    return run


def _trailing_run(
    command: Command, by_start: Mapping[int, Command], doomed: Mapping[int, tuple[str, str]]
) -> list[Command]:
    """The command and those behind it, where they end an and-or list and are all doomed."""
    run = [command]
    while command.before == "&&" and run[-1].after == "&&":
        following = by_start.get(run[-1].next_start or -1)
        if following is None or following.span.start not in doomed:
            return []
        run.append(following)
    return run if run[-1].removal is not None else []


def _at_the_end(script: Script, run: list[Command], rule: str, why: str) -> Edit:
    """Takes the operator before the run along; behind a block, `:` stands for the run."""
    start, end = run[0].span.start, run[-1].span.end
    before = next((each for each in script.commands if each.next_start == start), None)
    if before is None:
        return Edit(Span(start, end), ":", rule, why)
    return Edit(Span(before.span.end, end), "", rule, why)


def _edit(command: Command, run: list[Command], rule: str, why: str) -> Edit:
    last = run[-1]
    if len(run) > 1 and last.after == "&&" and last.next_start is not None:
        return Edit(Span(command.span.start, last.next_start), "", rule, why)
    if len(run) == 1 and command.removal is not None:
        return Edit(command.removal, "", rule, why)
    return Edit(Span(command.span.start, last.span.end), ":", rule, why)
