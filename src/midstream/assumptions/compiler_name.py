"""A compiler called by Debian's name for one version: `gcc-12`, `/usr/bin/g++-15`, `clang-18`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding, occurrences
from midstream.diagnostic import Rule
from midstream.dockerfile.arguments import pairs
from midstream.ubi.survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.model import Instruction
    from midstream.source import Span
    from midstream.ubi.subject import Subject

NAME = "compiler-name"

NUMBERED = Rule(
    "MS317",
    NAME,
    """\
**What it says.** A compiler or a tool of LLVM is called `gcc-12`, `/usr/bin/g++-15`, `clang-18` or
the like, in a variable or as a command; or one of Debian's folders `/usr/lib/llvm-18` is named.

**Why it matters.** Debian has a program of that name for each version. EL hasn't: the system's is
`gcc`, and a newer one is a toolset, whose programs have no number in their names; LLVM's are in
/usr/bin, in one version. A build that takes `CC` fails, or goes on with another compiler.

**The way out.** Call it `gcc` with an edit: `set: {CC: gcc, CXX: g++}`. A toolset comes first on
PATH where midstream enables it.
""",
)
RULES = (NUMBERED,)

_NUMBERED = re.compile(
    r"(?:/usr/bin/)?(?:gcc|g\+\+|gfortran|cpp|clang|clang\+\+|lld|ld\.lld|clang-(?:format|tidy)"
    r"|llvm-(?:ar|config|cov|link|nm|objcopy|objdump|profdata|ranlib|strip))-\d+"
)
_LLVM = re.compile(r"/usr/lib/llvm-\d+(?![\w.-])")


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Such names in ENV and ARG, in a RUN's variables, and as commands."""
    footings = survey(subject)
    for stage, instruction in subject.live_instructions():
        if stage is None or footings[stage.index].manager is None:
            continue
        for name, span in _names(subject, instruction):
            yield finding(
                subject, stage, NUMBERED, span, f"EL has no program called `{name}`",
                "call it by its plain name with an edit, as in set: {CC: gcc, CXX: g++}",
            )  # fmt: skip
    for stage, _, span in occurrences(subject, _LLVM):
        if stage is not None and footings[stage.index].manager is not None:
            folder = subject.dockerfile.text(span)
            yield finding(
                subject, stage, NUMBERED, span,
                f"`{folder}` is Debian's; EL has LLVM's programs in /usr/bin, without a number",
                f'swap it with an edit: swap: ["{folder}/bin", /usr/bin]',
            )  # fmt: skip


def _names(subject: Subject, instruction: Instruction) -> Iterator[tuple[str, Span]]:
    if instruction.keyword in ("ENV", "ARG"):
        for pair in pairs(subject.dockerfile, instruction):
            value = (pair.value or "").strip("\"'")
            if pair.value_span is not None and _NUMBERED.fullmatch(value):
                yield value, pair.value_span
    if instruction.keyword != "RUN":
        return
    script = subject.script(instruction)
    for each in script.assignments:
        if each.value is not None and _NUMBERED.fullmatch(each.value.value):
            yield each.value.value, each.value.span
    for command in script.commands:
        if command.program is not None and _NUMBERED.fullmatch(command.program.value):
            yield command.program.value, command.program.span
