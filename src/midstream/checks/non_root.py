"""The shipped image doesn't run as root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.diagnostic import Rule
from midstream.dockerfile.variables import expand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.checks.view import View
    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.model import Instruction

NAME = "non-root"

ROOT = Rule(
    "MS356",
    NAME,
    """\
**What it says.** The shipped stage runs as root, or as a user whose number can't be told.

**Why it matters.** OpenShift runs an image under a number of its own and checks `runAsNonRoot`
against a number: a name can't be checked, and root is refused.

**The way out.** At the end of "@ship", make a user of group 0 (`useradd --uid 2000 --gid 0 …`) that
may write where the image has to, and end with `USER 2000`. An image that is only built from may
waive this rule, with that reason.

**Source.** preflight's `RunAsNonRoot`.
""",
)
RULES = (ROOT,)


def check(view: View) -> Iterator[Diagnostic]:
    """The last USER of the shipped lineage, if it is root's, a name, or isn't there."""
    last = None
    for _, instruction in view.shipped():
        if instruction.keyword == "USER":
            last = instruction
    user = _user(view, last) if last else "root, as its base says"
    if user.isdecimal() and int(user) > 0:
        return
    span = last.arguments if last else view.ship.origin.keyword_span
    yield view.finding(
        ROOT, span, f"the shipped image runs as `{user}`",
        'make a user of group 0 at the end of "@ship", and switch to its number: USER 2000',
        stage=view.ship,
    )  # fmt: skip


def _user(view: View, instruction: Instruction) -> str:
    """The user without the group, with the variables filled in that have a value."""
    values = view.subject.graph.scope.at(instruction)
    text = expand(instruction.value.strip(), values, view.subject.dockerfile.escape).text
    return text.partition(":")[0] or instruction.value.strip()
