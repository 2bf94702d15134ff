"""The job: look, decide what moved, rebase it, commit it, and move the branches in the end."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from midstream.adapters import files
from midstream.adapters.repository import Move, Pushed
from midstream.diagnostic import Place, counted
from midstream.errors import Exit, MidstreamError, Refused, UsageError
from midstream.overlay.releases import is_older
from midstream.source import Source
from midstream.sync import branch
from midstream.sync.branch import Inputs, branch_of
from midstream.sync.inputs import matter, overlay_digest, same_outcome, siblings
from midstream.upstream.config import FOLDER
from midstream.upstream.lock import UnreadableLock, read_lock

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from midstream.adapters.files import Tree
    from midstream.adapters.repository import Answer, Repository, Seen, Written
    from midstream.history.decisions import Decisions
    from midstream.overlay.model import Overlay
    from midstream.rebasing.flow import Rebased
    from midstream.sync.commits import Told
    from midstream.sync.describing import Description
    from midstream.upstream.config import Project
    from midstream.upstream.git_source import GitSource
    from midstream.upstream.lock import Lock
    from midstream.upstream.snapshot import Snapshot


class Outcome(StrEnum):
    MOVED = "moved"  # the branch has a new commit
    SAME = "nothing moved"
    HELD = "held back"
    ASKED = "asked"  # a person has to answer; the branch stays
    ERRORS = "errors"
    STOPPED = "stopped"  # people's commits are on the branch, or it can't be told
    LOST = "overtaken"  # somebody else moved the branch meanwhile
    REFUSED = "refused"  # the other side doesn't take the push
    FAILED = "failed"


_EXITS = {
    Outcome.MOVED: Exit.OK, Outcome.SAME: Exit.OK, Outcome.HELD: Exit.OK,
    Outcome.ASKED: Exit.FINDINGS, Outcome.ERRORS: Exit.FINDINGS, Outcome.STOPPED: Exit.REFUSED,
    Outcome.LOST: Exit.TRANSIENT, Outcome.REFUSED: Exit.OUTSIDE,
}  # fmt: skip


class MissingDockerfile(UsageError):
    """Upstream renamed a target's Dockerfile, or took it away."""


class Standing(Struct, frozen=True):
    """A target's branch as it was found. `parent` is what a new commit goes on; `before` is the
    upstream that is carried there; `own` are our commits that the base doesn't have."""

    branch: str
    base: str | None
    tip: str | None
    parent: Written | None
    own: tuple[Written, ...]
    strangers: tuple[Written, ...]
    before: Lock | None
    is_known: bool = True

    @property
    def is_ahead(self) -> bool:
        return bool(self.own)


class Result(Struct, frozen=True):
    """What one target's turn came to. `new` is the commit, where there is one."""

    target: str
    outcome: Outcome
    said: str = ""
    standing: Standing | None = None
    new: str | None = None
    rebased: Rebased | None = None
    error: MidstreamError | None = None

    @property
    def exit(self) -> Exit:
        if self.error is not None:
            return Exit(self.error.exit_code)
        return _EXITS[self.outcome]


class Options(Struct, frozen=True):
    """`commit` is the one of `ref` to follow, where it isn't the last; `newest` says that `ref` is
    the newest of several tags. `quiet` is in seconds, `now` in seconds since 1970."""

    ref: str
    base: str
    commit: str = ""
    newest: bool = False
    pushes: bool = False
    dry_run: bool = False
    quiet: float = 0
    skip: re.Pattern[str] | None = None
    now: float = 0


