"""A user created twice in one lineage: upstream's own and a fragment's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.assumptions.places import finding
from midstream.diagnostic import Rule
from midstream.dockerfile.users import created
from midstream.ubi.survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.commands import Command, Script
    from midstream.ubi.subject import Subject

NAME = "duplicate-user"

TWICE = Rule(
    "MS308",
    NAME,
    """\
**What it says.** A user's name or number is created twice in one lineage, or the base image has it:
`ubi9/python-312` has the user `default` with the number 1001.

**Why it matters.** `useradd` fails for a name or number that is there ("already exists"); with
`--non-unique` two users own one set of files.

**The way out.** Take one of the two out: drop upstream's with an edit, or leave our fragment out.
Where it is the image's, use that one, or choose another number.
""",
)
RULES = (TWICE,)


def check(subject: Subject) -> Iterator[Diagnostic]:
    """The second creation of each user, in each lineage."""
    for stage in subject.live_stages:
        known: dict[str, Command | None] = dict.fromkeys(_inherited(subject, stage.index))
        for instruction in stage.instructions:
            script = subject.script(instruction)
            for command in script.commands:
                users = created(command)
                double = [each for each in users if each in known]
                if double and not _is_meant(script, known[double[0]], command):
                    own = double[0] in _of_base(subject, stage.index)
                    yield finding(
                        subject, stage, TWICE, command.span,
                        f"the user `{double[0]}` is there already" + " in the image" * own,
                        "use the image's user, or choose another number, with an edit" if own
                        else "take one of the two creations out, with an edit",
                    )  # fmt: skip
                known.update(dict.fromkeys(users, command))


LOOKING = frozenset(("getent", "grep", "id"))


def _is_meant(script: Script, first: Command | None, second: Command) -> bool:
    """Whether the text reckons with a user that is there: another branch of one `if`, a look
    before (`id app || useradd app`), or a failure that is taken (`|| true`)."""
    choices = {block for block in second.blocks if block.kind in ("if", "case")}
    if "||" in (second.before, second.after) or (first and choices & set(first.blocks)):
        return True
    looks = (each for each in script.commands if each.name in LOOKING)
    return any(choices & set(each.blocks) for each in looks)


def _inherited(subject: Subject, index: int) -> set[str]:
    """The users that a stage starts with."""
    line = subject.graph.lineage(index)
    known = users_of_image(subject, index)
    for parent in line[1:]:
        for instruction in subject.dockerfile.stages[parent].instructions:
            for command in subject.script(instruction).commands:
                known.update(created(command))
    return known


def users_of_image(subject: Subject, index: int) -> set[str]:
    root = subject.graph.root(index)
    sibling = subject.siblings.get(root.image or "")
    return set(sibling.users) if sibling else _of_base(subject, index)


def _of_base(subject: Subject, index: int) -> set[str]:
    """The user that a base image runs as, where it isn't root; Red Hat's call it `default`."""
    base = subject.platform.base_for(survey(subject)[index].image or "")
    return {base.user, "default"} if base is not None and base.user else set()


def users_at_end(subject: Subject, index: int) -> frozenset[str]:
    """The users that a stage has when it is done, by name and by number."""
    known = _inherited(subject, index)
    for instruction in subject.dockerfile.stages[index].instructions:
        for command in subject.script(instruction).commands:
            known.update(created(command))
    return frozenset(known)
