"""The same commands, before and after: upstream's RUNs and the result's, run where nothing happens.

Each RUN that changed is run in a sandbox in both forms, with its variables unset, standing for
themselves, and as they are shipped; with files there and not; and once for each command that it
runs with that command failing. The commands that both run have to be the same, in order, but for
what the edits explain.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from midstream.adapters import files, process
from midstream.adapters.sandbox import NoSandbox, Sandbox, Setting
from midstream.comparing import MECHANICAL, Matcher, result_side, shown, upstream_side
from midstream.diagnostic import Diagnostic, Rule, Severity
from midstream.dockerfile.commands import SHELLS, Script
from midstream.dockerfile.shell import plain_text, read_script
from midstream.dockerfile.variables import expand
from midstream.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from midstream.adapters.sandbox import Trace
    from midstream.comparing import Difference
    from midstream.dockerfile.model import Dockerfile, Instruction
    from midstream.rebasing.assembly import Assembled
    from midstream.ubi.subject import Subject

TRACE_DIFFERS = Rule(
    "MS270",
    "trace-differs",
    """\
**What it says.** A RUN of the result, run with a recorder in the place of every command, runs other
commands than upstream's, and no edit explains it. Both lists are shown.

**Why it matters.** A conversion or an edit has taken along, moved or changed what it has nothing to
do with: a `make` that is gone, an argument that is other, a failure that is no longer seen.

**The way out.** Where an edit of the overlay changed the words, its span has to cover them: address
the command itself. Where no edit did, it is a defect of midstream's: please report it.
""",
)
NO_SANDBOX = Rule(
    "MS271",
    "no-sandbox",
    """\
**What it says.** This machine doesn't let midstream make the sandbox that `--trace` runs RUNs in.

**Why it matters.** Nothing was traced, so nothing is proved. The exit code is 3.

**The way out.** Run it as root, or where user namespaces are allowed.
""",
)
NOT_TRACED = Rule(
    "MS272",
    "not-traced",
    """\
**What it says.** A RUN didn't come to an end in the sandbox, so its commands were not compared.

**The way out.** Look at the RUN and its edits yourself.
""",
)
RULES = (TRACE_DIFFERS, NO_SANDBOX, NOT_TRACED)

_VERSION = "1"  # of the proofs: to be raised when the recorder or the comparison changes
_MOST_FAILURES = 60
_MOST_VALUES = 4
_DEPTH = 4  # how many commands fail together, and the run in which none does
_NOT_GIVEN = frozenset(
    ("PATH", "HOME", "IFS", "PWD", "OLDPWD", "RANDOM", "SRANDOM", "HOSTNAME", "UID", "EUID",
     "LINENO", "SECONDS", "OPTARG", "OPTIND", "REPLY", "PPID", "PIPESTATUS", "FUNCNAME", "SHELL",
     "EPOCHSECONDS", "EPOCHREALTIME", "MACHTYPE", "HOSTTYPE", "OSTYPE", "SHLVL", "LC_ALL")
)  # fmt: skip


class Pair(Struct, frozen=True):
    """A RUN upstream, and what became of it; None where it is gone."""

    before: Instruction
    after: Instruction | None


class Traced(Struct, frozen=True):
    """What tracing found; `runs` counts what was compared, `remembered` of them from the cache."""

    findings: tuple[Diagnostic, ...]
    runs: int = 0
    remembered: int = 0


def trace(subject: Subject, result: Dockerfile, assembled: Assembled, cache: Path) -> Traced:
    """Compare every RUN that changed. A proof is remembered in `cache`.

    Raises `NoSandbox`.
    """
    findings: list[Diagnostic] = []
    runs = remembered = 0
    with Sandbox() as sandbox:
        for pair in pairs(subject, result, assembled):
            comparison = _Comparison(subject, result, assembled, pair)
            runs += 1
            proof = cache / "traces" / comparison.name()
            if files.exists(proof):
                remembered += 1
                continue
            found = comparison.run(sandbox)
            findings += found
            if not found:
                files.write(proof, b"")
    return Traced(tuple(findings), runs, remembered)


def no_sandbox(error: NoSandbox, subject: Subject) -> Diagnostic:
    """The one finding where there can't be a sandbox."""
    return Diagnostic(
        rule=NO_SANDBOX, severity=Severity.ERROR, message=f"nothing was traced: {error.message}",
        source=subject.dockerfile.source, span=Span(0, 0), help=error.help,
    )  # fmt: skip


def pairs(subject: Subject, result: Dockerfile, assembled: Assembled) -> Iterator[Pair]:
    """The RUNs of live stages that aren't the same in the result. What an overlay's edit replaced
    or dropped as a whole is that edit's to answer for, and so is a template for its whole file."""
    if all(piece.by is not None for piece in assembled.pieces):
        return
    became = {}
    for instruction in result.instructions:
        origin = assembled.upstream_offset(instruction.span.start)
        if origin is not None:
            became[origin] = instruction
    for _, instruction in subject.live_instructions():
        if not _is_shell(subject.dockerfile, instruction):
            continue
        after = became.get(instruction.span.start)
        if after is not None and _is_shell(result, after):
            if _text(subject.dockerfile, instruction) != _text(result, after):
                yield Pair(instruction, after)
        elif not _is_replaced(assembled, instruction):
            yield Pair(instruction, None)


