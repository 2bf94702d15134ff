"""`overlays/<target>/lock.json`: what upstream said when a person decided about it.

For everything that an overlay replaces, drops or wants to be asked about, the fingerprint of
upstream's text is kept. While it stays the same, the decision stands.
"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from shlex import quote
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from midstream.diagnostic import Diagnostic, Place, Rule, Severity
from midstream.dockerfile import fingerprint
from midstream.errors import UsageError
from midstream.overlay.model import Drop, OverlayEdit
from midstream.overlay.releases import newest_before
from midstream.source import Source, Span
from midstream.upstream.lock import VERSION, UnreadableLock, read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from midstream.dockerfile.model import Instruction
    from midstream.overlay.model import ContextFile

KEYED = frozenset(("ARG", "ENV", "LABEL"))
"""Instructions that give names values: a new name is asked about, and a value that moves taken."""
LAST_COUNTS = frozenset(("CMD", "ENTRYPOINT", "SHELL", "STOPSIGNAL", "USER", "WORKDIR"))
"""Instructions of which an image has one alone."""

CHANGED = Rule(
    "MS220",
    "upstream-changed",
    """\
**What it says.** Upstream changed a text that the overlay replaces or drops.

**Why it matters.** The overlay's text was written against the old one. Whether it still does what
it should, only a person can say.

**The way out.** Compare the two, mend the overlay if it needs it, and record the answer.
""",
)
NEW_THERE = Rule(
    "MS221",
    "new-under-review",
    """\
**What it says.** Upstream has something new, or something that changed, where the overlay's
`review:` wants to be asked.

**The way out.** Look at it, and record the answer.
""",
)
EXPIRED = Rule(
    "MS222",
    "expired-decision",
    """\
**What it says.** An answer is about a text that upstream doesn't have any more.

**The way out.** `midstream decide --target T --forget ID` takes it out of the lock.
""",
)
EDITED = Rule(
    "MS224",
    "edited-lock",
    """\
**What it says.** What a lock holds isn't what midstream wrote there: somebody edited it by hand, or
it was merged otherwise than by `midstream decide --merge`. A warning says that a lock has no seal,
as one that an older midstream wrote; the next rebase gives it one.

**Why it matters.** An edit without a fingerprint is taken for a new one, and what upstream changed
there since is not asked about.