@dataclass
class Sync:
    """One run over one project. `upstream` gives what upstream is now; `prefix` is the tree's path
    in the repository."""

    project: Project
    source: GitSource
    repository: Repository
    tree: Tree
    options: Options
    upstream: Callable[[], Lock]
    rebase: Callable[[Snapshot, str], Rebased]
    known: Callable[[Overlay], Decisions | None]
    memory: Path
    prefix: str = ""
    fits: Callable[[str | None], str] = lambda _base: ""
    _seen: Seen | None = field(default=None, init=False)

    def run(self, targets: Iterable[str]) -> list[Result]:
        """A result for each target. Raises what keeps all of them from being looked at."""
        self._seen = self.repository.look(self.options.base, branch.PREFIX)
        inputs = self.inputs
        found = [self._safely(target, inputs) for target in targets]
        return self._moved(found)

    def moved(self, targets: Iterable[str]) -> tuple[str, ...]:
        """The targets that a run would look into: what it takes to know is read, and no more."""
        self._seen = self.repository.look(self.options.base, branch.PREFIX)
        inputs = self.inputs
        return tuple(target for target in targets if self._is_open(target, inputs))

    def _is_open(self, target: str, inputs: Inputs) -> bool:
        standing = self._standing(target)
        files_then = standing.before.files if standing.before else {}
        if not any(self.project.path_of(target, each) for each in (files_then, inputs.lock.files)):
            return False
        if standing.strangers or not standing.is_known:
            return True  # a run has to say so
        return not (
            self._is_made(target, standing, inputs) or self._remembers(target, standing, inputs)
        )

    @cached_property
    def inputs(self) -> Inputs:
        lock = self.upstream()
        return Inputs(self.source.newest.address.url, lock, overlay_digest(self.tree))

    def _safely(self, target: str, inputs: Inputs) -> Result:
        try:
            return self._turn(target, inputs)
        except MidstreamError as error:
            return Result(target, Outcome.FAILED, error.message, error=error)

    def _turn(self, target: str, inputs: Inputs) -> Result:
        standing = self._standing(target)
        if standing.strangers or not standing.is_known:
            return Result(target, Outcome.STOPPED, self._why_stopped(target, standing), standing)
        if self._is_made(target, standing, inputs) or self._remembers(target, standing, inputs):
            return Result(target, Outcome.SAME, standing=standing)
        self._refuse_other_release(standing.before, inputs.lock)
        if self.project.path_of(target, inputs.lock.files) is None:
            return self._without_file(target, standing, inputs)
        held = self._held_back(target, standing, inputs)
        if held:
            return Result(target, Outcome.HELD, held, standing)
        return self._rebased(target, standing, inputs)

    def carried(self, target: str) -> Lock | None:
        """The upstream that a target's branch, or the base, carries; upstream isn't asked."""
        return self._standing(target).before

    def bring_history(self) -> None:
        """Fetch all of upstream's commits that lead to the one that is followed."""
        wanted = self.options.commit or self.options.ref
        if wanted.startswith("refs/"):
            self.source.history.tip(wanted)
        else:
            self.source.history.commit(wanted)

    # --- for people ---

    def describe(self, result: Result) -> Description:
        """What a target's branch is about. Raises as a rebase does."""
        rebased = result.rebased or self._render(result.target, self.inputs)
        from midstream.sync.describing import describe

        standing = result.standing
        before = (self._lock_at(standing.base) or standing.before) if standing else None
        commits = self._commits(before, rebased)
        tip = result.new or (standing.tip if standing else None) or ""
        return describe(rebased, self.inputs, before, commits, tip)

    def _commits(self, before: Lock | None, rebased: Rebased) -> tuple[Told, ...]:
        """Upstream's commits; none where they can't be had, which is better than no description."""
        from midstream.sync.commits import told

        if before is None:
            return ()
        try:
            self.bring_history()
            return told(self.source, before, self.inputs.lock, rebased)
        except MidstreamError:
            return ()

    def is_moot(self, result: Result) -> bool:
        """Whether the base holds the results of a target's branch already."""
        from midstream.rebasing.flow import RENDERED

        standing = result.standing
        tip = result.new or (standing.tip if standing else None)
        if standing is None or tip is None or not (result.new or standing.is_ahead):
            return True
        top = self._path(f"{RENDERED}/{self.project.name}")
        mine = f"{top}/Dockerfile.{result.target}.ubi", f"{top}/{result.target}.files/"
        paths = [p for p in self.repository.paths(tip, top) if p.startswith(mine)]
        there = self.repository.read(tip, paths)
        return same_outcome(
            self.repository.read(standing.base, paths), {p: d for p, d in there.items() if d}
        )

    # --- what is there ---

    def _standing(self, target: str) -> Standing:
        seen = self._seen
        assert seen is not None  # noqa: S101 - `run` has looked
        name = branch_of(target)
        base, tip = seen.base, seen.tips.get(name)
        meet = self.repository.meeting(base, tip) if base and tip else None
        if base and tip and meet is None:
            return Standing(name, base, tip, None, (), (), None, is_known=False)
        new = self.repository.ahead(base, tip) if tip and tip != meet else ()
        parent = tip if tip and meet == base else base
        wanted = [*new, parent] if parent and parent not in new else list(new)
        written = {each.id: each for each in self.repository.read_commits(wanted)}
        before = self._lock_at(parent)
        own = tuple(written[each] for each in new)
        onto = written[parent] if parent else None
        return Standing(name, base, tip, onto, own, branch.strangers(own), before)

    def _lock_at(self, commit: str | None) -> Lock | None:
        """The upstream that is carried at a commit."""
        path = self._path(f"{FOLDER}/{self.project.name}.lock.json")
        return _lock_or_none(path, self.repository.read(commit, [path])[path])

    def _why_stopped(self, target: str, standing: Standing) -> str:
        if not standing.is_known:
            cut = self.repository.is_cut_off
            way = "fetch all of its history (fetch-depth: 0)" if cut else "say which with --base"
            return f"`{standing.branch}` has nothing in common with `{self.options.base}`; {way}"
        count = len(standing.strangers)
        last = standing.strangers[0]
        subject = last.message.partition("\n")[0]
        are = "is" if count == 1 else "are"
        return (
            f"{counted(count, 'commit')} on `{standing.branch}` {are} a person's, "
            f"the last one {last.id[:12]} ({subject}) by {last.author}; merge the branch, or write "
            f"the change as an edit under overlays/{target}/ and delete the branch"
        )

    # --- gates ---

    def _is_made(self, target: str, standing: Standing, inputs: Inputs) -> bool:
        """Whether the branch, or the base, was made from these very inputs."""
        parent, before = standing.parent, standing.before
        if parent is None or before is None or not branch.is_ours(parent):
            return False
        said = branch.trailers(parent.message)
        return (
            said.get("Overlay") == inputs.overlay
            and said.get("Tool") == inputs.tool
            and before.release == inputs.lock.release
            and (before.commit == inputs.lock.commit or before.version == inputs.lock.version)
            and self._matter(target, before) == self._matter(target, inputs.lock)
        )

    def _remembers(self, target: str, standing: Standing, inputs: Inputs) -> bool:
        """Whether these inputs gave nothing new for this parent before, on this machine."""
        return files.exists(self._note(target, standing, inputs))

    def _matter(self, target: str, lock: Lock) -> Mapping[str, str]:
        return matter(self.project, target, self._used, lock)

    @cached_property
    def _used(self) -> tuple[str, ...] | None:
        return siblings(self.tree)

    def _note(self, target: str, standing: Standing, inputs: Inputs) -> Path:
        files_now = self._matter(target, inputs.lock)
        lock = replace(inputs.lock, commit="", date="", files=files_now)
        parent = standing.parent.id if standing.parent else ""
        parts = [target, parent, self.prefix, inputs.overlay, inputs.tool, lock.as_bytes().hex()]
        return self.memory / hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def _held_back(self, target: str, standing: Standing, inputs: Inputs) -> str:
        """Why upstream isn't followed yet; nothing where it is."""
        before, lock = standing.before, inputs.lock
        if before is None or self._matter(target, before) == self._matter(target, lock):
            return ""
        if not self.options.ref.startswith("refs/heads/"):
            return ""  # a tag or a commit is what a person or upstream chose
        if before.release and not (self.options.quiet or self.options.skip):
            return ""
        self.bring_history()
        history = self.source.history
        if not before.release and history.is_ancestor(lock.commit, before.commit):
            return f"{lock.commit[:12]} is older than {before.commit[:12]}, which is carried here"
        if not before.release and not history.is_ancestor(before.commit, lock.commit):
            raise Refused(
                f"upstream rewrote its history: {before.commit[:12]}, which is carried here, is "
                f"no part of {self.options.ref} any more",
                help="look at it; if it is meant, delete the branch, and run: "
                f"midstream track --to {lock.commit}",
            )
        return self._noise(target, before, lock)

    def _refuse_other_release(self, before: Lock | None, lock: Lock) -> None:
        """A release is what it was, and the newest one never an older one. Raises `Refused`."""
        if before is None or not (before.release and lock.release):
            return
        meant = (
            "look at it; if it is meant, delete the branch, and run: "
            f"midstream track --to {lock.commit}"
        )
        if before.release == lock.release and not lock.commit.startswith(before.commit):
            raise Refused(
                f"upstream moved the tag of {lock.release}: what is carried here was made from "
                f"{before.commit[:12]}, and the tag is on {lock.commit[:12]} now",
                help=meant,
            )
        if self.options.newest and is_older(lock.release, before.release):
            raise Refused(
                f"upstream's newest release is {lock.release}, and {before.release} is carried "
                "here: was it withdrawn?",
                help=meant,
            )

    def _noise(self, target: str, before: Lock, lock: Lock) -> str:
        paths = sorted({*self._matter(target, lock), *self._matter(target, before)})
        touched = self.source.commits(before, lock, paths)
        if self.options.quiet and touched:
            age = self.options.now - _seconds(touched[0].date)
            if age < self.options.quiet:
                return (
                    f"{touched[0].id[:12]} is {age / 3600:.1f} hours old, "
                    f"--quiet-period waits for {self.options.quiet / 3600:g}"
                )
        skip = self.options.skip
        if skip and touched and all(skip.search(each.subject) for each in touched):
            return f"--skip holds for all of {counted(len(touched), 'upstream commit')}"
        return ""

    def _without_file(self, target: str, standing: Standing, inputs: Inputs) -> Result:
        """Upstream has no Dockerfile for a target: it never had, or it took the file away."""
        before = standing.before
        was = self.project.path_of(target, before.files) if before else None
        if was is None or before is None:
            said = "upstream has no Dockerfile for it"
            return Result(target, Outcome.SAME, said, standing)
        from midstream.sync.renamed import moved_to

        now = moved_to(self.source, before.files[was], before, inputs.lock)
        where = f"`{now}` is what it was, or much like it" if now else "nothing there resembles it"
        raise MissingDockerfile(
            f"upstream has no `{was}` any more at {inputs.lock.label}; {where}",
            help=f"give its new path in {self.project.source.name}, with the old one under `was:`"
            if now
            else f"take `{target}` out of {self.project.source.name} if it is no longer shipped",
        )

    # --- making ---

    def _rebased(self, target: str, standing: Standing, inputs: Inputs) -> Result:
        mismatch = self.fits(standing.base)
        if mismatch:
            raise Refused(mismatch, help="commit it, or pull; then run again")
        rebased = self._render(target, inputs)
        if rebased.questions:
            return Result(target, Outcome.ASKED, _wanting(rebased), standing, rebased=rebased)
        if not rebased.is_proved:
            return Result(target, Outcome.ERRORS, _wanting(rebased), standing, rebased=rebased)
        return self._committed(target, standing, inputs, rebased)

    def _render(self, target: str, inputs: Inputs) -> Rebased:
        self.source.bring(inputs.lock)
        return self.rebase(self.source.locked(inputs.lock), target)

    def _committed(
        self, target: str, standing: Standing, inputs: Inputs, rebased: Rebased
    ) -> Result:
        made = {self._path(path): data for path, data in self._made(rebased).items()}
        parent = standing.parent
        gone = self._leftovers(parent, rebased, made)
        there = self.repository.read(parent.id if parent else None, made)
        if not gone and same_outcome(there, made):
            files.write(self._note(target, standing, inputs), b"")
            return Result(target, Outcome.SAME, standing=standing, rebased=rebased)
        edited = self._edited(rebased, there)
        if edited:
            return Result(target, Outcome.STOPPED, edited, standing, rebased=rebased)
        lock = self._path(f"{FOLDER}/{self.project.name}.lock.json")
        changes = {**dict.fromkeys(gone), **made, lock: inputs.lock.as_bytes()}
        text = branch.message(target, rebased.origin.dockerfile.name, inputs, standing.before)
        if self.options.dry_run:
            return Result(target, Outcome.MOVED, "a dry run", standing, rebased=rebased)
        new, _ = self.repository.commit(
            parent, changes, text, branch.WHO, int(_seconds(inputs.lock.date))
        )
        return Result(target, Outcome.MOVED, "", standing, new, rebased)

    def _edited(self, rebased: Rebased, there: Mapping[str, bytes | None]) -> str:
        """What a person changed in the results that the new ones would take the place of."""
        from midstream.rebasing.results import edited_by_hand

        found = edited_by_hand(rebased, lambda path: there.get(self._path(path)))
        places = ", ".join(Place(each.source, each.span).at for each in found)
        if not places:
            return ""
        return (
            f"{places} was edited by hand; make edits of the overlay of it: "
            f"midstream absorb --target {rebased.overlay.target}"
        )

    def _made(self, rebased: Rebased) -> dict[str, bytes]:
        from midstream.history import decisions
        from midstream.rebasing.results import results

        lock = rebased.decisions.continuing(self.known(rebased.overlay))
        return {**results(rebased), f"{rebased.overlay.folder}/{decisions.NAME}": lock.as_bytes()}

    def _leftovers(
        self, parent: Written | None, rebased: Rebased, made: Mapping[str, bytes]
    ) -> tuple[str, ...]:
        """Files that went beside an earlier result, and that the new one doesn't need."""
        top = rebased.result.name.rpartition("/")[0]
        folder = self._path(f"{top}/{rebased.overlay.target}.files")
        there = self.repository.paths(parent.id if parent else None, folder)
        return tuple(sorted(there - made.keys()))

    def _path(self, path: str) -> str:
        return f"{self.prefix}{path}"

    # --- moving ---

    def _moved(self, found: list[Result]) -> list[Result]:
        moves = {
            each.target: Move(each.standing.branch, each.standing.tip, each.new)
            for each in found
            if each.new and each.standing
        }
        if not moves:
            return found
        if self.options.pushes:
            return self._pushed(found, moves)
        on = self.repository.checked_out()
        free = {target: move for target, move in moves.items() if move.branch not in on}
        self.repository.move(free.values())
        return [_kept_off(each) if each.target in moves.keys() - free.keys() else each
                for each in found]  # fmt: skip

    def _pushed(self, found: list[Result], moves: Mapping[str, Move]) -> list[Result]:
        said = self.repository.push(moves.values())
        return [
            _as_pushed(each, said[moves[each.target].branch]) if each.target in moves else each
            for each in found
        ]


def _wanting(rebased: Rebased) -> str:
    """`1 question, 2 errors; the branch stays as it is`"""
    return f"{rebased.wanting}; the branch stays as it is"


def _as_pushed(result: Result, said: Answer) -> Result:
    if said.verdict is Pushed.DONE:
        return result
    if said.verdict is Pushed.STALE:
        return replace(result, outcome=Outcome.LOST, said="somebody moved the branch meanwhile")
    why = f": {said.why}" if said.why else ""
    return replace(result, outcome=Outcome.REFUSED, said=f"the repository refuses the push{why}")


def _kept_off(result: Result) -> Result:
    branch_name = result.standing.branch if result.standing else ""
    said = f"`{branch_name}` is checked out in a work tree, which isn't touched; leave it first"
    return replace(result, outcome=Outcome.STOPPED, said=said)


def _lock_or_none(path: str, data: bytes | None) -> Lock | None:
    try:
        return None if data is None else read_lock(Source.from_bytes(path, data))
    except UnreadableLock:
        return None


def _seconds(date: str) -> float:
    return datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()
