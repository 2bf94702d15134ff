"""Two traces of one RUN, upstream's and the result's: the same, but for what edits explain?

Package management has to map by the table of packages. What else is gone, new or other must be
explained by an edit whose span covers its words, and by a rule only as far as such things are its
business: `apt-to-dnf` explains no lost `make`. An edit of an overlay explains what it covers.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from midstream.tracing.calls import (
    base,
    call_rewritten,
    printed,
    rewritten,
    same_around,
    shown,
    with_words,
)
from midstream.tracing.explaining import (
    APT_FOLDERS,
    MECHANICAL,
    apts_business,
    becomes,
    may_change,
    only_there,
    words_cut,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from midstream.adapters.sandbox import Call, Trace
    from midstream.tracing.explaining import Explainer
    from midstream.tracing.sides import Side

_OURS = ("/etc/yum.repos.d", "/dev/null")
_MACHINES = ("x86_64", "aarch64")  # those that a sandbox says it is
_SWAPPING = frozenset(("alternatives", "debian-file", "debian-paths", "java-home", "python-layout"))
_ASKS_MACHINE = re.compile(r"\$\((?:uname -m|arch)\)|`uname -m`")
_DEAR = 10_000  # what a call costs that nothing explains


class Difference(Struct, frozen=True):
    """The first calls that nothing explains, `gone` upstream's and `new` the result's, and the
    rest of both lists from a little before there."""

    gone: Call | None
    new: Call | None
    upstream: tuple[str, ...]
    result: tuple[str, ...]


class Step(Struct, frozen=True):
    """A call of upstream's and the result's that belong together; or one alone."""

    gone: Call | None
    new: Call | None
    explained: bool = True


class Matcher(Struct, frozen=True, dict=True):
    """What may become of one RUN. `text` is upstream's whole Dockerfile."""

    text: str
    upstream: Side
    result: Side
    rules: Explainer
    known: dict[tuple[Call, Call], bool] = field(default_factory=dict)

    def compare(self, before: Trace, after: Trace) -> tuple[list[Step], Difference | None]:
        """The calls of both, paired, and what is wrong with them."""
        ours = list(after.calls)
        steps: list[Step] = []
        renamed: dict[str, str] = {}
        for _ in range(3):
            steps = self._align(before, ours)
            renamed |= _printed_otherwise(steps)
            fresh = [with_words(call, renamed) for call in after.calls]
            if fresh == ours:
                break
            ours = fresh
        wrong = next((n for n, step in enumerate(steps) if not step.explained), None)
        if wrong is not None:
            return steps, _difference(steps, wrong)
        return _as_called(steps, after), self._ends(before, after, renamed)

    def _ends(self, before: Trace, after: Trace, renamed: Mapping[str, str]) -> Difference | None:
        """What is left behind: files, and whether it went well."""
        there = {
            rewritten(path, self._texts): rewritten(text, self._texts)
            for path, text in before.files.items()
            if not path.startswith((*APT_FOLDERS, "/dev/null"))
        }
        here = {
            path: rewritten(text, renamed)
            for path, text in after.files.items()
            if not path.startswith((*_OURS, *APT_FOLDERS))
        }
        for path in sorted({*there, *here}):
            # What the result calls by another name is upstream's by now, or both are by an edit.
            if there.get(path) not in (here.get(path), after.files.get(path)) and (
                before.files.get(path) != here.get(path)
            ):
                return Difference(
                    None, None,
                    (f"{path}: {there.get(path, 'nothing')}",),
                    (f"{path}: {here.get(path, 'nothing')}",),
                )  # fmt: skip
        if bool(before.status) != bool(after.status):
            return Difference(
                None, None, (f"ends with {before.status}",), (f"ends with {after.status}",)
            )
        return None

    def _align(self, before: Trace, ours: list[Call]) -> list[Step]:
        """The cheapest way through both lists, where what nothing explains is very dear."""
        theirs = list(before.calls)
        business = apts_business(before)
        head: list[Step] = []
        while theirs and ours and self._same(theirs[0], ours[0]):
            head.append(Step(theirs.pop(0), ours[0]))
            ours = ours[1:]
        tail: list[Step] = []
        while theirs and ours and self._same(theirs[-1], ours[-1]):
            tail.append(Step(theirs.pop(), ours[-1]))
            ours = ours[:-1]
        first = len(head)
        of_apt = [number in business for number in range(first, first + len(theirs))]
        return [*head, *self._cheapest(theirs, ours, of_apt), *reversed(tail)]

    def _cheapest(self, theirs: list[Call], ours: list[Call], business: list[bool]) -> list[Step]:
        goes = [1 if self._may_go(call, of_apt) else _DEAR
                for call, of_apt in zip(theirs, business, strict=True)]  # fmt: skip
        comes = [1 if self._may_come(call) else _DEAR for call in ours]
        rows, columns = len(theirs), len(ours)
        cost = [[0] * (columns + 1) for _ in range(rows + 1)]
        for i in range(rows, -1, -1):
            for j in range(columns, -1, -1):
                if i == rows and j == columns:
                    continue
                ways = []
                if i < rows:
                    ways.append(goes[i] + cost[i + 1][j])
                if j < columns:
                    ways.append(comes[j] + cost[i][j + 1])
                if i < rows and j < columns and self._same(theirs[i], ours[j]):
                    ways.append(cost[i + 1][j + 1])
                cost[i][j] = min(ways)
        steps = []
        i = j = 0
        while i < rows or j < columns:
            here = cost[i][j]
            if i < rows and j < columns and here == cost[i + 1][j + 1] and self._same(
                theirs[i], ours[j]
            ):  # fmt: skip
                steps.append(Step(theirs[i], ours[j]))
                i, j = i + 1, j + 1
            elif i < rows and here == goes[i] + cost[i + 1][j]:
                steps.append(Step(theirs[i], None, explained=goes[i] == 1))
                i += 1
            else:
                steps.append(Step(None, ours[j], explained=comes[j] == 1))
                j += 1
        return steps

    # Two calls

    def _same(self, before: Call, after: Call) -> bool:
        if before == after:
            return True
        key = (before, after)
        if key not in self.known:
            self.known[key] = self.rules.maps(before, after) or self._is_changed(before, after)
        return self.known[key]

    def _is_changed(self, before: Call, after: Call) -> bool:
        """Whether edits that change words made one call of the other."""
        moved = call_rewritten(before, self._texts)
        if moved == after:
            return True
        if not same_around(moved, after):
            return False
        for theirs in self.upstream.commands(before):
            for mine in self.result.commands(after):
                made = {e for e in self.upstream.edits(theirs.span) if may_change(e)}
                if made & set(self.result.edits(mine.span)) or (
                    made and words_cut(after, theirs, made)
                ):
                    if base(before.words[0]) == base(after.words[0]):
                        return only_there(before, after, theirs, made)
                    return any(becomes(edit, before, after) for edit in made)
        return False

    @cached_property
    def _texts(self) -> Mapping[str, str]:
        """What edits of values put in place of what, wherever it ends up."""
        found: dict[str, str] = {}
        for span, edit in self.upstream.edits_at:
            if edit.rule in _SWAPPING or edit.rule not in MECHANICAL:
                old = self.text[span.start : span.end]
                if len(old) > 3 and edit.text and "\n" not in old:
                    found[old] = edit.text
                    found |= {_ASKS_MACHINE.sub(name, old): edit.text for name in _MACHINES}
        return found

    # One call

    def _may_go(self, call: Call, of_apt: bool) -> bool:
        edits = [e for c in self.upstream.commands(call) for e in self.upstream.edits(c.span)]
        return any(self.rules.explains_loss(edit, call, of_apt) for edit in edits)

    def _may_come(self, call: Call) -> bool:
        for command in self.result.commands(call):
            for edit in self.result.edits(command.span):
                if edit.rule not in MECHANICAL or self.rules.explains_gain(edit, call):
                    return True
        return False


def _as_called(steps: list[Step], after: Trace) -> list[Step]:
    """The steps with the result's calls as they were, and not as they were compared."""
    calls = iter(after.calls)
    return [replace(step, new=next(calls)) if step.new is not None else step for step in steps]


def _printed_otherwise(steps: Iterable[Step]) -> dict[str, str]:
    """What the result's calls print -> what upstream's printed in their place."""
    found: dict[str, str] = {}
    for step in steps:
        before, after = step.gone, step.new
        if before is None or after is None or before.words == after.words:
            continue
        says = before.words[0] in ("echo", "printf") and len(before.words) == len(after.words)
        parts = [(after.words, before.words)] if says else []
        parts.append(((printed(after),), (printed(before),)))
        for mine, theirs in parts:
            found |= {m: t for m, t in zip(mine, theirs, strict=True) if len(m) > 2 and m != t}
    return found


def _difference(steps: list[Step], wrong: int) -> Difference:
    step = steps[wrong]
    around = steps[max(0, wrong - 2) : wrong + 6]
    return Difference(
        step.gone,
        step.new,
        tuple(shown(each.gone) for each in around if each.gone is not None),
        tuple(shown(each.new) for each in around if each.new is not None),
    )