def _is_replaced(assembled: Assembled, instruction: Instruction) -> bool:
    return any(
        edit.rule not in MECHANICAL
        and (instruction.keyword_span in edit.span or edit.span.overlaps(instruction.keyword_span))
        for edit in assembled.edits
    )


def _is_shell(dockerfile: Dockerfile, instruction: Instruction) -> bool:
    inner = instruction.trigger or instruction
    if inner.keyword != "RUN":
        return False
    text = plain_text(dockerfile, inner).lstrip()
    if not text.startswith("#!"):
        return True
    words = text[2:].split("\n", 1)[0].replace("/env ", "/").split()
    return bool(words) and words[0].rsplit("/", 1)[-1] in SHELLS


def _text(dockerfile: Dockerfile, instruction: Instruction) -> str:
    inner = instruction.trigger or instruction
    if inner.json is not None:
        return shlex.join(inner.json)
    return plain_text(dockerfile, inner)


class _Comparison:
    """One RUN, before and after."""

    def __init__(
        self, subject: Subject, result: Dockerfile, assembled: Assembled, pair: Pair
    ) -> None:
        self.subject = subject
        self.pair = pair
        before, after = pair.before, pair.after
        script = subject.script(before)
        ours = read_script(result, after) if after is not None else Script(())
        within = after.span if after is not None else Span(0, 0)
        self.texts = (_text(subject.dockerfile, before), _text(result, after) if after else ":")
        self.scripts = (script, ours)
        shell, self.options = _shell(subject, before)
        dash = shell in ("", "/bin/sh", "sh") and not _is_native(subject, before)
        self.echo = ("-O", "xpg_echo") if dash else ()
        self.values = subject.graph.scope.at(before)
        self.matcher = Matcher(
            subject.dockerfile.source.text,
            upstream_side(script, assembled, before.span),
            result_side(ours, assembled, within),
            subject.packages,
            subject.platform,
        )

    def name(self) -> str:
        """What the proof is kept under: all that it depends on."""
        place = self.pair.before.span.start
        edits = [
            (edit.rule, edit.span.start - place, edit.span.end - place, edit.text)
            for _, edit in self.matcher.upstream.edits_at
        ]
        told = (_VERSION, self.texts, self.options, self.echo, sorted(self._settings_of()), edits)
        return hashlib.sha256(repr(told).encode("utf-8", "surrogateescape")).hexdigest()

    def run(self, sandbox: Sandbox) -> list[Diagnostic]:
        """What differs, under the first setting in which something does."""
        try:
            return list(self._differences(sandbox))
        except process.TimedOut:
            return [self._finding(NOT_TRACED, Severity.WARNING, "this RUN comes to no end", "")]

    def _differences(self, sandbox: Sandbox) -> Iterator[Diagnostic]:
        settings = self._settings()
        wanted = [(setting, setting) for setting in settings]
        seen: set[tuple[str, str]] = set()
        for _ in range(_DEPTH):
            # Each command that was new fails once, so that one sees what hangs on it; and those
            # that only run then fail with it.
            fresh: list[tuple[Setting, Setting]] = []
            for pair, before, after in zip(wanted, *self._trace(sandbox, wanted), strict=True):
                if before.cut or after.cut:
                    continue  # it waits for ever for what fails
                steps, difference = self.matcher.compare(before, after)
                if difference is not None:
                    yield self._differs(difference, pair[0])
                    return
                for step in steps:
                    if step.gone is None or step.new is None:
                        continue
                    lines = (step.gone.line, step.new.line)
                    if lines not in seen:
                        seen.add(lines)
                        fresh.append((_failing(pair[0], lines[0]), _failing(pair[1], lines[1])))
            wanted = fresh[:_MOST_FAILURES]
            if not wanted:
                return

    def _trace(
        self, sandbox: Sandbox, settings: Sequence[tuple[Setting, Setting]]
    ) -> tuple[tuple[Trace, ...], tuple[Trace, ...]]:
        names = {name for script in self.scripts for name in _programs(script)}
        before, after = [each[0] for each in settings], [each[1] for each in settings]
        folders = {f for script in self.scripts for f in _folders(script, before)}
        first = sandbox.trace(self.texts[0], before, names, folders, (*self.options, *self.echo))
        second = sandbox.trace(self.texts[1], after, names, folders, self.options)
        return first, second

    def _settings(self) -> list[Setting]:
        symbols, shipped = (dict(each) for each in self._settings_of())
        found = [
            Setting(symbols),
            Setting({}, files=False, machine="aarch64"),
            Setting(shipped),
            Setting(shipped, tests=True),
            Setting(shipped, tests=False, machine="aarch64"),
        ]
        compared = _compared(self.texts[0])
        for turn in range(min(_MOST_VALUES, max(map(len, compared.values()), default=0))):
            chosen = {name: values[turn % len(values)] for name, values in compared.items()}
            found.append(Setting({**shipped, **chosen}))
        return found

    def _settings_of(self) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
        """The variables that the RUN is given: each standing for itself, and as they are."""
        own = self.scripts[0].assigned - self.subject.graph.scope.declared(self.pair.before)
        read = {
            each.name for script in self.scripts for each in script.reads if each.name not in own
            and each.name.isidentifier() and each.name.isascii()
            and each.name not in _NOT_GIVEN and not each.name.startswith("BASH")
        }  # fmt: skip
        names = sorted(read)
        return (
            tuple((name, f"${{{name}}}") for name in names),
            tuple((name, self.values[name]) for name in names if name in self.values),
        )

    def _differs(self, difference: Difference, setting: Setting) -> Diagnostic:
        if difference.gone is not None:
            said = f"nothing explains what became of `{shown(difference.gone)}`"
        elif difference.new is not None:
            said = f"nothing explains `{shown(difference.new)}`, which upstream doesn't run"
        else:
            said = "this RUN leaves other things behind than upstream's"
        lists = [f"upstream: {line}" for line in difference.upstream]
        lists += [f"result:   {line}" for line in difference.result]
        return self._finding(
            TRACE_DIFFERS, Severity.ERROR, said,
            "\n".join([f"where {_described(setting)}:", *lists]),
        )  # fmt: skip

    def _finding(self, rule: Rule, severity: Severity, message: str, help: str) -> Diagnostic:
        stage = self.subject.dockerfile.stage_of(self.pair.before)
        return Diagnostic(
            rule=rule, severity=severity, message=message, help=help or None,
            source=self.subject.dockerfile.source, span=self.pair.before.keyword_span,
            context=f"stage {stage.label}" if stage else "",
        )  # fmt: skip


