"""Values that upstream moved, old to new: in the Dockerfile, and in the files that it goes by.

Only what the shipped stages read: their own instructions, the scripts that these run, the
requirements files that these name, what upstream's release build and its bake files pass to them,
and what the overlay reads as a fact. One value is one row, however many places give it.
"""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from midstream.assumptions.script_with_apt import find_scripts
from midstream.diagnostic import counted
from midstream.dockerfile.arguments import mounts, pairs, transfer
from midstream.dockerfile.pinned import VERSION, given, in_url
from midstream.dockerfile.shell import called_scripts
from midstream.history.movement import Answer
from midstream.overlay.facts import FactMissing, read_fact
from midstream.ubi.tables import glob, without_tag
from midstream.upstream import bake
from midstream.upstream.release_arguments import PIPELINE, passed_to
from midstream.upstream.requirements import read_requirements, with_included

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from midstream.dockerfile.model import Dockerfile, Instruction, Stage
    from midstream.dockerfile.pinned import Given
    from midstream.history.movement import Change
    from midstream.overlay.model import Overlay
    from midstream.source import Source
    from midstream.ubi.subject import Subject
    from midstream.upstream.origin import Earlier, Origin
    from midstream.upstream.snapshot import Snapshot


class Moved(Struct, frozen=True):
    """A value that upstream moved. `old` or `new` is empty where it came, or went.

    `file` and `line` are where it stands now (where it stood, for one that went); `also` are the
    other files in which the same value moved.
    """

    name: str
    old: str
    new: str
    file: str
    line: int
    also: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """`0.6.1 -> 0.7.0`, `new: 0.7.0`, or `gone: 0.6.1`."""
        if not self.old:
            return f"new: {self.new}"
        return f"{self.old} -> {self.new}" if self.new else f"gone: {self.old}"


class Value(Struct, frozen=True):
    """A value as one text gives it."""

    key: tuple[str, ...]
    name: str
    value: str
    line: int


def moved(
    earlier: Earlier | None,
    before: Subject | None,
    changes: Iterable[Change],
    subject: Subject,
    stage: Stage,
    origin: Origin,
    overlay: Overlay,
    requirements: Mapping[str, Source],
) -> tuple[Moved, ...]:
    """Every value that moved since then, each once, by file. `before` is upstream's text as it was,
    or None where it is the same; `requirements` are the files that are read now."""
    if earlier is None:
        return ()
    was = before or subject
    rows = list(_in_dockerfile(was, changes, subject))
    then, now = earlier.snapshot, origin.snapshot
    if then is not None and now is not None:
        rows += _in_files(then, now, subject, overlay, requirements)
        rows += _passed(then, now, was.dockerfile, subject.dockerfile, stage, overlay)
        rows += _baked(then, now, subject, stage)
        rows += _read_by_overlay(then, now, subject.dockerfile, overlay)
    return _each_once(rows)


def _each_once(rows: Iterable[Moved]) -> tuple[Moved, ...]:
    found: dict[tuple[str, str, str], Moved] = {}
    for row in rows:
        if row.old == row.new:
            continue
        key = (row.name.lower(), _bare(row.old), _bare(row.new))
        first = found.setdefault(key, row)
        if row.file not in (first.file, *first.also):
            found[key] = replace(first, also=(*first.also, row.file))
    files = list(dict.fromkeys(row.file for row in found.values()))
    return tuple(sorted(found.values(), key=lambda row: (files.index(row.file), row.line)))


def _bare(value: str) -> str:
    return value.strip("\"'").removeprefix("==")


def counts(changes: Iterable[Change], facts: Iterable[Moved]) -> dict[Answer, int]:
    """How many instructions changed, by answer; where values alone moved, the values count."""
    found = dict.fromkeys(Answer, 0)
    for change in changes:
        found[change.answer] += change.answer is not Answer.FACT
    found[Answer.FACT] = len(list(facts))
    return found


