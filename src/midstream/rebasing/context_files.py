"""Files of ours that a build uses in the place of upstream's, without touching upstream's checkout.

They are a build context of their own beside upstream's, so that the checkout stays clean: vLLM's
version comes from git, and a changed file would make it another. What takes such a file from
upstream's context is told to take it from ours: `COPY --from=midstream-files`, `from=` of a mount.
A builder is given the folder under that name (`--build-context`), and fails without it.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from midstream.assumptions.script_with_apt import find_scripts
from midstream.diagnostic import Diagnostic, Rule, Severity
from midstream.dockerfile.arguments import mounts, transfer
from midstream.dockerfile.shell import called_scripts
from midstream.dockerfile.variables import expand
from midstream.edit import Edit
from midstream.errors import UsageError
from midstream.overlay.model import Effect
from midstream.overlay.template import render
from midstream.overlay.verbs import Insertion, Touch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from midstream.dockerfile.arguments import Mount
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.overlay.model import ContextFile, Overlay
    from midstream.source import Source, Span
    from midstream.ubi.subject import Subject

UNUSED_FILE = Rule(
    "MS528",
    "file-not-used",
    """\
**What it says.** `files:` has a file of ours for a path of the build context, and nothing that
ships takes that path from there; or upstream has no such file (any more).

**Why it matters.** The build would go on with something else, and nobody would see it.

