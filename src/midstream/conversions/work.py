"""What is collected about one instruction while its commands are converted, one by one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from midstream.diagnostic import Diagnostic, Rule, Severity
from midstream.dockerfile.shell import quote
from midstream.dockerfile.taking_out import Statements, take_out
from midstream.edit import Edit
from midstream.source import Span
from midstream.ubi.outcome import Outcome

if TYPE_CHECKING:
    from midstream.dockerfile.commands import Block, Command, Script, Word
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.ubi.subject import Footing, Subject

NO_TRANSLATION = Rule(
    "MS205",
    "no-translation",
    """\
**What it says.** A command of Debian's has no safe counterpart: a pinned version, a release, a
local `.deb`, a foreign repository or key, a question to dpkg.

**Why it matters.** A guess would install something else. What midstream can't translate stays as it
was, and nothing is written.

**The way out.** Replace the command or the RUN with an edit in the overlay, with the reason.
""",
)
EDIT_IT = "replace this command with an edit of the overlay"


@dataclass
class Work:
    """One instruction of a stage that stands on UBI.

    `enabled` are the repositories that are set up by then; it is shared along the stage.
    `refused` says that something of apt's stays: then what only serves it stays too.
    `uncleaned` are the constructs around the last install that no `clean` has followed.
    """

    subject: Subject
    stage: Stage
    instruction: Instruction
    footing: Footing
    enabled: set[str]
    edits: list[Edit] = field(default_factory=list)
    found: list[Diagnostic] = field(default_factory=list)
    refused: bool = False
    uncleaned: tuple[Block, ...] | None = None
    _doomed: dict[Span, tuple[str, str]] = field(default_factory=dict)
    _serving_edits: list[Edit] = field(default_factory=list)
    _serving: dict[Span, tuple[str, str]] = field(default_factory=dict)

    @property
    def script(self) -> Script:
        return self.subject.script(self.instruction)

    @property
    def text(self) -> str:
        """The whole Dockerfile's text."""
        return self.subject.dockerfile.source.text

    @property
    def manager(self) -> str:
        return self.footing.manager or "dnf"

    @property
    def native(self) -> bool:
        """Whether the stage stands on a UBI image in upstream's text already."""
        image = self.subject.graph.root(self.stage.index).image
        return image is not None and self.subject.platform.base_for(image) is not None

    def report(
        self, rule: Rule, span: Span, message: str, help: str, severity: Severity = Severity.ERROR
    ) -> None:
        self.found.append(
            Diagnostic(
                rule=rule, severity=severity, message=message,
                source=self.subject.dockerfile.source, span=span, help=help,
                context=f"stage {self.stage.label}",
            )
        )  # fmt: skip

    def refuse(self, span: Span, message: str, help: str = EDIT_IT) -> None:
        """Leave something as it is, and say so."""
        self.refused = True
        self.report(NO_TRANSLATION, span, message, help)

    def edit(self, span: Span, text: str, rule: str, why: str, *, serves: bool = False) -> None:
        """`serves` marks what is changed only where nothing of apt's stays."""
        (self._serving_edits if serves else self.edits).append(Edit(span, text, rule, why))

    def doom(
        self, statement: Command | Block, rule: str, why: str, *, serves: bool = False
    ) -> None:
        """Take a command or construct out. `serves` as for `edit`."""
        (self._serving if serves else self._doomed)[statement.span] = (rule, why)

    def is_gone(self, span: Span, *, serving: bool = False) -> bool:
        """Whether a place lies in something that is taken out; `serving`: even if only then."""
        places = [*self._doomed, *(self._serving if serving else ())]
        return any(span in doomed for doomed in places)

    def outcome(self) -> Outcome:
        doomed, edits = dict(self._doomed), list(self.edits)
        if not self.refused:
            doomed |= self._serving
            edits += self._serving_edits
        if doomed:
            edits = [e for e in edits if not any(e.span in span for span in doomed)]
            statements = Statements(self.script)
            edits += take_out(self.subject.dockerfile, self.instruction, statements, doomed)
        edits = self._without_nothing(sorted(set(edits)))
        clash = next((b for a, b in pairwise(edits) if _clash(a, b)), None)
        if clash is not None:
            self.refuse(clash.span, "two changes meet here, and midstream makes neither")
            edits = []
        return Outcome(tuple(edits), tuple(self.found))

    def _without_nothing(self, edits: list[Edit]) -> list[Edit]:
        """A RUN of which only `:` would be left goes as a whole."""
        whole = self.instruction
        if len(edits) != 1 or whole.heredocs or whole.keyword != "RUN":
            return edits
        comments, _, last = edits[0].text.rpartition("\n")
        if last.strip() not in (":", "true"):
            return edits
        only = self.script.commands[0].core if whole.json is not None else whole.arguments
        left = self.text[only.start : edits[0].span.start] + self.text[edits[0].span.end : only.end]
        if left.strip():
            return edits
        kept = [f"{line}\n" for line in comments.split("\n") if line.lstrip().startswith("#")]
        return [Edit(whole.span, "".join(kept), edits[0].rule, edits[0].why)]


def _clash(first: Edit, second: Edit) -> bool:
    return second.span.start < first.span.end or second.span.start == first.span.start


def is_exec(command: Command) -> bool:
    """Whether its words are the strings of an exec form, with no shell around them."""
    return command.quoting == "json" and not any(b.kind.endswith(" -c") for b in command.blocks)


def written(command: Command, *words: str) -> str:
    """Words as they must stand where `command` stands."""
    if is_exec(command):
        return '", "'.join(json.dumps(word)[1:-1] for word in words)
    return quote(" ".join(words), command.quoting)


def words_only(command: Command, span: Span) -> bool:
    """Whether no redirection stands in a part of a command that is to be overwritten."""
    return not any(each.span.overlaps(span) for each in command.redirections)


def cut_word(work: Work, command: Command, word: Word) -> Span:
    """What to delete to take out a word: it, and the blanks up to what stands before it."""
    before = [w.span.end for w in command.words if w.span.end <= word.span.start]
    before += [r.span.end for r in command.redirections if r.span.end <= word.span.start]
    before += [a.span.end for a in command.assignments if a.span.end <= word.span.start]
    start = max(before, default=word.span.start)
    between = work.text[start : word.span.start]
    if "#" in between:  # a comment in between stays
        start = word.span.start - (len(between) - len(between.rstrip(" \t")))
    return Span(start, word.span.end)