def summary(changes: Iterable[Change], facts: Iterable[Moved]) -> str:
    """`41 upstream changes: 30 taken, 3 facts moved, 6 set aside, 2 asked`."""
    found = counts(changes, facts)
    plural = {Answer.FACT: "facts moved"}
    said = ", ".join(
        counted(n, str(answer), plural.get(answer, str(answer))) for answer, n in found.items()
    )
    return f"{counted(sum(found.values()), 'upstream change')}: {said}"


# --- the Dockerfile ---


def _in_dockerfile(then: Subject, changes: Iterable[Change], now: Subject) -> Iterator[Moved]:
    file = now.dockerfile.source.name
    before: list[Value] = []
    after: list[Value] = []
    for change in changes:
        movement = change.movement
        if change.answer in (Answer.SET_ASIDE, Answer.ASKED):
            continue
        was = list(_of_instruction(then, movement.old)) if movement.old else []
        new = list(_of_instruction(now, movement.new)) if movement.new else []
        rows = [row for row in _compared(was, new, file) if row.old and row.new]
        yield from rows
        for name, first, second in movement.values:
            # What nothing above knows by name: an option's version, a word that holds one.
            if movement.new and not any(first in r.old and second in r.new for r in rows):
                yield Moved(name, first, second, file, movement.new.first_line)
        common = {each.key for each in was} & {each.key for each in new}
        before += [each for each in was if each.key not in common]
        after += [each for each in new if each.key not in common]
    # A value that went from one instruction to another, and moved on the way.
    yield from (row for row in _compared(before, after, file) if row.old and row.new)


def _of_instruction(subject: Subject, instruction: Instruction) -> Iterator[Value]:
    instruction = instruction.trigger or instruction
    read = _READERS.get(instruction.keyword)
    return read(subject, instruction) if read else iter(())


def _of_pairs(subject: Subject, instruction: Instruction) -> Iterator[Value]:
    dockerfile = subject.dockerfile
    for pair in pairs(dockerfile, instruction):
        if pair.value is not None:
            at = dockerfile.source.position(pair.span.start).line
            key = (instruction.keyword, pair.name)
            yield Value(key, pair.name, pair.value.strip("\"'"), at)


def _of_from(_subject: Subject, instruction: Instruction) -> Iterator[Value]:
    words = instruction.value.split()
    if words:
        yield _image(words[0], instruction)


def _of_copy(subject: Subject, instruction: Instruction) -> Iterator[Value]:
    dockerfile = subject.dockerfile
    flag = instruction.flag("from")
    image = dockerfile.text(flag.span).partition("=")[2] if flag else ""
    if "/" in image or ":" in image:
        yield _image(image, instruction)
    for item in transfer(dockerfile, instruction).sources:
        for each in in_url(item.text, item.span) if "://" in item.text else ():
            yield _in_shell(dockerfile.source, each)


def _of_run(subject: Subject, instruction: Instruction) -> Iterator[Value]:
    for each in given(subject.script(instruction)):
        yield _in_shell(subject.dockerfile.source, each)


def _image(image: str, instruction: Instruction) -> Value:
    name = without_tag(image)
    return Value(("image", name), name, image.removeprefix(name), instruction.first_line)


def _in_shell(source: Source, each: Given) -> Value:
    line = source.position(each.span.start).line
    return Value(("shell", each.name), each.name, each.value, line)


_READERS: Mapping[str, Callable[[Subject, Instruction], Iterator[Value]]] = {
    **dict.fromkeys(("ARG", "ENV", "LABEL"), _of_pairs),
    **dict.fromkeys(("COPY", "ADD"), _of_copy),
    "FROM": _of_from,
    "RUN": _of_run,
}


def _compared(before: Iterable[Value], after: Iterable[Value], file: str) -> Iterator[Moved]:
    """What both give under one key, with another value; and what one of them alone gives."""
    was, now = _by_key(before), _by_key(after)
    for key in dict.fromkeys((*now, *was)):
        old, new = was.get(key, []), now.get(key, [])
        gone = [each for each in old if each.value not in {one.value for one in new}]
        came = [each for each in new if each.value not in {one.value for one in old}]
        if gone or came:
            first = (came or new or old)[0]
            yield Moved(first.name, _joined(gone), _joined(came), file, first.line)