**The way out.** Mend the path, or take the entry out. A fragment of ours takes the file itself with
`COPY --from=midstream-files PATH …`.
""",
)
RULES = (UNUSED_FILE,)

CONTEXT = "midstream-files"


@dataclass
class Placed:
    """What makes the result take our files."""

    edits: list[Edit] = field(default_factory=list)
    insertions: list[Insertion] = field(default_factory=list)
    touches: list[Touch] = field(default_factory=list)
    found: list[Diagnostic] = field(default_factory=list)


def text_of(file: ContextFile, values: Mapping[str, Any], upstream: Source | None) -> str:
    """A file's text: ours, or `upstream` with the texts swapped. Raises `UsageError`.

    Only a file that is called `.j2` is filled in: shell has marks of its own.
    """
    if file.text is None:
        return _swapped(file, upstream.text if upstream else "")
    if file.text.source.name.endswith(".j2"):
        return render(file.text, values)
    return file.text.source.text


def _swapped(file: ContextFile, text: str) -> str:
    for old, new in file.swaps:
        if old not in text:
            raise UsageError(
                f"`{old}` stands nowhere in upstream's {file.path}",
                help=f"mend `files: {{{file.path}: {{swap: …}}}}`, or take it out",
                diagnostics=[_unused(file, f"`{old}` stands nowhere in `{file.path}`")],
            )
        text = text.replace(old, new)
    return text


def place_files(
    subject: Subject, overlay: Overlay, texts: Mapping[str, str], ours: str, missing: frozenset[str]
) -> Placed:
    """Point everything that takes one of the files at our context.

    `texts` are the files' by path, `ours` all text that the overlay itself puts into the result,
    and `missing` the paths that upstream doesn't have.
    """
    placed = Placed()
    for file in overlay.files.values():
        before = len(placed.touches)
        _Placer(subject, file, texts[file.path], placed).place()
        if file.path in missing:
            placed.found.append(_unused(file, f"upstream has no `{file.path}`"))
        elif len(placed.touches) == before and not (CONTEXT in ours and file.path in ours):
            placed.found.append(_unused(file, f"nothing that ships takes `{file.path}`"))
    return placed


def _unused(file: ContextFile, message: str) -> Diagnostic:
    return Diagnostic(
        rule=UNUSED_FILE,
        severity=Severity.ERROR,
        message=message,
        source=file.place.source,
        span=file.place.span,
        help="mend the path, or take the entry out",
    )


@dataclass
class _Placer:
    """One file on its way into the result."""

    subject: Subject
    file: ContextFile
    text: str
    placed: Placed
    wanted_in_folders: bool = True

    def place(self) -> None:
        callers = self._callers()
        for stage, instruction in self.subject.live_instructions():
            if stage is None or self.subject.is_claimed(instruction.keyword_span):
                continue
            # A whole checkout that a stage copies stays as it is where nobody runs the script: its
            # version comes from git, which would see a changed file.
            self.wanted_in_folders = not callers or self._is_below(stage, callers)
            if instruction.keyword in ("COPY", "ADD") and instruction.flag("from") is None:
                self._copied(instruction)
            elif instruction.keyword == "RUN":
                for mount in mounts(self.subject.dockerfile, instruction):
                    if mount.type == "bind" and mount.get("from") is None:
                        self._mounted(instruction, mount)

    def _callers(self) -> frozenset[int]:
        """The stages in which the file is run as a script; none where it is something else."""
        subject = self.subject
        return frozenset(
            stage.index
            for stage in subject.live_stages
            for instruction in stage.instructions
            for word in called_scripts(subject.script(instruction))
            if self.file.path in [each.name for each in find_scripts(subject, word.value)]
        )

    def _is_below(self, stage: Stage, callers: frozenset[int]) -> bool:
        """Whether one of the stages is this one, or FROM it."""
        return any(stage.index in self.subject.graph.lineage(each) for each in callers)

    # --- COPY, ADD ---

    def _copied(self, instruction: Instruction) -> None:
        found = transfer(self.subject.dockerfile, instruction)
        destination = found.destination.text if found.destination else ""
        for item in found.sources:
            inner = _inside(self._filled(instruction, item.text), self.file.path)
            if inner is None or item.text.startswith("<<"):
                continue
            if inner == "" and len(found.sources) == 1 and "*" not in item.text:
                self._redirect(instruction)
            elif self.wanted_in_folders or not inner:
                whole = inner or posixpath.basename(self.file.path)
                self._copy_after(instruction, posixpath.join(destination, whole))
            return

    def _redirect(self, instruction: Instruction) -> None:
        """The instruction takes the file alone, so it takes ours as it is."""
        flags = f" --from={CONTEXT}{self._mode(instruction)}"
        keyword = instruction.keyword_span
        if instruction.keyword == "ADD":
            self._change(keyword, f"COPY{flags}")
        else:
            self._change(type(keyword)(keyword.end, keyword.end), flags)
        self._touch(instruction)

    def _copy_after(self, instruction: Instruction, destination: str) -> None:
        """The instruction takes more than the file, so ours is put over it."""
        owner = instruction.flag("chown")
        kept = f" --chown={owner.value}" if owner else ""
        said = f"COPY --from={CONTEXT}{kept}{self._mode(instruction)}"
        line = f"{said} {self.file.path} {destination}\n"
        text = self.subject.dockerfile.source.text
        if text[instruction.span.end - 1] != "\n":
            line = f"\n{line}"
        self.placed.insertions.append(
            Insertion(instruction.span.end, line, self.file.name, self.file.why)
        )
        self._touch(instruction)

    def _mode(self, instruction: Instruction) -> str:
        """Git and archives lose modes; a script that is run by its name must have its bit."""
        is_script = self.text.startswith("#!")
        return " --chmod=0755" if is_script and instruction.flag("chmod") is None else ""

    # --- mounts ---

    def _mounted(self, instruction: Instruction, mount: Mount) -> None:
        inner = _inside(self._filled(instruction, mount.source or "."), self.file.path)
        if inner is None:
            return
        end = type(mount.span)(mount.span.end, mount.span.end)
        if inner == "":
            self._change(end, f",from={CONTEXT}")
        elif not self.wanted_in_folders:
            return
        else:
            target = posixpath.join(mount.target or "", inner)
            self._change(
                end, f" --mount=type=bind,from={CONTEXT},source={self.file.path},target={target}"
            )
        self._touch(instruction)

    # --- both ---

    def _filled(self, instruction: Instruction, written: str) -> str:
        scope = self.subject.graph.scope.at(instruction)
        return expand(written, scope, self.subject.dockerfile.escape).text

    def _change(self, span: Span, text: str) -> None:
        self.placed.edits.append(Edit(span, text, self.file.name, self.file.why))

    def _touch(self, instruction: Instruction) -> None:
        touch = Touch(instruction, Effect.EDITED, self.file.name, self.file.why)
        self.placed.touches.append(touch)


def _inside(source: str, path: str) -> str | None:
    """Where a file stands in what a source of a COPY or a mount takes: "" where it is the file
    itself, None where it isn't in there."""
    wanted = posixpath.normpath(source.lstrip("/"))  # "." for nothing
    if wanted == ".":
        return path
    for taken in _above(path):
        if _matches(wanted, taken):
            return posixpath.relpath(path, taken) if taken != path else ""
    return None


def _above(path: str) -> Iterator[str]:
    """A path and the folders that it stands in, nearest first."""
    while path:
        yield path
        path = posixpath.dirname(path)


def _matches(pattern: str, path: str) -> bool:
    """Go's filepath.Match: a star never reaches over a `/`."""
    parts, names = pattern.split("/"), path.split("/")
    return len(parts) == len(names) and all(map(fnmatchcase, names, parts))
