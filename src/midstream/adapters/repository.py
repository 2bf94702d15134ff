"""The midstream's repository: what its branches hold, new commits on them, and the push.

No work tree is read or written. A branch moves from the very commit that was looked at, or not.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.adapters import files, git
from midstream.adapters.git import Address, GitBusy, NoSuchRef, UnsafeAddress
from midstream.errors import MidstreamError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_SEEN = "refs/midstream/seen"
TOKEN = "MIDSTREAM_GIT_TOKEN"  # noqa: S105 - the name of a variable


class Written(Struct, frozen=True):
    """A commit as it stands in a repository. `author` and `committer` are `Name <address>`."""

    id: str
    tree: str
    parents: tuple[str, ...]
    author: str
    committer: str
    message: str


class Move(Struct, frozen=True):
    """A branch that goes from one commit to another; from None where it is new."""

    branch: str
    old: str | None
    new: str

    @property
    def ref(self) -> str:
        return git.full_ref(f"refs/heads/{self.branch}")


class Pushed(StrEnum):
    DONE = "done"
    STALE = "stale"  # somebody was quicker
    REFUSED = "refused"  # the other side's rules
    WITH_OTHERS = "not tried"  # another branch of the same push was rejected


class Answer(Struct, frozen=True):
    """What the other side says of one branch of a push, and why."""

    verdict: Pushed
    why: str = ""


class Seen(Struct, frozen=True):
    """The branches at one moment: the one that changes are made on, and those of a prefix."""

    base: str | None
    tips: Mapping[str, str]


class Repository(Struct, frozen=True):
    """`remote` names where it is fetched from and pushed to; without one it is all there is.

    `is_between`: a clone of our own, which nobody else works in.
    """

    folder: Path
    remote: str | None = None
    address: Address | None = None
    token: str = ""
    is_between: bool = False

    # --- looking ---

    def look(self, base: str, prefix: str) -> Seen:
        """Where the base branch and the branches below `prefix/` stand; at the remote, if any."""
        top = "refs/heads"
        if self.remote:
            self._fetch(base, prefix)
            top = _SEEN
        out = self._git(
            "for-each-ref", "--format=%(objectname) %(refname)", f"{top}/{base}", f"{top}/{prefix}"
        )
        rows = [line.split(" ", 1) for line in out.decode().splitlines()]
        tips = {name.removeprefix(f"{top}/"): commit for commit, name in rows}
        return Seen(tips.pop(base, None), tips)

    def _fetch(self, base: str, prefix: str) -> None:
        every = f"+refs/heads/{prefix}/*:{_SEEN}/{prefix}/*"
        one = f"+{git.full_ref(f'refs/heads/{base}')}:{_SEEN}/{base}"
        words = ("fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--")
        try:
            self._talk_again(*words, self.remote or "", one, every)
        except NoSuchRef:  # a repository without a commit, perhaps
            if self._talk("ls-remote", "--heads", "--", self.remote or ""):
                raise NoSuchRef(
                    f"{self.name} has no branch `{base}`", help="say which with --base"
                ) from None

    def _talk_again(self, *words: str) -> None:
        try:
            self._talk(*words)
        except GitBusy:
            if not self.is_between:
                raise
            for left in self.folder.rglob("*.lock"):  # of a git that was killed
                left.unlink()
            self._talk(*words)

    def ahead(self, base: str | None, tip: str) -> tuple[str, ...]:
        """The commits of a branch that the base doesn't have, newest first."""
        words = (tip, f"^{base}") if base else (tip,)
        return tuple(self._git("rev-list", "--end-of-options", *words).decode().split())

    def read_commits(self, names: Iterable[str]) -> tuple[Written, ...]:
        wanted = list(names)
        texts = self._contents(wanted)
        return tuple(_written(name, texts[name] or b"") for name in wanted)

    def read(self, commit: str | None, paths: Iterable[str]) -> dict[str, bytes | None]:
        """Files of a commit; None for one that isn't there."""
        wanted = tuple(paths)
        if commit is None:
            return dict.fromkeys(wanted)
        texts = self._contents([f"{commit}:{path}" for path in wanted])
        return {path: texts[f"{commit}:{path}"] for path in wanted}

    def paths(self, commit: str | None, folder: str) -> frozenset[str]:
        """The files below a folder of a commit."""
        if commit is None:
            return frozenset()
        out = self._git("ls-tree", "-r", "-z", "--name-only", "--full-tree", commit, f"{folder}/")
        return frozenset(path.decode(errors="surrogateescape") for path in out.split(b"\0") if path)

    def meeting(self, first: str, second: str) -> str | None:
        """The last commit that two have in common; None for one cut off before it."""
        done = git.attempt("merge-base", first, second, folder=self.folder, own=True)
        return done.stdout.decode().strip() or None

    @property
    def is_cut_off(self) -> bool:
        return self._git("rev-parse", "--is-shallow-repository").strip() == b"true"

    @property
    def name(self) -> str:
        return self.address.url if self.address else str(self.folder)

    def checked_out(self) -> frozenset[str]:
        """The branches that a work tree is on."""
        out = self._git("worktree", "list", "--porcelain").decode(errors="replace")
        return frozenset(re.findall(r"^branch refs/heads/(.+)$", out, re.MULTILINE))

    def changed_since(self, base: str | None, root: Path, names: Iterable[str]) -> list[str]:
        """What differs below a folder of the work tree from a commit, new files too."""
        if base is None:
            return []
        below = [f"{name}/" for name in names]
        where = ("--relative",) if root.resolve() != self.folder.resolve() else ()
        words = ("diff", "--name-only", "-z", "--no-ext-diff", "--no-textconv", *where, base)
        changed = git.run(*words, "--", *below, folder=root, own=True)
        new = git.run("ls-files", "--others", "--exclude-standard", "-z", "--", *below,
                      folder=root, own=True)  # fmt: skip
        out = (changed + new).decode(errors="replace")
        return [path for path in out.split("\0") if path]

    # --- changing ---

    def commit(
        self,
        parent: Written | None,
        changes: Mapping[str, bytes | None],
        message: str,
        who: str,
        at: int,
    ) -> tuple[str, str]:
        """A commit that no branch names yet; its id, and that of its tree."""
        return git.write_commit(
            self.folder, parent.id if parent else None, parent.tree if parent else None, changes,
            message, who, at,
        )  # fmt: skip

    def move(self, moves: Iterable[Move]) -> None:
        """Move branches of this repository, all or none. Raises `GitBusy`."""
        lines = [f"update {m.ref}\0{m.new}\0{m.old or '0' * 40}\0" for m in moves]
        said = ("-m", "midstream sync")
        self._git("update-ref", "--no-deref", *said, "--stdin", "-z", input="".join(lines).encode())

    def push(self, moves: Iterable[Move]) -> dict[str, Answer]:
        """Push branches, each only from where it was seen: all at once, and where one can't be,
        the others one by one. Raises `GitUnreachable` and `GitForbids`."""
        wanted = tuple(moves)
        if not wanted:
            return {}
        found = self._push(wanted)
        left = [m for m in wanted if found[m.branch].verdict is Pushed.WITH_OTHERS]
        for move in left:
            found |= self._push((move,))
        return found

    def _push(self, moves: tuple[Move, ...]) -> dict[str, Answer]:
        leases = [f"--force-with-lease={move.ref}:{move.old or ''}" for move in moves]
        refs = [f"{move.new}:{move.ref}" for move in moves]
        words = ("push", "--porcelain", "--atomic", "--no-verify", *leases, "--", self.remote or "")
        done = git.attempt(
            *words, *refs, folder=self.folder, own=True, to=self.address, token=self.token
        )
        said = _said_of_refs(done.stdout)
        if not all(move.ref in said for move in moves):
            raise git.failure(words, done.stderr.decode(errors="replace"), self.address)
        why = _of_remote(done.stderr)
        found = {move.branch: Answer(_verdict(said[move.ref]), why) for move in moves}
        if len(moves) == 1 and found[moves[0].branch].verdict is Pushed.WITH_OTHERS:
            # The whole of a push that is one branch failed: there are no others.
            is_late = "but expected" in why or ".lock': File exists" in why
            late = Pushed.STALE if is_late else Pushed.REFUSED
            return {moves[0].branch: Answer(late, why)}
        return found

    # --- git ---

    def _contents(self, names: list[str]) -> dict[str, bytes | None]:
        listed = "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")
        out = self._git("cat-file", "--batch", input=listed) if names else b""
        found: dict[str, bytes | None] = {}
        at = 0
        for name in names:
            end = out.index(b"\n", at)
            words = out[at:end].rsplit(b" ", 2)
            if not words[-1].isdigit():
                found[name], at = None, end + 1
                continue
            size = int(words[-1])
            found[name] = out[end + 1 : end + 1 + size]
            at = end + size + 2
        return found

    def _git(self, *words: str, input: bytes = b"") -> bytes:
        return git.run(*words, folder=self.folder, own=True, input=input)

    def _talk(self, *words: str) -> bytes:
        return git.run(*words, folder=self.folder, own=True, to=self.address, token=self.token)