def _by_key(values: Iterable[Value]) -> dict[tuple[str, ...], list[Value]]:
    found: dict[tuple[str, ...], list[Value]] = {}
    for each in values:
        found.setdefault(each.key, []).append(each)
    return found


def _joined(values: Iterable[Value]) -> str:
    return ", ".join(dict.fromkeys(each.value for each in values))


# --- files beside it ---


def _in_files(
    then: Snapshot,
    now: Snapshot,
    subject: Subject,
    overlay: Overlay,
    requirements: Mapping[str, Source],
) -> Iterator[Moved]:
    same = {path for path, blob in now.lock.files.items() if then.lock.files.get(path) == blob}
    if same == set(now.lock.files):
        return
    for path in requirements:
        if path not in same and path in then:
            yield from _of_requirements(then.source(path), now.source(path))
    for path in _scripts_run(subject):
        if path in now and path in then and path not in same and not _is_ours(overlay, path):
            was, new = (_of_script(subject, each.source(path)) for each in (then, now))
            yield from (row for row in _compared(was, new, path) if row.old and row.new)


def _is_ours(overlay: Overlay, path: str) -> bool:
    file = overlay.files.get(path)
    return file is not None and file.text is not None


@lru_cache(maxsize=64)  # several targets go by one file
def _of_requirements(old: Source, new: Source) -> tuple[Moved, ...]:
    """What a requirements file asks for now, against what it asked for. A requirement whose marker
    moved is shown with both."""
    was, now = _asked_for(old), _asked_for(new)
    kept = {each.key for each in was} & {each.key for each in now}
    values = _compared(
        (each for each in was if each.key in kept),
        (each for each in now if each.key in kept),
        new.name,
    )
    markers = _compared(
        (_with_marker(each) for each in was if each.key not in kept),
        (_with_marker(each) for each in now if each.key not in kept),
        new.name,
    )
    return (*values, *markers)


def _with_marker(each: Value) -> Value:
    name, marker = each.key
    value = f"{each.value}; {marker}" if marker else each.value
    return Value((name,), each.name, value, each.line)


def _asked_for(source: Source) -> list[Value]:
    found = []
    for each in read_requirements(source):
        value = each.spec or "any version"
        if "://" in value and not each.name.startswith("-"):
            versions = [found[0] for found in VERSION.finditer(value)]
            value = ", ".join(dict.fromkeys(versions)) or value
        line = source.position(each.span.start).line
        found.append(Value(each.key, each.name, value, line))
    return found


def _of_script(subject: Subject, source: Source) -> list[Value]:
    return [_in_shell(source, each) for each in given(subject.scripts.of_text(source.text))]


def _scripts_run(subject: Subject) -> list[str]:
    """The shell scripts of the build context that live RUNs run."""
    found = [
        source.name
        for _, instruction in subject.live_instructions()
        if instruction.keyword == "RUN"
        for word in called_scripts(subject.script(instruction))
        for source in find_scripts(subject, word.value)
        if source.name.endswith((".sh", ".bash"))
    ]
    return list(dict.fromkeys(found))


def requirements_read(subject: Subject, snapshot: Snapshot) -> dict[str, Source]:
    """The requirements files that live instructions name, and those that these take along."""
    named = [
        path
        for _, instruction in subject.live_instructions()
        if "requirements" in subject.dockerfile.text(instruction.span)
        or ".sh" in subject.dockerfile.text(instruction.span)
        for word in _paths(subject, instruction)
        for path in _named(word)
        if path in snapshot
    ]

    def find(path: str) -> Source | None:
        return snapshot.source(path) if path in snapshot else None

    return with_included(dict.fromkeys(named), find)


