"""Two traces of one RUN, upstream's and the result's: the same, but for what edits explain?

Package management has to map by the table of packages. What else is gone, new or other must be
explained by an edit whose span covers its words, and by a rule only as far as such things are its
business: `apt-to-dnf` explains no lost `make`. An edit of an overlay explains what it covers.
"""

from __future__ import annotations

import re
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from midstream.assumptions import shelf as assumptions
from midstream.conversions import shelf as conversions
from midstream.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from midstream.adapters.sandbox import Call, Trace
    from midstream.dockerfile.commands import Command, Script, Word
    from midstream.edit import Edit
    from midstream.rebasing.assembly import Assembled
    from midstream.ubi.tables import PackageTable, Platform

MECHANICAL = frozenset(each.NAME for each in (*conversions.CONVERSIONS, *assumptions.CONVERTING))
"""The names of the rules; every other edit is an overlay's, or a value that it ships with."""

_MANAGERS = frozenset(("apt", "apt-get", "aptitude", "dnf", "yum", "microdnf", "rpm"))
_APT_TOOLS = re.compile(
    r"apt|apt-[\w-]+|aptitude|dpkg(?:-[\w-]+)?|add-apt-repository|debconf-[\w-]+|locale-gen"
    r"|update-alternatives|adduser|addgroup|deluser|delgroup"
)
_APTS = re.compile(
    r"/etc/apt(?![\w-])|/var/(?:lib|cache|log)/(?:apt|debconf)|/usr/(?:local/)?share/keyrings"
    r"|/var/log/(?:dpkg|alternatives)|/etc/dpkg|\bDEBIAN_|\bdebconf\b"
)
_APT_FOLDERS = ("/etc/apt", "/usr/share/keyrings", "/usr/local/share/keyrings", "/etc/dpkg")
_OURS = ("/etc/yum.repos.d", "/dev/null")
# Beside package management: what a rule may put there, and make of what.
_COMES: Mapping[str, frozenset[str]] = {
    "dpkg": frozenset(("uname", "sed")),
    "alternatives": frozenset((".",)),
    "debconf": frozenset(("ln",)),
}
_BECOMES: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "accounts": (
        frozenset(("adduser", "addgroup", "deluser", "delgroup")),
        frozenset(("useradd", "groupadd", "usermod", "userdel", "groupdel", "gpasswd")),
    ),
    "alternatives": (frozenset(("update-alternatives",)), frozenset((".",))),
    "locales": (frozenset(("locale-gen",)), frozenset(("dnf", "microdnf"))),
    "shell-dialect": (frozenset(("echo",)), frozenset(("printf",))),
    "system-python": (frozenset(("update-alternatives",)), frozenset(("ln",))),
}
# The words of a call that a rule may change or take out, and leave the program as it is.
_WORDS: Mapping[str, re.Pattern[str]] = {
    "apt-to-dnf": re.compile(
        r"/var/(?:lib|cache|log)/(?:apt|debconf)(?:/.*)?|/var/log/(?:dpkg|alternatives)\.log"
        r"|/etc/apt/apt\.conf\.d/docker-clean"
    ),
    "debian-paths": re.compile(r"/usr/lib64"),
    "system-flag": re.compile(r"--system"),
    "system-python": re.compile(r"/usr/(?:local/)?bin/(?:python|pip)\S*"),
}


class Side(Struct, frozen=True, dict=True):
    """One instruction with its commands, and which edits are about which of its characters."""

    script: Script
    edits_at: tuple[tuple[Span, Edit], ...]

    def edits(self, span: Span) -> list[Edit]:
        return [
            edit for at, edit in self.edits_at
            if at.overlaps(span) or at in span or (len(at) and span in at)
        ]  # fmt: skip

    def commands(self, call: Call) -> list[Command]:
        """The commands of the text that may have made a call."""
        return [each for each in self._by_name.get(_base(call.words[0]), ()) if _fits(each, call)]

    @cached_property
    def _by_name(self) -> Mapping[str, list[Command]]:
        found: dict[str, list[Command]] = {}
        for command in self.script.commands:
            program = command.program
            names = {command.name, _base(program.value) if program else command.name}
            for name in names | {"." if command.name == "source" else command.name}:
                found.setdefault(name, []).append(command)
            if program is not None and program.literal is None:
                found.setdefault("", []).append(command)
        return found


def upstream_side(script: Script, assembled: Assembled, within: Span) -> Side:
    """An instruction of upstream's, with the edits of its text."""
    return Side(
        script,
        tuple(
            (edit.span, edit) for edit in assembled.edits
            if edit.span.overlaps(within) or edit.span in within
        ),
    )  # fmt: skip