def open_repository(
    where: str, caches: Path, *, pushes: bool, token: str, remote: str = "origin"
) -> Repository:
    """A repository by its folder, or by its URL: then a clone of our own is between.

    Raises `UsageError`.
    """
    if "://" in where:
        address = git.address(where)
        name = hashlib.sha256(where.encode()).hexdigest()[:16]
        folder = caches / "midstreams" / name
        _make_clone(folder)
        return Repository(folder, address.url, address, token, is_between=True)
    folder = _top(where)
    if not pushes:
        return Repository(folder)
    return Repository(folder, remote, _remote_address(folder, remote), token)


def head_branch(of: Repository) -> str | None:
    """The branch that a repository has checked out, or that its URL leads to."""
    if of.is_between and of.remote and of.address:
        out = git.run("ls-remote", "--symref", "--", of.remote, "HEAD", own=True, to=of.address,
                      token=of.token, folder=of.folder)  # fmt: skip
        found = re.match(rb"ref: refs/heads/(\S+)\tHEAD", out)
        return found[1].decode() if found else None
    try:
        out = git.run("symbolic-ref", "--quiet", "--short", "HEAD", folder=of.folder, own=True)
    except MidstreamError:
        return None
    return out.decode().strip()


def _make_clone(folder: Path) -> None:
    if not files.exists(folder / "HEAD"):
        files.write(folder / "config", b"[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
        for name in ("objects", "refs"):
            files.make_folder(folder / name)
        files.write(folder / "HEAD", b"ref: refs/heads/none\n")


def _top(where: str) -> Path:
    """The top of a work tree, or a bare repository's own folder. Raises `UsageError`."""
    from pathlib import Path

    folder = Path(where).absolute()
    try:
        out = git.run("rev-parse", "--absolute-git-dir", "--is-bare-repository",
                      "--show-object-format", folder=folder, own=True)  # fmt: skip
        place, bare, ids = out.decode().rstrip("\n").rsplit("\n", 2)
        ask_top = ("rev-parse", "--show-toplevel")
        top = b"" if bare == "true" else git.run(*ask_top, folder=folder, own=True)
    except MidstreamError:
        raise UsageError(
            f"`{where}` is no git repository", help="name one with --repo DIR, or its URL"
        ) from None
    if ids != "sha1":
        raise UsageError(f"`{where}` is a repository with {ids} ids, which can't be written to")
    return Path(top.decode().rstrip("\n") or place)


def _remote_address(folder: Path, remote: str) -> Address:
    try:
        out = git.run("remote", "get-url", "--push", "--", remote, folder=folder, own=True)
    except MidstreamError:
        raise UsageError(
            f"`{folder}` has no remote `{remote}` to push to", help="git remote add origin URL"
        ) from None
    url = out.decode().rstrip("\n")
    if url.startswith("/"):
        return Address(f"file://{url}")
    if re.match(r"[\w.+-]+@[\w.-]+:(?!/)", url):  # as scp writes it
        return Address(f"ssh://{url.replace(':', '/', 1)}")
    try:
        return git.address(re.sub(r"^(https://)[^/@]*@", r"\1", url))
    except UnsafeAddress:
        raise UsageError(
            f"the remote `{remote}` of `{folder}` has an address that is not pushed to"
        ) from None


def _written(name: str, data: bytes) -> Written:
    head, _, message = data.decode(errors="replace").partition("\n\n")
    lines = [line.partition(" ") for line in head.split("\n")]
    said = {key: value for key, _, value in reversed(lines)}
    who = {key: said.get(key, "").rpartition("> ")[0] + ">" for key in ("author", "committer")}
    parents = tuple(value for key, _, value in lines if key == "parent")
    return Written(name, said.get("tree", ""), parents, who["author"], who["committer"], message)


def _said_of_refs(out: bytes) -> dict[str, str]:
    """What `git push --porcelain` says of each branch."""
    rows = (line.split("\t") for line in out.decode(errors="replace").splitlines())
    return {row[1].rpartition(":")[2]: f"{row[0]} {row[2]}" for row in rows if len(row) == 3}


def _of_remote(said: bytes) -> str:
    """The first error that the other side writes, in its own words."""
    lines = (line.strip() for line in said.decode(errors="replace").splitlines())
    told = [line.removeprefix("remote: ") for line in lines if line.startswith("remote: ")]
    errors = [line.removeprefix("error: ") for line in told if line.startswith("error: ")]
    return next(iter([*errors, *told]), "")


def _verdict(said: str) -> Pushed:
    if not said.startswith("!"):
        return Pushed.DONE
    if "atomic" in said and "stale" not in said:
        return Pushed.WITH_OTHERS
    if any(each in said for each in ("stale info", "fetch first", "non-fast-forward", "lock ref")):
        return Pushed.STALE
    return Pushed.REFUSED