def _named(word: str) -> Iterator[str]:
    """What a word may stand for: `/x/requirements/a.txt` is `requirements/a.txt` of the context."""
    for found in _REQUIREMENTS.finditer(word):
        yield word[found.start() :]


_REQUIREMENTS = re.compile(r"(?:^|(?<=/))requirements")


def _paths(subject: Subject, instruction: Instruction) -> Iterator[str]:
    """The words of an instruction that may be files, by the names that the context has for them."""
    if instruction.keyword in ("COPY", "ADD"):
        yield from (item.text for item in transfer(subject.dockerfile, instruction).sources)
        return
    if instruction.keyword != "RUN":
        return
    script = subject.script(instruction)
    texts = [word.value for command in script.commands for word in command.words]
    texts += [each.value.value for each in script.assignments if each.value is not None]
    for word in called_scripts(script):
        for source in find_scripts(subject, word.value):
            texts += re.findall(r"[\w./-]*requirements[\w./-]*\.(?:txt|in)", source.text)
    bound = [
        (mount.target, mount.source)
        for mount in mounts(subject.dockerfile, instruction)
        if mount.type == "bind" and mount.get("from") is None and mount.target and mount.source
    ]
    for text in texts:
        plain = posixpath.normpath(text)
        yield plain
        for target, source_ in bound:
            if plain == target or plain.startswith(f"{target.rstrip('/')}/"):
                yield posixpath.normpath(source_ + plain[len(target.rstrip("/")) :])


# --- how upstream builds it ---


def _passed(
    then: Snapshot,
    now: Snapshot,
    before: Dockerfile,
    dockerfile: Dockerfile,
    stage: Stage,
    overlay: Overlay,
) -> Iterator[Moved]:
    """Arguments of upstream's release build, without those that the overlay sets aside, or did: one
    that goes when its entry ends is no news."""
    if then.release_builds == now.release_builds:
        return
    ship = overlay.ship
    set_aside = {name for each in (then, now) for name in ship.set_aside_at(each.lock.counts_as)}
    was, new = (
        [
            Value((name,), name, each.value, each.line)
            for name, values in passed_to(builds, text, stage.label).items()
            if not any(glob(aside).fullmatch(name) for aside in set_aside)
            for each in values
        ]
        for builds, text in (
            (then.release_builds, before),
            (now.release_builds, dockerfile),
        )
    )
    yield from _compared(was, new, PIPELINE)


def _baked(then: Snapshot, now: Snapshot, subject: Subject, stage: Stage) -> Iterator[Moved]:
    """What versions.json and upstream's bake files give to ARGs of the shipped stages."""
    declared = {
        pair.name
        for _, instruction in subject.live_instructions()
        if instruction.keyword == "ARG"
        for pair in pairs(subject.dockerfile, instruction)
    }
    for path, blob in now.lock.files.items():
        if not bake.is_baked(path) or then.lock.files.get(path, blob) == blob:
            continue
        was, new = (
            [
                Value((each.name,), each.name, each.value, source.position(each.span.start).line)
                for each in bake.given_to(source, subject.dockerfile.source.name, stage.label)
                if each.name in declared
            ]
            for source in (then.source(path), now.source(path))
        )
        # A new ARG is a change of the Dockerfile; upstream's own tool writes it in here.
        yield from (row for row in _compared(was, new, path) if row.old and row.new)


# --- what the overlay reads ---


def _read_by_overlay(
    then: Snapshot, now: Snapshot, dockerfile: Dockerfile, overlay: Overlay
) -> Iterator[Moved]:
    for name, rule in overlay.facts.items():
        path = rule.file
        if path is None or path not in then or then.lock.files[path] == now.lock.files.get(path):
            continue  # an ARG of the Dockerfile was compared with the others
        try:
            old = read_fact(rule, dockerfile, then.source)
            new = read_fact(rule, dockerfile, now.source)
        except FactMissing:
            continue  # the new one was read; the old one stood elsewhere
        source = now.source(path)
        yield Moved(name, old, new, path, source.position(max(source.text.find(new), 0)).line)