**The way out.** `git checkout` the lock as it was. If the change was meant, accept it with a
reason: `midstream decide --target T @lock --accept --why …`.
""",
)
RULES = (CHANGED, NEW_THERE, EXPIRED, EDITED)

NAME = "lock.json"
GONE = "gone"  # the fingerprint of a text that was taken out
LOCK = "@lock"
"""The question about the lock itself."""
_NO_SEAL = "none"


class Kind(StrEnum):
    """What a person can say about a question."""

    ACCEPT = "accept"  # the overlay's edit is right for the new text too
    CARRY = "carry"  # upstream's new text comes along
    DROP = "drop"  # it doesn't, and neither will it later while it stays the same


class Given(Struct, frozen=True):
    """An answer: what, about which text, why, by whom. `when` is upstream's date, not a clock's."""

    answer: Kind
    fingerprint: str
    why: str
    who: str
    when: str


class Decisions(Struct, frozen=True):
    """A target's lock.

    `edits` maps an edit's id to the fingerprint of the text that it changes, `review` a reviewed
    place to that of what stands there, `answers` the id of a question to what a person said.
    `result` is the SHA-256 of the result. `seal` is empty, or what the file at `path` has as its
    seal where that doesn't fit the rest of it.
    """

    target: str
    upstream: Mapping[str, str | None]
    result: str = ""
    edits: Mapping[str, str] = field(default_factory=dict)
    review: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, Given] = field(default_factory=dict)
    seal: str = ""
    path: str = ""

    @property
    def label(self) -> str:
        """Which upstream it was made from, for people."""
        commit = (self.upstream.get("commit") or "")[:12]
        return f"{self.upstream.get('project')} {self.upstream.get('release') or commit}"

    @property
    def counts_as(self) -> str | None:
        """The release that it was made from, or what its commit counts as."""
        return self.upstream.get("release") or self.upstream.get("version")

    def with_answer(self, name: str, fingerprint: str, given: Given) -> Decisions:
        """The lock with one more answer, about a text with this fingerprint."""
        edits, review = dict(self.edits), dict(self.review)
        (edits if name in edits else review)[name] = fingerprint
        answers = {**self.answers, name: given}
        seal = "" if name == LOCK else self.seal
        return replace(self, edits=edits, review=review, answers=answers, seal=seal)

    def right_seal(self) -> str:
        """What binds the fingerprints, the answers and the text that they are about together.
        Reasons may be mended by hand, and the result has a hash of its own."""
        text = self.upstream.get("path"), self.upstream.get("blob")
        answers = {name: [given.answer, given.fingerprint] for name, given in self.answers.items()}
        held = [self.target, text, self.edits, self.review, answers]
        return fingerprint.of_text(json.dumps(held, sort_keys=True))

    def continuing(self, old: Decisions | None) -> Decisions:
        """The lock to write: a fingerprint that is there already is never changed by a rebase."""
        if old is None:
            return self
        edits = {name: old.edits.get(name, mark) for name, mark in self.edits.items()}
        review = {name: old.review.get(name, mark) for name, mark in self.review.items()}
        return replace(self, edits=edits, review=review)

    def as_bytes(self) -> bytes:
        content = {
            "midstream": VERSION,
            "target": self.target,
            "upstream": dict(self.upstream),
            "result": self.result,
            "seal": self.right_seal() if self.seal in ("", _NO_SEAL) else self.seal,
            "edits": dict(sorted(self.edits.items())),
            "review": dict(sorted(self.review.items())),
            "answers": {
                name: {
                    "answer": str(given.answer),
                    "fingerprint": given.fingerprint,
                    "why": given.why,
                    "who": given.who,
                    "when": given.when,
                }
                for name, given in sorted(self.answers.items())
            },
        }
        return f"{json.dumps(content, indent=1)}\n".encode()


def read_decisions(source: Source) -> Decisions:
    """Raises `UnreadableLock`."""
    content = read_json(source)
    try:
        read = Decisions(
            target=str(content["target"]),
            upstream=_upstream(content["upstream"]),
            result=str(content["result"]),
            edits=_texts(content["edits"]),
            review=_texts(content["review"]),
            answers={name: _given(each) for name, each in content.get("answers", {}).items()},
            path=source.name,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UnreadableLock(
            f"can't use {source.name}: a value is missing or of another kind: {error}",
            help=f"git checkout -- {source.name}",
        ) from None
    seal = str(content.get("seal", _NO_SEAL))
    return read if seal == read.right_seal() else replace(read, seal=seal)


def before(release: str, locks: Iterable[Decisions]) -> Decisions | None:
    """Of several locks the one of the newest release that is older than this one."""
    known = {str(lock.counts_as): lock for lock in locks}
    return known.get(newest_before(release, known) or "")


class TwoAnswers(UsageError):
    """Two people answered one question differently."""


def merged(source: Source) -> Decisions:
    """A lock that git left with its conflict markers in it, with what both sides decided.

    Of two answers to one question the one about the newer upstream counts. Where both have a
    fingerprint of one text and nobody answered, ours stays: if it is the wrong one, it is asked
    about again. Raises `TwoAnswers`, and `UnreadableLock` where a side is no lock.
    """
    ours, theirs = (read_decisions(Source(source.name, side)) for side in _sides(source.text))
    answers = {**theirs.answers, **ours.answers}
    for name in ours.answers.keys() & theirs.answers.keys():
        answers[name] = _of_two(name, ours.answers[name], theirs.answers[name], source)
    joined = replace(
        ours,
        edits={**theirs.edits, **ours.edits},
        review={**theirs.review, **ours.review},
        seal="",
    )
    for name, given in answers.items():
        if name in joined.edits or name in joined.review:
            joined = joined.with_answer(name, given.fingerprint, given)
    return replace(joined, answers=answers)


def _of_two(name: str, mine: Given, other: Given, source: Source) -> Given:
    """Which of two answers to one question counts."""
    if (mine.answer, mine.fingerprint) == (other.answer, other.fingerprint):
        return mine
    if mine.when != other.when:
        return max(mine, other, key=lambda given: given.when)
    raise TwoAnswers(
        f"`{name}` was answered twice in {source.name}: {mine.answer} by {mine.who} "
        f"({mine.why}), and {other.answer} by {other.who} ({other.why})",
        help="take one of the two out of the file, and merge again",
    )


_CONFLICT = re.compile(
    r"^<<<<<<< [^\n]*\n(?P<ours>.*?)(?:^\|{7}[^\n]*\n.*?)?"
    r"^=======\n(?P<theirs>.*?)^>>>>>>> [^\n]*\n",
    re.MULTILINE | re.DOTALL,
)


def _sides(text: str) -> tuple[str, str]:
    """Both texts that git could not merge. A comma may be too many or too few at the seams."""
    ours, theirs = _CONFLICT.sub(r"\g<ours>", text), _CONFLICT.sub(r"\g<theirs>", text)
    return _with_commas(ours), _with_commas(theirs)


def _with_commas(text: str) -> str:
    return _COMMA_TOO_MANY.sub(r"\1", _COMMA_TOO_FEW.sub(r"\1,", text))


_COMMA_TOO_FEW = re.compile(r"([\"}])(?=\n *\")")
_COMMA_TOO_MANY = re.compile(r",(\s*})")


def _given(content: Any) -> Given:
    return Given(
        answer=Kind(content["answer"]),
        fingerprint=str(content["fingerprint"]),
        why=str(content["why"]),
        who=str(content["who"]),
        when=str(content["when"]),
    )


def _upstream(content: Any) -> dict[str, str | None]:
    """`release` is null for a text that belongs to none."""
    return {str(key): None if value is None else str(value) for key, value in content.items()}


def _texts(content: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in content.items()}


class Watched(Struct, frozen=True):
    """A text that was, or will be, decided about. `edit` is what replaces it, if anything does."""

    fingerprint: str
    span: Span
    instruction: Instruction
    edit: OverlayEdit | ContextFile | None = None

    @property
    def may_be_dropped(self) -> bool:
        """Whether the instruction can be left out by an answer alone."""
        return self.edit is None and self.instruction.keyword != "FROM"

    @property
    def is_the_last_that_counts(self) -> bool:
        """Whether an image has one of these alone: its text says nothing without its place."""
        return self.instruction.keyword in LAST_COUNTS

    def news(self, was_known: bool) -> str:
        """What is to be said of a place where something else stands than was decided about."""
        if self.fingerprint == GONE:
            return "nothing stands any more"
        return "a change" if was_known else "something new"


class Question(Struct, frozen=True):
    """Something that upstream changed, and that a person has to look at."""

    id: str
    finding: Diagnostic
    fingerprint: str = ""
    takes: tuple[Kind, ...] = (Kind.ACCEPT,)


def open_questions(
    known: Decisions | None,
    edits: Mapping[str, Watched],
    review: Mapping[str, Watched],
    dockerfile: Source,
    *,
    same_text: bool,
) -> Iterator[Question]:
    """What isn't as it was when it was decided. Nothing is asked where there is no lock yet.

    `same_text` says that the lock was made from this very text.
    """
    if known is None:
        return
    then = f"decided at {known.label}"
    for name, each in edits.items():
        edit = each.edit
        if isinstance(edit, OverlayEdit) and isinstance(edit.verb, Drop):
            continue  # it stays dropped, whatever it says now; the report counts it
        if name in known.edits and known.edits[name] != each.fingerprint:
            yield Question(
                name,
                Diagnostic(
                    rule=CHANGED,
                    severity=Severity.ERROR,
                    message=f"upstream changed what `{name}` is about",
                    source=dockerfile,
                    span=each.span,
                    help=f"compare, mend the edit if it needs it, and run: "
                    f"midstream decide --target {known.target} {quote(name)} --accept --why …",
                    context=then,
                    also=Place(edit.place.source, edit.place.span, "the edit") if edit else None,
                ),
                each.fingerprint,
            )
    elsewhere = _Elsewhere(known.review, review)
    for label, each in review.items():
        if label not in known.review and (same_text or elsewhere.has(label, each)):
            continue  # with the same text, it is the overlay's own `review:` that reaches further
        if known.review.get(label) != each.fingerprint:
            yield Question(
                label,
                Diagnostic(
                    rule=NEW_THERE,
                    severity=Severity.ERROR,
                    message=f"{each.news(label in known.review)} at `{label}`, where the overlay "
                    "wants to be asked",
                    source=dockerfile,
                    span=each.span,
                    help=f"midstream decide --target {known.target} {quote(label)} "
                    f"{'--carry or --drop' if each.may_be_dropped else '--accept'} --why …",
                    context=then,
                ),
                each.fingerprint,
                (Kind.CARRY, Kind.DROP) if each.may_be_dropped else (Kind.ACCEPT,),
            )


class _Elsewhere:
    """What was decided about already, and stands at another place now."""

    def __init__(self, known: Mapping[str, str], review: Mapping[str, Watched]) -> None:
        left = {label: mark for label, mark in known.items() if label not in review}
        self._texts = frozenset(known.values())
        self._moved = frozenset(left.values())
        self._names = frozenset(without_stage(label) for label in left)

    def has(self, label: str, each: Watched) -> bool:
        """Whether the same text was decided about, or an ENV's name that another stage of the
        lineage set, as after a stage was renamed. Where the last one counts, its old place has to
        be gone: an ENTRYPOINT of an earlier stage is another one here."""
        if each.fingerprint in (self._moved if each.is_the_last_that_counts else self._texts):
            return True
        return each.instruction.keyword == "ENV" and without_stage(label) in self._names


def without_stage(label: str) -> str:
    """`ENV HOME` of `final / ENV HOME #2`."""
    return label.partition(" / ")[2].partition(" #")[0]


def hand_edited(known: Decisions | None, edits: Iterable[str]) -> Iterator[Question]:
    """The question that is open where a lock isn't as midstream wrote it. `edits` are the ids of
    those that change upstream's text now."""
    if known is None or known.seal in ("", _NO_SEAL):
        return
    without = [f"`{name}`" for name in edits if name not in known.edits]
    lacks = f"; {', '.join(without)} has no fingerprint in it" if without else ""
    yield Question(
        LOCK,
        Diagnostic(
            rule=EDITED,
            severity=Severity.ERROR,
            message=f"this lock was edited by hand: its entries don't fit its seal{lacks}",
            **_at(known, '"seal"'),
            help=f"git checkout -- {known.path}; or if it was meant, run: "
            f"midstream decide --target {known.target} {LOCK} --accept --why …",
        ),
        fingerprint.of_text(known.right_seal()),
    )


