"""`/usr/bin/python3` repointed: dnf itself runs on it, so later installs would die."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding
from midstream.diagnostic import Rule
from midstream.dockerfile.shell import quote
from midstream.dockerfile.taking_out import Statements, take_out
from midstream.edit import Edit
from midstream.source import Span
from midstream.ubi.outcome import Outcome
from midstream.ubi.survey import stages_on_ubi, survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.commands import Command, Word
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.ubi.subject import Subject

NAME = "system-python"

REPOINTED = Rule(
    "MS303",
    NAME,
    """\
**What it says.** `/usr/bin/python3`, or a link beside it, is removed or pointed at another Python.

**Why it matters.** On EL dnf runs on `/usr/bin/python3`. With another one there, the next
`dnf install` fails with an import error.

**The way out.** Put the link into `/usr/local/bin`, which stands before `/usr/bin` on PATH.
midstream does so for `update-alternatives --install`, `--set` and `ln -s`, and takes dnf's Python
out of `rm`; anything else takes an edit.
""",
)
NO_ALTERNATIVE = Rule(
    "MS313",
    "no-alternative",
    """\
**What it says.** `update-alternatives` chooses between programs that EL names differently, such as
`/usr/bin/gcc-12`.

**Why it matters.** The path doesn't exist on EL, so the command fails, or the older compiler is
used without a word. EL brings newer compilers as `gcc-toolset-NN`, which is enabled in each RUN.

**The way out.** Replace the command with an edit of the overlay.
""",
)
DNFS_OWN = Rule(
    "MS319",
    "dnfs-python",
    """\
**What it says.** A command names `/usr/bin/python3`, and the overlay's Python is another version.

**Why it matters.** On Debian that is the distribution's Python, which upstream chose its release
for. On EL it is the older one that dnf runs on: an environment made from it has the wrong version,
and packages installed with it are found by nothing but dnf.

**The way out.** Name the version (`/usr/bin/python3.12`), or `python3` alone, with an edit.
""",
)
RULES = (REPOINTED, NO_ALTERNATIVE, DNFS_OWN)

_LINK = re.compile(r"/usr/bin/((?:python|pip)(?:3(?:\.\d+)?)?(?:-config)?)")
_DNFS = re.compile(r"/usr/bin/python3(?:\.\d+)?")
_NAME = re.compile(r"(?:python|pip)(?:3(?:\.\d+)?)?(?:-config)?")
_USED = re.compile(r"(?:.*[=:])?/usr/bin/python3")
_NOT_RUN = frozenset(
    ("ln", "cp", "mv", "install", "rm", "unlink", "update-alternatives", "alternatives", "ls",
     "test", "[", "[[", "echo", "printf", "readlink", "realpath")
)  # fmt: skip
_WHY = "dnf runs on /usr/bin/python3; /usr/local/bin stands before it on PATH"


def convert(subject: Subject) -> Outcome:
    """Links that would repoint dnf's Python go into /usr/local/bin."""
    return Outcome.merged(
        Outcome(tuple(_script(subject, instruction)))
        for stage in stages_on_ubi(subject)
        for instruction in stage.instructions
    )


def _script(subject: Subject, instruction: Instruction) -> Iterator[Edit]:
    script = subject.script(instruction)
    linked: set[str] = set()
    doomed: dict[Span, tuple[str, str]] = {}
    for command in script.commands:
        if subject.is_claimed(command.span):
            continue
        if command.name == "ln":
            yield from _link(command, doomed)
        elif command.name in ("rm", "unlink"):
            yield from _kept(command, doomed)
        elif command.name in ("update-alternatives", "alternatives"):
            words = [w.text for w in command.arguments]
            install = _after(words, "--install", 3)
            chosen = _after(words, "--set", 2)
            if install and (found := _LINK.fullmatch(install[0])):
                linked.add(install[1])
                yield _linked(command, install[2], found[1])
            elif chosen and chosen[0] in linked:
                doomed[command.span] = (NAME, "the link points there already")
            elif chosen and _NAME.fullmatch(chosen[0]):
                yield _linked(command, chosen[1], chosen[0])
    if doomed:
        yield from take_out(subject.dockerfile, instruction, Statements(script), doomed)


