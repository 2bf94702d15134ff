"""Carrying out a plan: copy, read back, and only then go on.

The order inside a group is what keeps the promises: all images are looked at before one is copied;
unique tags, attachments and release tags come first; floating tags move when all of that is proved
for every image of the group, and `latest` after all other floating tags.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from midstream.adapters.http import Transient
from midstream.adapters.registry_errors import NotFound, Unauthorized
from midstream.errors import Exit, IntegrityError, MidstreamError, Refused
from midstream.promotion import attachments, mounting
from midstream.promotion.attachments import AttachmentsLost
from midstream.promotion.pace import Stopped, rest
from midstream.promotion.plan import MOVED, Action, Kind, SourceMissing, short
from midstream.promotion.reference import Digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from midstream.promotion.journal import Journal
    from midstream.promotion.outside import Outside
    from midstream.promotion.pace import Patience
    from midstream.promotion.plan import Plan, TagPlan, Unit
    from midstream.promotion.reference import Reference

LAST = "latest"
_FIRST_LOOK = 0.05  # seconds between the first two looks at a tag that was just written
_LONGEST_LOOK = 1.0
_FRESH = 0.5  # seconds for which a look at a unique tag holds
_JUST_PLANNED = 10.0  # seconds for which a plan's own look at everything holds
_MOST_BROKEN = 2  # copies that arrive damaged, or that the registry says it took and didn't


class State(StrEnum):
    """What is known of a tag at the end, after a read or an attempt to read it."""

    DONE = "done"
    UNTOUCHED = "untouched"
    UNKNOWN = "unknown"


class TagResult(Struct, frozen=True):
    """One tag at the end. `copied`: by this run; False where it was right before."""

    image: str
    tag: str
    kind: Kind
    reference: str
    digest: Digest
    previous: Digest | None
    state: State
    copied: bool = False
    why: str = ""


class Event(Struct, frozen=True):
    """Something to show while it happens. `what`: copying, copied, retry, verified, unchanged,
    attached, waiting, failed."""

    image: str
    what: str
    tag: str = ""
    detail: str = ""
    seconds: float = 0.0


class Report(Struct, frozen=True):
    """All tags, and what went wrong with which image."""

    tags: tuple[TagResult, ...]
    errors: tuple[tuple[str, MidstreamError], ...] = ()
    stopped: Exit | None = None
    retries: int = 0
    attached: int = 0
    seconds: float = 0.0
    bytes: int = 0

    @property
    def is_done(self) -> bool:
        return not self.errors and self.stopped is None

    @property
    def exit_code(self) -> Exit:
        """What stands out: a defect or a broken promise; then that some is done and some isn't."""
        codes = {Exit(error.exit_code) for _, error in self.errors}
        if self.stopped is not None:
            return self.stopped
        for worst in (Exit.BUG, Exit.INTEGRITY):
            if worst in codes:
                return worst
        if codes and any(each.copied for each in self.tags):
            return Exit.PARTIAL
        return Exit.worst(codes)


class MovedSince(Refused):
    """A destination tag isn't what it was when the plan was made."""


class Overtaken(IntegrityError):
    """We wrote a tag, and read another image from it: somebody else wrote it, too."""


class NotStored(IntegrityError):
    """The registry said that it took an image, and doesn't have it."""


class HeldBack(MidstreamError):
    """Not an own failure: another image of the group failed."""

    exit_code = Exit.OK


class Way(Struct, frozen=True):
    """How a plan is carried out. `settle`: seconds until a written tag must be readable.

    `planned`: by `time.monotonic`, when the making of the plan began; left out, it is an old one.
    """

    jobs: int = 4
    settle: float = 10.0
    observe: Callable[[Event], None] = field(default=lambda _event: None)
    planned: float = -math.inf