def unsealed(known: Decisions | None) -> Iterator[Diagnostic]:
    """A warning where a lock has no seal."""
    if known is not None and known.seal == _NO_SEAL:
        yield Diagnostic(
            rule=EDITED,
            severity=Severity.WARNING,
            message="this lock has no seal: an older midstream wrote it, or it was edited by hand",
            **_at(known, '"result"'),
            help=f"look at `git diff -- {known.path}`; the next rebase seals it",
        )


def _at(known: Decisions, text: str) -> dict[str, Any]:
    """A place in the lock as it would be written."""
    path = known.path or f"overlays/{known.target}/{NAME}"
    source = Source(path, known.as_bytes().decode())
    at = max(0, source.text.find(text))
    return {"source": source, "span": Span(at, at + len(text))}


def expired(known: Decisions | None, names: Iterable[str]) -> Iterator[Diagnostic]:
    """A finding for each answer whose text is gone, shown in the lock as it would be written."""
    if known is None:
        return
    there = frozenset(names)
    source = _at(known, "")["source"]
    for name, given in known.answers.items():
        if name in there:
            continue
        at = source.text.find(f'"{name}"', source.text.find('"answers"'))
        yield Diagnostic(
            rule=EXPIRED,
            severity=Severity.WARNING,
            message=f"the answer about `{name}` ({given.answer}: {given.why}) is about a text that "
            "upstream doesn't have any more",
            source=source,
            span=Span(max(at, 0), max(at, 0) + len(name) + 2),
            help=f"midstream decide --target {known.target} --forget {quote(name)}",
        )