def _after(words: list[str], option: str, count: int) -> list[str]:
    """The `count` words behind an option; none where there are fewer."""
    if option not in words:
        return []
    values = words[words.index(option) + 1 :][:count]
    return values if len(values) == count else []


def _linked(command: Command, target: str, name: str) -> Edit:
    text = f"ln -sf {target} /usr/local/bin/{name}"
    # The words are taken as they stand, so what quotes them holds already.
    return Edit(command.core, text, NAME, _WHY)


def _link(command: Command, doomed: dict[Span, tuple[str, str]]) -> Iterator[Edit]:
    last = _destination(command)
    found = _LINK.fullmatch(last.value) if last else None
    if last is None or found is None:
        return
    ours = f"/usr/local/bin/{found[1]}"
    if any(word.value == ours for word in command.arguments):
        doomed[command.span] = (NAME, "what it leads to stands in /usr/local/bin already")
    else:
        yield Edit(last.span, quote(ours, command.quoting), NAME, _WHY)


def _kept(command: Command, doomed: dict[Span, tuple[str, str]]) -> Iterator[Edit]:
    """Leave dnf's Python where it is; the link that takes its place stands in /usr/local/bin."""
    words = [command.program, *command.arguments]
    files = [w for w in command.arguments if not w.value.startswith("-")]
    ours = [w for w in files if _DNFS.fullmatch(w.value)]
    if ours and len(ours) == len(files):
        doomed[command.span] = (NAME, _WHY)
        return
    for word in ours:
        before = words[words.index(word) - 1]
        if before is not None:
            yield Edit(Span(before.span.end, word.span.end), "", NAME, _WHY)


def _destination(command: Command) -> Word | None:
    words = [w for w in command.arguments if not w.value.startswith("-")]
    return words[-1] if len(words) == 2 else None


def check(subject: Subject) -> Iterator[Diagnostic]:
    """What still repoints a system Python, or chooses among Debian's compilers."""
    for stage in stages_on_ubi(subject):
        for instruction in stage.instructions:
            for command in subject.script(instruction).commands:
                if command.name in ("update-alternatives", "alternatives"):
                    python = any(
                        _LINK.fullmatch(w.value) or _NAME.fullmatch(w.value)
                        for w in command.arguments
                    )
                    yield finding(
                        subject, stage, REPOINTED if python else NO_ALTERNATIVE, command.core,
                        "dnf runs on this Python" if python
                        else "EL names these programs differently",
                        "replace the command with an edit of the overlay",
                    )  # fmt: skip
                for word in _used(subject, stage, command):
                    yield finding(
                        subject, stage, DNFS_OWN, word.span,
                        "`/usr/bin/python3` is dnf's Python, not the overlay's "
                        f"{subject.python.version}",
                        f"name /usr/bin/python{subject.python.version}, or `python3`, with an edit",
                    )  # fmt: skip
                for word in _repointed(command):
                    yield finding(
                        subject, stage, REPOINTED, word.span,
                        f"`{word.value}` is dnf's; later installs would fail",
                        "leave it, and put yours into /usr/local/bin",
                    )  # fmt: skip


def _used(subject: Subject, stage: Stage, command: Command) -> Iterator[Word]:
    """The words that have dnf's Python run, where it isn't the one that the overlay wants."""
    image = survey(subject)[stage.index].image or ""
    base = subject.platform.base_for(image)
    dnfs = base.python if base is not None else None
    if dnfs in (None, subject.python.version) or not subject.python.version:
        return
    if command.name in _NOT_RUN:
        return
    for word in (command.program, *command.arguments):
        if word is not None and _USED.fullmatch(word.value):
            yield word


def _repointed(command: Command) -> Iterator[Word]:
    """The words that name a Python of dnf's which is overwritten or removed."""
    files = [w for w in command.arguments if not w.value.startswith("-")]
    if command.name in ("ln", "cp", "mv", "install"):
        yield from (w for w in files[1:][-1:] if _LINK.fullmatch(w.value))
    elif command.name in ("rm", "unlink"):
        yield from (w for w in files if _DNFS.fullmatch(w.value))
