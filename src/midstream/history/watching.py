"""What an overlay keeps an eye on in upstream's text: what it replaces, and what it reviews."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.assumptions.script_with_apt import find_scripts
from midstream.dockerfile import fingerprint
from midstream.dockerfile.shell import called_script, called_scripts
from midstream.edit import Edit
from midstream.history.decisions import GONE, KEYED, LAST_COUNTS, Watched
from midstream.overlay.model import Drop, Effect, Replace
from midstream.overlay.select import select
from midstream.overlay.verbs import Touch
from midstream.ubi.tables import without_tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from midstream.dockerfile.commands import Command
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.history.decisions import Decisions
    from midstream.overlay.model import Address, Overlay, OverlayEdit
    from midstream.overlay.verbs import Wanted
    from midstream.ubi.subject import Subject
    from midstream.upstream.origin import Origin

DECISION = "decision"
_STARTS = frozenset(("CMD", "ENTRYPOINT", "USER"))  # what an image is run with


def edited(overlay: Overlay, subject: Subject, stage: Stage, wanted: Wanted) -> dict[str, Watched]:
    """By the id of each edit that replaces or drops: all that it does away with."""
    found = {}
    for edit in overlay.edits:
        if not isinstance(edit.verb, Replace | Drop):
            continue
        touched = [touch.instruction for touch in wanted.touches if touch.id == edit.id]
        if touched:
            texts = _commands(subject, stage, edit.at, whole=edit.verb.whole)
            texts = texts or [_with_scripts(subject, each) for each in touched]
            mark = fingerprint.of_all(texts)
            found[edit.id] = Watched(mark, touched[0].keyword_span, touched[0], edit)
    return found


def mark_of(subject: Subject, stage: Stage, edit: OverlayEdit) -> str | None:
    """The fingerprint of all that an edit finds in a text, to compare with that of another one;
    None where it finds nothing, and for one that does away with nothing."""
    if not isinstance(edit.verb, Replace | Drop):
        return None
    texts = _commands(subject, stage, edit.at, whole=edit.verb.whole)
    found = [each.instruction for each in select(subject, stage, edit.at)]
    texts = texts or [_with_scripts(subject, each) for each in found]
    return fingerprint.of_all(texts) if texts else None


def scripts_of(subject: Subject, stage: Stage, edit: OverlayEdit) -> tuple[str, ...]:
    """The paths of the scripts that are called where an edit finds something."""
    scripts = (subject.script(each.instruction) for each in select(subject, stage, edit.at))
    words = [word for each in scripts for word in called_scripts(each)]
    found = [source.name for word in words for source in find_scripts(subject, word.value)]
    return tuple(dict.fromkeys(found))


def _commands(subject: Subject, stage: Stage, at: Address, *, whole: bool) -> list[str]:
    """The commands that an edit does away with, where it takes no more than them: what else
    changes in the instruction is upstream's, and comes along."""
    if whole or at.whole_stage:
        return []
    found = [match.command for match in select(subject, stage, at)]
    return [_with_its_scripts(subject, each) for each in found if each is not None]


def _with_its_scripts(subject: Subject, command: Command) -> str:
    """A command's words with the text of a script that it runs."""
    texts = [" ".join(word.text for word in command.words)]
    word = called_script(command)
    if word is not None:
        texts += [source.text for source in find_scripts(subject, word.value)]
    return "\0".join(texts)


def replaced_files(overlay: Overlay, origin: Origin, wanted: Wanted) -> dict[str, Watched]:
    """By the name of each of our files: upstream's text that it takes the place of."""
    found = {}
    for path, file in overlay.files.items():
        source = origin.find(path)
        taken = [touch.instruction for touch in wanted.touches if touch.id == file.name]
        if source is not None and taken:
            mark = fingerprint.of_text(source.text)
            found[file.name] = Watched(mark, taken[0].keyword_span, taken[0], file)
    return found


