"""The same commands, before and after: upstream's RUNs and the result's, run where nothing happens.

Each RUN that changed is run in a sandbox in both forms, with its variables unset, standing for
themselves, and as they are shipped; with files there and not; and once for each command that it
runs with that command failing. The commands that both run have to be the same, in order, but for
what the edits explain.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.adapters import files, process
from midstream.adapters.sandbox import NoSandbox, Sandbox, Setting
from midstream.diagnostic import Diagnostic, Rule, Severity
from midstream.dockerfile.commands import Script
from midstream.dockerfile.shell import read_script
from midstream.dockerfile.variables import expand
from midstream.source import Span
from midstream.tracing.calls import shown
from midstream.tracing.explaining import Explainer
from midstream.tracing.matching import Matcher
from midstream.tracing.runs import pairs, text_of
from midstream.tracing.settings import described, failing, may_be_given, settings_for
from midstream.tracing.sides import result_side, upstream_side

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from midstream.adapters.sandbox import Trace
    from midstream.dockerfile.model import Dockerfile, Instruction
    from midstream.rebasing.assembly import Assembled
    from midstream.tracing.matching import Difference
    from midstream.tracing.runs import Pair
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
_DEPTH = 4  # how many commands fail together, and the run in which none does


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
        self.texts = (text_of(subject.dockerfile, before), text_of(result, after) if after else ":")
        self.scripts = (script, ours)
        shell, self.options = _shell(subject, before)
        dash = shell in ("", "/bin/sh", "sh") and not _is_native(subject, before)
        self.echo = ("-O", "xpg_echo") if dash else ()
        self.values = subject.graph.scope.at(before)
        self.matcher = Matcher(
            subject.dockerfile.source.text,
            upstream_side(script, assembled, before.span),
            result_side(ours, assembled, within),
            Explainer(subject.packages, subject.platform),
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
        symbols, shipped = (dict(each) for each in self._settings_of())
        settings = settings_for(self.texts[0], symbols, shipped)
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
                        fresh.append((failing(pair[0], lines[0]), failing(pair[1], lines[1])))
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

    def _settings_of(self) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
        """The variables that the RUN is given: each standing for itself, and as they are."""
        own = self.scripts[0].assigned - self.subject.graph.scope.declared(self.pair.before)
        read = {
            each.name for script in self.scripts for each in script.reads if each.name not in own
            and may_be_given(each.name)
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
            "\n".join([f"where {described(setting)}:", *lists]),
        )  # fmt: skip

    def _finding(self, rule: Rule, severity: Severity, message: str, help: str) -> Diagnostic:
        stage = self.subject.dockerfile.stage_of(self.pair.before)
        return Diagnostic(
            rule=rule, severity=severity, message=message, help=help or None,
            source=self.subject.dockerfile.source, span=self.pair.before.keyword_span,
            context=f"stage {stage.label}" if stage else "",
        )  # fmt: skip


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