def carry_out(plan: Plan, outside: Outside, journal: Journal, way: Way) -> Report:
    """Apply a plan; a finished one again reads, and writes nothing.

    Raises `Refused` before anything is written where the plan itself has refusals. All else is in
    the report, an interrupt too: whoever waits for us in the main thread gets it from there.
    """
    refuse_if_it_refuses(plan)
    return _Run(plan, outside, journal, way).carry_out()


def refuse_if_it_refuses(plan: Plan) -> None:
    for unit in plan.units:
        for found in unit.refusals:
            raise Refused(
                f"the plan refuses `{unit.name}`: {found.message} [{found.code}]",
                help=found.help or f"`midstream explain {found.code}` says more",
            )


class _Progress(Struct):
    """One image's way. `there`: what each tag held when it was last read."""

    unit: Unit
    there: dict[str, Digest | None] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)  # written, and not yet read back
    copied: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    attached: int = 0
    error: MidstreamError | None = None
    failed_at: str = ""
    looked: float = 0.0

    @property
    def has_image(self) -> bool:
        return bool(self.done)


class _Run(Struct):
    plan: Plan
    outside: Outside
    journal: Journal
    way: Way
    retries: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def carry_out(self) -> Report:
        began = time.monotonic()
        progress = [_Progress(unit) for unit in self.plan.units]
        stopped: Exit | None = None
        with _side_by_side(min(self.way.jobs, len(progress))) as each_of:
            try:
                self._phases(progress, each_of)
            except (KeyboardInterrupt, SystemExit, Stopped) as reason:
                stopped = _exit_of(reason)
                self._stop()
            except BaseException:
                self._stop()
                raise
        self.outside.gates.stop.clear()
        return self._report(progress, stopped, time.monotonic() - began)

    def _stop(self) -> None:
        """No new request, no more waiting, and no skopeo that goes on by itself."""
        from midstream.adapters import process

        self.outside.gates.stop.set()
        process.end_all()

    def _phases(self, progress: Sequence[_Progress], each_of: _EachOf) -> None:
        for phase in (
            self._look_first, self._arrive, self._look_again, self._float, self._float_last
        ):  # fmt: skip
            each_of(_guarded(phase), [each for each in progress if each.error is None])
            self._barrier(progress)
            if self.outside.gates.stop.is_set():
                raise Stopped("stopped between two steps")

    def _barrier(self, progress: Sequence[_Progress]) -> None:
        """Nobody of a group goes on where one has failed."""
        for each in progress:
            failed = [
                other for other in progress if other.error and other.unit.group == each.unit.group
            ]
            own = [other for other in failed if not isinstance(other.error, HeldBack)]
            if own and each.error is None:
                each.error = HeldBack(f"held back: `{own[0].unit.name}` of its group failed")

    # --- the phases, each for one image ----------------------------------------------------

    def _look_first(self, its: _Progress) -> None:
        """Nothing is copied while anything isn't as it was planned."""
        if time.monotonic() - self.way.planned < _JUST_PLANNED:
            self._take_from_plan(its)
            return
        its.looked = time.monotonic()
        for each in self._tags(its.unit):
            its.there[each.tag] = self._read(its.unit, each)
            if its.there[each.tag] == its.unit.digest:
                its.done.add(each.tag)
        for each in self._tags(its.unit):
            self._must_be_as_planned(its, each)
        if not its.done:
            self._source_must_be_there(its.unit)

    def _take_from_plan(self, its: _Progress) -> None:
        """It was all read a moment ago; and each tag is read again right before it is given."""
        its.looked = self.way.planned
        its.there = {each.tag: each.there for each in self._tags(its.unit)}
        its.done = {tag for tag, there in its.there.items() if there == its.unit.digest}

    def _arrive(self, its: _Progress) -> None:
        self._give_all(its, its.unit.of_kind(Kind.UNIQUE))
        self._attach(its)
        self._give_all(its, its.unit.of_kind(Kind.RELEASE))
        group = [each for each in self.plan.units if each.group == its.unit.group]
        if its.copied and len(group) > 1:
            self._say(its, "waiting", detail=f"for the rest of `{its.unit.group}`")

    def _look_again(self, its: _Progress) -> None:
        """Copies take long: no floating tag of a group moves if somebody moved another by now."""
        for each in its.unit.of_kind(Kind.FLOATING):
            if each.action is not Action.HELD and each.tag not in its.done:
                its.there[each.tag] = self._read(its.unit, each)
                self._must_be_as_planned(its, each)

    def _float(self, its: _Progress) -> None:
        self._give_all(its, [each for each in its.unit.of_kind(Kind.FLOATING) if each.tag != LAST])

    def _float_last(self, its: _Progress) -> None:
        self._give_all(its, [each for each in its.unit.of_kind(Kind.FLOATING) if each.tag == LAST])

    # --- one tag ---------------------------------------------------------------------------

    def _give_all(self, its: _Progress, tags: Iterable[TagPlan]) -> None:
        for each in tags:
            if each.action is not Action.HELD:
                self._give(its, each)

    def _give(self, its: _Progress, tag: TagPlan) -> None:
        """Make a tag hold the image, and have seen that it does."""
        unit = its.unit
        if tag.tag in its.done:
            self._say(its, "unchanged", tag)
            return
        its.failed_at = tag.tag
        # Others move release and floating tags, too: those are looked at right before.
        if tag.kind is not Kind.UNIQUE or time.monotonic() - its.looked > _FRESH:
            its.there[tag.tag] = self._read(unit, tag)
        there = its.there[tag.tag]
        if there == unit.digest:
            self._prove(its, tag, copied=False)
            return
        self._must_be_as_planned(its, tag)
        self._say(its, "copying", tag)
        began = time.monotonic()
        attempt = 0
        while True:
            attempt += 1
            error = self._copy(its, tag, attempt)
            there = its.there[tag.tag] = self._look(unit, tag, error)
            its.doubtful.discard(tag.tag)
            if there == unit.digest:
                its.copied.add(tag.tag)
                self._prove(its, tag, copied=True, seconds=time.monotonic() - began)
                return
            if there != tag.there:
                raise Overtaken(
                    f"`{unit.destination}:{tag.tag}` holds `{short(there)}` after it was given "
                    f"`{short(unit.digest)}`: somebody else writes it",
                    help="find out who, then make a new plan",
                )
            self._try_again_or_raise(its, tag, attempt, error)

    def _copy(self, its: _Progress, tag: TagPlan, attempt: int) -> MidstreamError | None:
        """Once. What it returns or fails with says nothing about the tag."""
        unit = its.unit
        # Once it is there, the destination is nearer, and can't expire.
        source = unit.destination.pinned(unit.digest) if its.has_image else unit.pinned
        target = unit.destination.tagged(tag.tag)
        fields = {"image": unit.name, "tag": tag.tag, "digest": unit.digest, "attempt": attempt}
        self.journal.add("intent", **fields, there=tag.there, source=str(source))
        its.doubtful.add(tag.tag)
        error: MidstreamError | None = None
        try:
            self._mount(unit, source)
            self.outside.copy(source, target, unit.media_type, unit.size)
        except Stopped:
            raise
        except MidstreamError as found:
            error = found
        outcome = type(error).__name__ if error else "ok"
        self.journal.add("copied", **fields, outcome=outcome)
        return error

    def _mount(self, unit: Unit, source: Reference) -> None:
        """Where one registry has both ends, spare it the way through this machine."""
        origin, target = source.repository, unit.destination
        if origin.host == target.host and origin != target:
            mounting.mount(self.outside.side(origin), self.outside.side(target), unit.digest)

    def _look(self, unit: Unit, tag: TagPlan, error: MidstreamError | None) -> Digest | None:
        """Read until it holds the image, or for as long as a registry may take to show it."""
        until = time.monotonic() + (self.way.settle if error is None else 0)
        pause = _FIRST_LOOK
        while True:
            there = self._read(unit, tag)
            left = until - time.monotonic()
            if there != tag.there or left <= 0:
                return there
            rest(min(pause, left), self.outside.gates.stop)
            pause = min(_LONGEST_LOOK, pause * 2)

    def _try_again_or_raise(
        self, its: _Progress, tag: TagPlan, attempt: int, error: MidstreamError | None
    ) -> None:
        patience = self.outside.gates.patience
        if not _may_pass(error, attempt, patience):
            raise error or NotStored(
                f"the registry took `{its.unit.destination}:{tag.tag}` and doesn't have it",
                help="its owner has to look: it answers that it stored what it didn't store",
            )
        why = error or NotStored("the registry took it and doesn't have it")
        pause = patience.pause(attempt, getattr(error, "retry_after", None))
        with self._lock:
            self.retries += 1
        self._say(its, "retry", tag, why.message)
        hosts = {its.unit.destination.host, its.unit.source.host}
        self.outside.gates.retry(hosts, why, pause)

    def _prove(self, its: _Progress, tag: TagPlan, *, copied: bool, seconds: float = 0.0) -> None:
        unit = its.unit
        fields = {"image": unit.name, "tag": tag.tag, "digest": unit.digest}
        self.journal.add("verified", **fields, previous=tag.there, copied=copied)
        its.done.add(tag.tag)
        its.failed_at = ""
        self._say(its, "verified", tag, seconds=seconds)

    # --- what belongs to an image ----------------------------------------------------------

    def _attach(self, its: _Progress) -> None:
        """Byte for byte, after the image; none is no error, and a lost one is."""
        unit = its.unit
        if not unit.attachments:
            return
        target = self.outside.side(unit.destination)
        if not attachments.verify(unit.attachments, target):
            return
        source = self.outside.side(unit.source)
        fields: dict[str, Any] = {"image": unit.name, "attachments": len(unit.attachments)}
        self.journal.add("intent", **fields)
        written = attachments.copy(unit.attachments, source, target)
        self.journal.add("copied", **fields, written=[each.digest for each in written])
        self._must_be_attached(unit, target)
        self.journal.add("verified", **fields)
        its.attached = len(written)
        self._say(its, "attached", detail=f"{len(written)} of {len(unit.attachments)}")

    def _must_be_attached(self, unit: Unit, target: attachments.Side) -> None:
        until = time.monotonic() + self.way.settle
        pause = _FIRST_LOOK
        while True:
            try:
                attachments.must_be_there(unit.attachments, target)
            except AttachmentsLost:
                if time.monotonic() > until:
                    raise
                rest(pause, self.outside.gates.stop)
                pause = min(_LONGEST_LOOK, pause * 2)
            else:
                return

    # --- looking ---------------------------------------------------------------------------

    def _read(self, unit: Unit, tag: TagPlan) -> Digest | None:
        """By hashing the bytes: no header and no exit code is believed."""
        manifest = self.outside.side(unit.destination).manifest(tag.tag)
        return Digest(manifest.digest) if manifest else None

    def _must_be_as_planned(self, its: _Progress, tag: TagPlan) -> None:
        there = its.there[tag.tag]
        if there not in (tag.there, its.unit.digest):
            raise MovedSince(
                f"`{its.unit.destination}:{tag.tag}` holds `{short(there)}`, and held "
                f"`{short(tag.there)}` when the plan was made [{MOVED.code}]",
                help="make the plan again, and look at it",
            )

    def _source_must_be_there(self, unit: Unit) -> None:
        side = self.outside.side(unit.source)
        try:
            side.registry.manifest(side.repository, unit.digest)
        except NotFound:
            raise SourceMissing(
                f"`{unit.pinned}` is gone since the plan was made",
                help="build and test it again; a digest that is gone can't be promoted",
            ) from None

    @staticmethod
    def _tags(unit: Unit) -> list[TagPlan]:
        return [each for each in unit.tags if each.action is not Action.HELD]

    # --- the end ---------------------------------------------------------------------------

    def _report(
        self, progress: Sequence[_Progress], stopped: Exit | None, seconds: float
    ) -> Report:
        errors = []
        for its in progress:
            if its.error and not isinstance(its.error, HeldBack | Stopped):
                errors.append((its.unit.name, its.error))
                self._note_failure(its)
        results = [self._result(its, each) for its in progress for each in its.unit.tags]
        return Report(
            tuple(results),
            tuple(errors),
            stopped,
            self.retries,
            sum(its.attached for its in progress),
            seconds,
            sum(its.unit.size for its in progress if its.copied),
        )

    def _note_failure(self, its: _Progress) -> None:
        """The registry is the truth; a journal that can't be written any more changes nothing."""
        error = its.error
        self._say(its, "failed", detail=str(error))
        try:
            self.journal.add("failed", image=its.unit.name, error=type(error).__name__)
        except MidstreamError:
            return

    def _result(self, its: _Progress, tag: TagPlan) -> TagResult:
        state, why = self._state(its, tag)
        return TagResult(
            its.unit.name,
            tag.tag,
            tag.kind,
            str(its.unit.destination.tagged(tag.tag)),
            its.unit.digest,
            tag.there,
            state,
            tag.tag in its.copied,
            why,
        )

    def _state(self, its: _Progress, tag: TagPlan) -> tuple[State, str]:
        """Read once more where something was begun and nobody saw how it ended."""
        if tag.tag in its.done:
            return State.DONE, ""
        why = its.error.message if its.error else ""
        if tag.action is Action.HELD:
            return State.UNTOUCHED, "the rest of its group isn't in the plan"
        if tag.tag != its.failed_at and tag.tag not in its.doubtful:
            return State.UNTOUCHED, why
        try:
            there = self._read(its.unit, tag)
        except MidstreamError as error:
            return State.UNKNOWN, f"it can't be read: {error.message}"
        if there == its.unit.digest:
            its.copied.add(tag.tag)
            return State.DONE, "seen at the end"
        if there == tag.there:
            return State.UNTOUCHED, why
        return State.UNKNOWN, f"it holds {short(there)}, which is neither the old image nor ours"

    def _say(
        self,
        its: _Progress,
        what: str,
        tag: TagPlan | None = None,
        detail: str = "",
        seconds: float = 0.0,
    ) -> None:
        event = Event(its.unit.name, what, tag.tag if tag else "", detail, seconds)
        with self._lock:
            self.way.observe(event)