def _with_scripts(subject: Subject, instruction: Instruction) -> str:
    """An instruction's meaning with that of the scripts that it calls."""
    texts = [fingerprint.meaning(subject.dockerfile, instruction)]
    for word in called_scripts(subject.script(instruction)):
        texts += [source.text for source in find_scripts(subject, word.value)]
    return "\0".join(texts)


def reviewed(overlay: Overlay, subject: Subject, stage: Stage) -> dict[str, Watched]:
    """By what people call it: what a `review:` looks at, and the repository of each base."""
    found: dict[str, Watched] = {}
    for review in overlay.review:
        for match in select(subject, stage, review.at):
            text = fingerprint.meaning(subject.dockerfile, match.instruction)
            name = _name(match.stage, match.instruction, text)
            # Of an ENV only a new name asks: a value that moves is taken, and reported.
            mark = fingerprint.of_text(name if match.instruction.keyword in KEYED else text)
            name = _free(name, found)
            found[name] = Watched(mark, match.instruction.keyword_span, match.instruction)
    for each in subject.live_stages:
        base = subject.graph.base(each.index)
        if base.image in (None, "scratch") or base.image in subject.siblings:
            continue
        repository = without_tag(base.image or "")
        mark = fingerprint.of_text(repository)
        found[f"{each.label} / FROM"] = Watched(mark, base.span, each.origin)
    found.update(_taken_from(subject))
    return found


def _taken_from(subject: Subject) -> Iterator[tuple[str, Watched]]:
    """The repository of each image that files are taken from: they were built for its system."""
    for stage in subject.live_stages:
        for arrow in subject.graph.needs(stage.index)[1:]:
            if arrow.image not in (None, "scratch") and arrow.image not in subject.siblings:
                repository = without_tag(arrow.image or "")
                said = f"--from {repository}"  # to be a base is something else
                mark = fingerprint.of_text(said)
                yield f"{stage.label} / {said}", Watched(mark, arrow.span, arrow.instruction)


def gone(
    known: Decisions | None, review: Mapping[str, Watched], stage: Stage, *, same_text: bool
) -> dict[str, Watched]:
    """What an image has one of, and lost: a text that was decided about, and stands nowhere now.

    Where upstream didn't move, only what was known to be gone still is: else it is the overlay
    that reviews less.
    """
    found = {}
    for name, mark in (known.review if known else {}).items():
        kind = name.partition(" / ")[2]
        if name in review or kind.partition(" ")[0] not in _STARTS or (same_text and mark != GONE):
            continue
        moved = (
            each.fingerprint
            for label, each in review.items()
            if (known and label not in known.review)
            or label.partition(" #")[0] == name.partition(" #")[0]
        )
        if mark not in moved:
            found[name] = Watched(GONE, stage.origin.keyword_span, stage.origin)
    return found


def _free(name: str, taken: Mapping[str, Watched]) -> str:
    """The name, with a number behind it where it is taken."""
    number = 1
    free = name
    while free in taken:
        number += 1
        free = f"{name} #{number}"
    return free


def _name(stage: Stage | None, instruction: Instruction, text: str) -> str:
    """`final / ENV HF_HOME`."""
    label = stage.label if stage else "@global"
    body = text.split("\n")[-1]
    if instruction.keyword in LAST_COUNTS:
        return f"{label} / {instruction.keyword}"  # the last one counts, so the kind is its name
    keyed = instruction.keyword in KEYED
    names = re.findall(r"(?:^|\s)([A-Za-z_]\w*)=", body) if keyed else []
    said = " ".join(names) if names else body[:60]
    return f"{label} / {instruction.keyword} {said}".rstrip()


def drop_as_decided(wanted: Wanted, known: Decisions | None, review: Mapping[str, Watched]) -> None:
    """Take out what a person decided to drop, while it says what it said then."""
    for name, given in (known.answers if known else {}).items():
        found = review.get(name)
        if given.answer == "drop" and found is not None and found.fingerprint == given.fingerprint:
            wanted.edits.append(Edit(found.instruction.span, "", DECISION, given.why))
            touch = Touch(found.instruction, Effect.DROPPED, DECISION, given.why)
            wanted.touches.append(touch)