def _failing(setting: Setting, line: str) -> Setting:
    return replace(setting, fails=(*setting.fails, line))


_COMPARED = re.compile(
    r"""\$\{?(?P<name>[A-Za-z_]\w*)[^\s"'}]*\}?["']?\s+(?:=~|==?|!=)\s+["']?(?P<value>[\w./+-]+)"""
)
_CHOSEN = re.compile(
    r"""\bcase\s+["']?\$\{?(?P<name>[A-Za-z_]\w*)[^\s"'}]*\}?["']?\s+in\b(?P<body>.*?)\besac\b""",
    re.DOTALL,
)
_PATTERN = re.compile(r"""(?:\bin\b|;;|\A)\s*\(?["']?([\w./+-]+)[^\s()]*\)""")


def _compared(text: str) -> dict[str, tuple[str, ...]]:
    """The values that a script compares its variables with, so that each branch is taken once."""
    found: dict[str, dict[str, None]] = {}
    for each in _COMPARED.finditer(text):
        found.setdefault(each["name"], {})[each["value"]] = None
    for each in _CHOSEN.finditer(text):
        for value in _PATTERN.findall(each["body"]):
            found.setdefault(each["name"], {})[value] = None
    return {name: tuple(values) for name, values in found.items() if name not in _NOT_GIVEN}


def _described(setting: Setting) -> str:
    said = "every file is there" if setting.files else "no file is there"
    if setting.tests is not None:
        said = "every test holds" if setting.tests else "no test holds"
    given = ", ".join(f"{name}={value}" for name, value in setting.variables.items())
    said += f" and {given[:120]}" if given else " and no variable is set"
    fails = " and ".join(f"`{line[:80]}`" for line in setting.fails)
    return f"{said}, and where {fails} fails" if fails else said


def _programs(script: Script) -> Iterator[str]:
    for command in script.commands:
        for word in (command.program, *command.words[:1]):
            if word is not None and word.literal:
                yield word.literal


def _folders(script: Script, settings: Sequence[Setting]) -> Iterator[str]:
    """Where the redirections of a script write to, under any of the settings."""
    for command in script.commands:
        for each in command.redirections:
            if each.target is None:
                continue
            for setting in settings:
                path = expand(each.target.value, setting.variables).text
                if path.startswith("/"):
                    yield path.rsplit("/", 1)[0] or "/"


def _is_native(subject: Subject, instruction: Instruction) -> bool:
    """Whether upstream's shell is bash too; Debian's dash has an `echo` that takes `\\n`."""
    stage = subject.dockerfile.stage_of(instruction)
    image = subject.graph.root(stage.index).image if stage is not None else None
    return image is not None and subject.platform.base_for(image) is not None


def _shell(subject: Subject, instruction: Instruction) -> tuple[str, tuple[str, ...]]:
    """The shell that runs it, with its options; "" where no SHELL above says another one."""
    stage = subject.dockerfile.stage_of(instruction)
    words: tuple[str, ...] = ()
    for index in reversed(subject.graph.lineage(stage.index) if stage is not None else ()):
        for each in subject.dockerfile.stages[index].instructions:
            if each.keyword == "SHELL" and each.json and each.span < instruction.span:
                words = each.json
    options = (re.sub(r"^(-\w*)c(\w*)$", r"\1\2", word) for word in words[1:])
    return words[0] if words else "", tuple(word for word in options if word != "-")