_EachOf = Callable[[Callable[[_Progress], None], list[_Progress]], None]


@contextmanager
def _side_by_side(jobs: int) -> Iterator[_EachOf]:
    """Do a thing to each of several, in threads where there is more than one."""
    if jobs <= 1:
        yield _one_by_one
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(jobs) as pool:
        yield lambda do, several: list(pool.map(do, several)).clear()


def _one_by_one(do: Callable[[_Progress], None], several: list[_Progress]) -> None:
    for each in several:
        do(each)


def _guarded(phase: Callable[[_Progress], None]) -> Callable[[_Progress], None]:
    """One image's failure is its own; the others of other groups go on."""

    def guarded(its: _Progress) -> None:
        try:
            phase(its)
        except MidstreamError as error:
            its.error = error

    return guarded


def _may_pass(error: MidstreamError | None, attempt: int, patience: Patience) -> bool:
    from midstream.adapters.skopeo_errors import Damaged, SkopeoStopped

    if attempt >= patience.attempts:
        return False
    match error:
        case Transient() | SkopeoStopped():
            return True
        case None | Damaged():
            return attempt < _MOST_BROKEN
        case Unauthorized():  # a token may have run out in the middle of a long copy
            return attempt < 2
        case _:
            return False


def _exit_of(reason: BaseException) -> Exit:
    """SIGTERM reaches us as an exit with its code; SIGINT as an interrupt."""
    code = reason.code if isinstance(reason, SystemExit) else None
    return Exit(code) if isinstance(code, int) else Exit.INTERRUPTED