def result_side(script: Script, assembled: Assembled, within: Span) -> Side:
    """An instruction of the result, with the edits that wrote any of it, where they did."""
    ends = [each.start for each in assembled.pieces[1:]] + [len(assembled.source.text)]
    return Side(
        script,
        tuple(
            (Span(piece.start, end), piece.by)
            for piece, end in zip(assembled.pieces, ends, strict=True)
            if piece.by is not None and piece.start < within.end and end > within.start
        ),
    )


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
    packages: PackageTable
    platform: Platform
    known: dict[tuple[Call, Call], bool] = field(default_factory=dict)

    def compare(self, before: Trace, after: Trace) -> tuple[list[Step], Difference | None]:
        """The calls of both, paired, and what is wrong with them."""
        ours = list(after.calls)
        steps: list[Step] = []
        renamed: dict[str, str] = {}
        for _ in range(3):
            steps = self._align(before, ours)
            renamed |= _printed_otherwise(steps)
            fresh = [_with_words(call, renamed) for call in after.calls]
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
            _rewritten(path, self._texts): _rewritten(text, self._texts)
            for path, text in before.files.items()
            if not path.startswith((*_APT_FOLDERS, "/dev/null"))
        }
        here = {
            path: _rewritten(text, renamed)
            for path, text in after.files.items()
            if not path.startswith((*_OURS, *_APT_FOLDERS))
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
        business = self._apts_business(before)
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
            self.known[key] = self._maps(before, after) or self._is_changed(before, after)
        return self.known[key]

    def _maps(self, before: Call, after: Call) -> bool:
        """Whether one package command stands for another."""
        first, second = _packages(before), _packages(after)
        if first is None or second is None or not _around(before, after):
            return False
        verb, names = first
        if verb != second[0]:
            return False
        asked = set(second[1])
        if verb == "upgrade":
            return not names and not asked
        allowed = [self._rpms(name) for name in names]
        if verb == "remove":
            return bool(asked) and asked <= {rpm for each in allowed for way in each for rpm in way}
        expected: set[str] = set()
        for ways in allowed:
            chosen = next((way for way in ways if set(way) <= asked), None)
            if chosen is None:
                return False
            expected.update(chosen)
        return bool(expected) and expected == asked

    def _rpms(self, name: str) -> list[tuple[str, ...]]:
        """What may stand for a Debian name whose variables have their values by now."""
        row = self.packages.rows.get(name)
        found = [row.rpms] if row is not None else []
        for named, row in self.packages.rows.items():
            if "$" not in named:
                continue
            variables = re.findall(r"\$\{[^}]*\}|\$\w+", named)
            expression = "(.*)".join(
                re.escape(part) for part in re.split(r"\$\{[^}]*\}|\$\w+", named)
            )
            values = re.fullmatch(expression, name)
            if values is not None:
                rpms = row.rpms
                for variable, value in zip(variables, values.groups(), strict=True):
                    rpms = tuple(rpm.replace(variable, value) for rpm in rpms)
                found.append(rpms)
        return found

    def _is_changed(self, before: Call, after: Call) -> bool:
        """Whether edits that change words made one call of the other."""
        moved = _rewritten_call(before, self._texts)
        if moved == after:
            return True
        if not _around(moved, after):
            return False
        for theirs in self.upstream.commands(before):
            for mine in self.result.commands(after):
                made = {e for e in self.upstream.edits(theirs.span) if self._may_change(e)}
                if made & set(self.result.edits(mine.span)) or (
                    made and _words_cut(after, theirs, made)
                ):
                    if _base(before.words[0]) == _base(after.words[0]):
                        return _only_there(before, after, theirs, made)
                    return any(_becomes(edit, before, after) for edit in made)
        return False

    def _may_change(self, edit: Edit) -> bool:
        return edit.rule not in MECHANICAL or edit.rule in {*_BECOMES, *_WORDS}

    @cached_property
    def _texts(self) -> Mapping[str, str]:
        """What edits of values put in place of what, wherever it ends up."""
        found: dict[str, str] = {}
        for span, edit in self.upstream.edits_at:
            if edit.rule in ("debian-paths", "python-layout", "alternatives") or (
                edit.rule not in MECHANICAL
            ):
                old = self.text[span.start : span.end]
                if len(old) > 3 and edit.text and "\n" not in old:
                    found[old] = edit.text
                    found |= {_ASKS_MACHINE.sub(name, old): edit.text for name in _MACHINES}
        return found

    # One call

    def _may_go(self, call: Call, of_apt: bool) -> bool:
        edits = [e for c in self.upstream.commands(call) for e in self.upstream.edits(c.span)]
        return any(self._explains_loss(edit, call, of_apt) for edit in edits)

    def _explains_loss(self, edit: Edit, call: Call, of_apt: bool) -> bool:
        if edit.rule not in MECHANICAL:
            return True
        name = _base(call.words[0])
        packages = _packages(call)
        if packages is not None:
            verb, names = packages
            if verb == "install":
                return all(any(not way for way in self._rpms(each)) for each in names)
            return verb not in ("upgrade",)
        if _APT_TOOLS.fullmatch(name):
            return True
        if edit.rule == "system-python":
            return name in ("rm", "unlink") and _PYTHON.search(call.line) is not None
        if edit.rule == "debian-paths":  # `/usr/lib/$(uname -m)-linux-gnu` is one folder by now
            return name in ("uname", "arch")
        # Neighbours that go are one edit, which has the name of the first one's rule.
        return of_apt and edit.rule in ("apt-sources", "apt-to-dnf", "debconf")

    def _may_come(self, call: Call) -> bool:
        for command in self.result.commands(call):
            for edit in self.result.edits(command.span):
                if edit.rule not in MECHANICAL or self._explains_gain(edit, call):
                    return True
        return False

    def _explains_gain(self, edit: Edit, call: Call) -> bool:
        if _base(call.words[0]) in _COMES.get(edit.rule, ()):
            return True
        if edit.rule != "apt-to-dnf":
            return False
        packages = _packages(call)
        if packages is not None and packages[0] == "clean":
            return True
        return any(
            text and text in edit.text.replace("\\`", "`").replace("\\$", "$").replace("'\\''", "'")
            for repository in self.platform.repositories.values()
            for text in repository.set_up.values()
        )

    def _apts_business(self, before: Trace) -> set[int]:
        """Which calls do nothing but set apt up, or feed one that does."""
        calls = before.calls
        found = {
            n for n, call in enumerate(calls)
            if _APT_TOOLS.fullmatch(_base(call.words[0]))
            or any(_APTS.search(word) for word in call.words)
            or call.words[0] in ("sleep", "[", "test", "command", "type", "hash")
        }  # fmt: skip
        kept = " ".join(t for p, t in before.files.items() if p.startswith(_APT_FOLDERS))
        # A call's output is read by calls behind it, and by those to its right in a pipeline.
        for number in range(len(calls) - 1, -1, -1):
            said = _printed(calls[number])
            if number in found or len(said) < 3:
                continue
            readers = [n for n, c in enumerate(calls) if n != number and _reads(c, said)]
            if (
                (said in kept and not readers)
                or (readers and all(n in found for n in readers))
                or (not readers and calls[number].output != "file" and _is_idle(calls[number]))
            ):
                found.add(number)
        return found


_DEAR = 10_000
_MACHINES = ("x86_64", "aarch64")  # those that a sandbox says it is
_ASKS_MACHINE = re.compile(r"\$\((?:uname -m|arch)\)|`uname -m`")


def _is_idle(call: Call) -> bool:
    return call.words[0] in ("echo", "printf") and call.output in ("out", "err", "null")


def _reads(call: Call, said: str) -> bool:
    return said in call.input or any(said in word for word in call.words)


def _printed(call: Call) -> str:
    if call.words[0] in ("echo", "printf"):
        return " ".join(word for word in call.words[1:] if not word.startswith("-")).strip()
    if call.words[0] in ("cat", "tee"):
        return call.input.strip()
    return call.said


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
        parts.append(((_printed(after),), (_printed(before),)))
        for mine, theirs in parts:
            found |= {m: t for m, t in zip(mine, theirs, strict=True) if len(m) > 2 and m != t}
    return found


def _rewritten(text: str, texts: Mapping[str, str]) -> str:
    for old, new in texts.items():
        text = text.replace(old, new)
    return text


def _rewritten_call(call: Call, texts: Mapping[str, str]) -> Call:
    if not texts:
        return call
    return replace(
        call,
        words=tuple(_rewritten(word, texts) for word in call.words),
        input=_rewritten(call.input, texts),
        folder=_rewritten(call.folder, texts),
        environment=tuple((n, _rewritten(v, texts)) for n, v in call.environment),
    )


def _with_words(call: Call, renamed: Mapping[str, str]) -> Call:
    if not renamed:
        return call
    return replace(
        call,
        words=(call.words[0], *(_rewritten(word, renamed) for word in call.words[1:])),
        input=_rewritten(call.input, renamed),
        environment=tuple((n, _rewritten(v, renamed)) for n, v in call.environment),
    )


def _around(before: Call, after: Call) -> bool:
    """Whether all but the words is the same."""
    return (
        _wrappers(before) == _wrappers(after)
        and before.input == after.input
        and before.folder == after.folder
        and before.output == after.output
        and before.errors == after.errors
        and before.environment == after.environment
    )


def _wrappers(call: Call) -> str:
    return re.sub(r"\b(?:DEBIAN_\w+|DEBCONF_\w+)=\S* ?|\benv (?=env |$)", "", call.wrappers)


_VERBS = {
    "install": "install",
    **dict.fromkeys(("remove", "purge", "autoremove"), "remove"),
    **dict.fromkeys(("upgrade", "dist-upgrade", "full-upgrade", "safe-upgrade"), "upgrade"),
    **dict.fromkeys(("clean", "autoclean", "distclean"), "clean"),
}
_WITH_VALUE = frozenset(("-o", "-t", "-c", "-a", "--option", "--target-release"))


def _packages(call: Call) -> tuple[str, tuple[str, ...]] | None:
    """What a package manager is told: install, remove, upgrade, clean or other; and the names."""
    name = _base(call.words[0])
    if name not in _MANAGERS:
        return None
    plain = [
        word for before, word in pairwise(call.words)
        if not word.startswith("-") and before not in _WITH_VALUE
    ]  # fmt: skip
    if name == "rpm":
        return ("remove" if {"-e", "--erase"} & set(call.words) else "other", tuple(plain))
    if not plain:
        return ("other", ())
    verb = "upgrade" if (name, plain[0]) == ("microdnf", "update") else _VERBS.get(plain[0])
    return (verb or "other", tuple(plain[1:]))


def _base(name: str) -> str:
    return name.rsplit("/", 1)[-1] or name


def _fits(command: Command, call: Call) -> bool:
    """Whether the words of a command may have become those of a call."""
    words: Sequence[Word] = command.arguments
    return _fit(words, call.words[1:])


def _fit(words: Sequence[Word], values: Sequence[str]) -> bool:
    reachable = {0}
    for word in words:
        following: set[int] = set()
        for at in reachable:
            if word.literal is not None:
                if at < len(values) and values[at] == word.literal:
                    following.add(at + 1)
            else:  # a variable may be no word, one, or several
                following.update(range(at, len(values) + 1))
        reachable = following
        if not reachable:
            return False
    return len(values) in reachable


_PYTHON = re.compile(r"/usr/bin/python3(?:\.\d+)?(?!\S)")


def _becomes(edit: Edit, before: Call, after: Call) -> bool:
    """Whether an edit may make another program of one."""
    if edit.rule not in MECHANICAL:
        return True
    old, new = _BECOMES.get(edit.rule, (frozenset(), frozenset()))
    return _base(before.words[0]) in old and _base(after.words[0]) in new


def _words_cut(after: Call, command: Command, edits: set[Edit]) -> bool:
    """Whether the result's words are upstream's without some that edits took out."""
    kept = [w for w in command.arguments if not any(e.span.overlaps(w.span) for e in edits)]
    return _fit(kept, after.words[1:]) and len(kept) < len(command.arguments)


def _only_there(before: Call, after: Call, command: Command, edits: set[Edit]) -> bool:
    """Whether nothing but words that these edits may change is other."""
    patterns = [_WORDS.get(edit.rule) for edit in edits if edit.rule in MECHANICAL]
    ours = len(patterns) == len(edits)
    if ours:
        old, new = (_without(call.words[1:], patterns) for call in (before, after))
        return old == new
    if len(command.arguments) != len(before.words) - 1:
        return True  # which word is which can't be said
    kept = [
        value
        for word, value in zip(command.arguments, before.words[1:], strict=True)
        if not any(edit.span.overlaps(word.span) or edit.span in word.span for edit in edits)
    ]
    rest = iter(after.words[1:])
    return all(any(value == other for other in rest) for value in kept)


def _without(words: Sequence[str], patterns: Sequence[re.Pattern[str] | None]) -> list[str]:
    return [w for w in words if not any(p is not None and p.fullmatch(w) for p in patterns)]


def _difference(steps: list[Step], wrong: int) -> Difference:
    step = steps[wrong]
    around = steps[max(0, wrong - 2) : wrong + 6]
    return Difference(
        step.gone,
        step.new,
        tuple(shown(each.gone) for each in around if each.gone is not None),
        tuple(shown(each.new) for each in around if each.new is not None),
    )


def shown(call: Call) -> str:
    """A call on one line, as it might be typed."""
    places = {"out": "", "err": " >&2", "null": " >/dev/null", "pipe": " |", "file": " > …"}
    errors = {"err": "", "null": " 2>/dev/null", "out": " 2>&1", "pipe": " 2>&1", "file": " 2>…"}
    environment = "".join(f"{name}={value} " for name, value in call.environment)
    line = " ".join(word if word and " " not in word else repr(word) for word in call.words)
    folder = f"(in {call.folder}) " if call.folder else ""
    fed = f" <<< {call.input[:40]!r}" if call.input else ""
    text = f"{folder}{environment}{call.wrappers}{line}{fed}"
    return (text + places[call.output] + errors[call.errors])[:200]
