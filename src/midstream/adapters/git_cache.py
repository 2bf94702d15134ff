"""What is kept of upstream's repository: the newest trees for gates, and all trees for history.

Neither cache has files in it: those are fetched by their ids, many over one connection. A cache
that git can't work with any more is thrown away and made again.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.adapters import files, git
from midstream.adapters.blobs import blob_id
from midstream.adapters.git import DamagedPack, GitBusy, GitFailed, NoSuchRef
from midstream.adapters.locking import locked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from midstream.adapters.git import Address

_PATIENCE = 300.0  # seconds to wait for another run that fetches into the same cache
_LARGEST = 32 * 1024 * 1024  # bytes of one kept file; real ones are below 1 MB
_FETCH = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head")
_NO_FILES, _NO_TREES = "--filter=blob:none", "--filter=tree:0"
TOKEN = "MIDSTREAM_UPSTREAM_TOKEN"  # noqa: S105 - the name of a variable


class Entry(Struct, frozen=True):
    """A name in a tree. `is_file` is False for a symbolic link and a submodule."""

    blob: str
    is_file: bool


class Commit(Struct, frozen=True):
    """A commit. `date` is the committer's, in UTC, as RFC 3339 writes it."""

    id: str
    parents: tuple[str, ...]
    author: str
    date: str
    message: str

    @property
    def subject(self) -> str:
        return self.message.lstrip().partition("\n")[0]


class Touch(Struct, frozen=True):
    """A path that a commit changed. An id is None where the file came or went."""

    path: str
    old: str | None
    new: str | None


class Tag(Struct, frozen=True):
    """A tag, the commit that it is on, and that commit's date, as for `Commit`."""

    name: str
    commit: str
    date: str


class Cache(Struct, frozen=True):
    """A bare repository without files, of one address. `shallow`: newest commits only; `bare` has
    no trees either."""

    folder: Path
    address: Address
    shallow: bool
    bare: bool = False

    @classmethod
    def of(cls, caches: Path, address: Address, *, shallow: bool, bare: bool = False) -> Cache:
        name = hashlib.sha256(address.url.encode()).hexdigest()[:16]
        kind = "tags" if bare else "newest" if shallow else "history"
        return cls(caches / "git" / name / kind, address, shallow, bare)

    # --- bringing ---

    def tip(self, ref: str) -> str:
        """Fetch a branch or a tag by its full name; the commit that it names.

        Raises `NoSuchRef`, `GitUnreachable`, `GitForbids` and `DamagedPack`.
        """
        kept = f"refs/upstream/{git.full_ref(ref)[5:]}"
        self._fetch(f"+{ref}:{kept}")
        return self._commit_id(kept)

    def commit(self, name: str) -> str:
        """Fetch a commit by its whole id, if it isn't here."""
        kept = f"refs/upstream/commits/{name}"
        try:
            return self._commit_id(kept)
        except (GitFailed, NoSuchRef, DamagedPack):
            self._fetch(f"+{name}:{kept}")
            return self._commit_id(kept)

    def tags(self, pattern: str) -> dict[str, str]:
        """The tags of a pattern, and what each names."""
        self._make()
        out = self._ask("ls-remote", "--refs", "--tags", "--", self.address.url)
        rows = (line.split("\t") for line in out.decode(errors="replace").splitlines())
        found = {name.removeprefix("refs/tags/"): commit for commit, name in rows}
        return {name: found[name] for name in found if _matches(pattern, name)}

    def default_branch(self) -> str | None:
        """The branch that `HEAD` names there; None where it names none."""
        self._make()
        out = self._ask("ls-remote", "--symref", "--", self.address.url, "HEAD")
        found = re.match(r"ref: refs/heads/(\S+)\tHEAD", out.decode(errors="replace"))
        return found[1] if found else None

    def tagged(self, pattern: str) -> tuple[Tag, ...]:
        """Fetch the tags of a pattern; those that are on a commit. What is gone there goes here."""
        start = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
        wild = "*" if start != pattern else ""
        try:
            self._fetch(f"+refs/tags/{start}{wild}:refs/upstream/tags/{start}{wild}", "--prune")
        except NoSuchRef:
            return ()
        form = "%(refname)%00%(objectname)%00%(committerdate:unix)"
        out = git.run(
            "for-each-ref", f"--format={form}%00%(*objectname)%00%(*committerdate:unix)",
            "refs/upstream/tags/", folder=self.folder,
        )  # fmt: skip
        rows = (line.split("\0") for line in os.fsdecode(out).splitlines())
        found = ((row[0][len("refs/upstream/tags/") :], *_of_commit(row)) for row in rows)
        return tuple(
            Tag(name, commit, _date(when))
            for name, commit, when in found
            if when and _matches(pattern, name)
        )

    def files(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """The bytes behind these ids, over one connection, each proved."""
        wanted = tuple(dict.fromkeys(names))
        if not wanted:
            return
        listed = "".join(f"{name}\n" for name in wanted).encode()
        with self._held():
            self._ask(
                *("-c", "fetch.negotiationAlgorithm=noop"), *_FETCH, _NO_FILES, "--stdin", "origin",
                input=listed,
            )  # fmt: skip
            out = git.run("cat-file", "--batch", folder=self.folder, input=listed)
        for name, data in _batch(out, wanted):
            if blob_id(data) != name:
                raise DamagedPack(f"what {self.address.url} gave as {name} is something else")
            yield name, data

    # --- reading ---

    def entries(self, commit: str) -> dict[str, Entry]:
        """Every name in a commit's tree, by its path."""
        out = git.run("ls-tree", "-r", "-z", "--full-tree", commit, folder=self.folder)
        found = {}
        for line in out.split(b"\0")[:-1]:
            about, _, path = line.partition(b"\t")
            mode, _, blob = about.decode().split(" ")
            found[os.fsdecode(path)] = Entry(blob, mode in ("100644", "100755"))
        return found

    def commits(self, names: Iterable[str]) -> tuple[Commit, ...]:
        """What is known of commits that are here."""
        wanted = tuple(names)
        listed = "".join(f"{name}\n" for name in wanted).encode()
        out = git.run("cat-file", "--batch", folder=self.folder, input=listed) if wanted else b""
        return tuple(read_commit(name, data) for name, data in _batch(out, wanted))

    def between(self, old: str, new: str, paths: Iterable[str]) -> tuple[str, ...]:
        """The commits that lead from one to the other and change a path, newest first."""
        return self._list((f"{old}..{new}",), paths)

    def younger(self, date: str, new: str, paths: Iterable[str]) -> tuple[str, ...]:
        """The commits that changed a path after a date, newest first."""
        return self._list((f"--since={date}", new), paths)

    def line(self, old: str | None, new: str, paths: Iterable[str], since: str = "") -> list[str]:
        """The commits of a branch as it went that changed a path, newest first: those behind
        another commit, or those after a date. A merge is one of them."""
        which = (new, *((f"^{old}",) if old else ()), *((f"--since={since}",) if since else ()))
        return list(self._list(("--first-parent", *which), paths))

    def since(self, old: str | None, new: str) -> frozenset[str]:
        """All commits that lead to one, without those that another one has."""
        which = (new, *((f"^{old}",) if old else ()))
        out = git.run("rev-list", *which, folder=self.folder)
        return frozenset(out.decode().split())

    def recent(self, tip: str, most: int) -> tuple[str, ...]:
        """A branch's newest commits, as it went, newest first."""
        out = git.run("rev-list", "--first-parent", f"--max-count={most}", tip, folder=self.folder)
        return tuple(out.decode().split())

    def _list(self, which: tuple[str, ...], paths: Iterable[str]) -> tuple[str, ...]:
        out = git.run("rev-list", *which, "--", *paths, folder=self.folder)
        return tuple(out.decode().split())

    def touched(self, commits: Iterable[str]) -> dict[str, tuple[Touch, ...]]:
        """Which paths each of these commits changed; a merge none."""
        return self._differences(commits, ())

    def steps(self, commits: Iterable[Commit], paths: Iterable[str]) -> list[tuple[Touch, ...]]:
        """What each commit made of these paths, against its first parent: a merge as well."""
        wanted = list(commits)
        found = self._differences((" ".join((c.id, *c.parents[:1])) for c in wanted), paths)
        return [found.get(each.id, ()) for each in wanted]

    def _differences(
        self, lines: Iterable[str], paths: Iterable[str]
    ) -> dict[str, tuple[Touch, ...]]:
        out = git.run(
            "diff-tree", "--stdin", "-r", "-z", "--root", "--no-renames", "--no-abbrev",
            "--", *paths, folder=self.folder, input="".join(f"{each}\n" for each in lines).encode(),
        )  # fmt: skip
        return _touches(out)

    @property
    def is_there(self) -> bool:
        """Whether anything was fetched yet."""
        return files.exists(self.folder / "HEAD")

    def known(self, name: str) -> str | None:
        """The commit behind an id, also an abbreviated one, or behind a branch or tag that was
        fetched, by its full name; None where it isn't here. Nobody is asked."""
        kept = f"refs/upstream/{name[5:]}" if name.startswith("refs/") else name
        try:
            return self._commit_id(kept)
        except (GitFailed, NoSuchRef, DamagedPack):
            return None

    def meeting(self, one: str, other: str) -> str | None:
        """The newest commit that is part of both histories."""
        done = git.attempt("merge-base", one, other, folder=self.folder)
        return done.stdout.decode().strip() or None

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether a commit is part of another's history; no for one that isn't here."""
        return git.says_yes("merge-base", "--is-ancestor", old, new, folder=self.folder)

    # --- the repository itself ---

    def _commit_id(self, name: str) -> str:
        out = git.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}",
                      folder=self.folder)  # fmt: skip
        return out.decode().strip()

    def _fetch(self, refspec: str, *options: str) -> None:
        depth = ("--depth=1",) if self.shallow else ()
        words = (*_FETCH, _NO_TREES if self.bare else _NO_FILES, *depth, *options)
        with self._held():
            try:
                self._ask(*words, "origin", refspec)
            except (GitBusy, GitFailed, DamagedPack):  # perhaps it is the cache that is damaged
                self._remove()
                self._make()
                self._ask(*words, "origin", refspec)

    def _ask(self, *words: str, input: bytes = b"") -> bytes:
        token = os.environ.get(TOKEN, "")
        return git.run(*words, folder=self.folder, to=self.address, token=token, input=input)

    def _held(self) -> AbstractContextManager[None]:
        self._make()
        return locked(self.folder / "midstream.lock", "fetches from upstream", _PATIENCE)

    def _make(self) -> None:
        """An empty repository that says it isn't whole. `HEAD` comes last: with it, it is one."""
        if files.exists(self.folder / "HEAD"):
            return
        files.write(self.folder / "config", _config(self.address).encode())
        for name in ("objects", "refs"):
            files.make_folder(self.folder / name)
        files.write(self.folder / "HEAD", b"ref: refs/heads/none\n")

    def _remove(self) -> None:
        for path in self.folder.iterdir():
            if path.name == "midstream.lock":
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def read_commit(name: str, data: bytes) -> Commit:
    """A commit as git stores it."""
    head, _, message = data.decode(errors="replace").partition("\n\n")
    lines = [line.partition(" ") for line in head.split("\n")]
    said = {key: value for key, _, value in reversed(lines)}
    who, _, when = said["committer"].rpartition("> ")
    author = said["author"].rpartition(" <")[0]
    parents = tuple(value for key, _, value in lines if key == "parent")
    return Commit(name, parents, author or who, _date(when), message)


def _date(when: str) -> str:
    """`1700000000 +0100` in UTC."""
    try:
        at = datetime.fromtimestamp(int(when.split()[0]), UTC)
    except (ValueError, OverflowError, IndexError):
        raise DamagedPack(
            f"upstream has a commit of the date `{when}`, which no calendar has"
        ) from None
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _of_commit(row: list[str]) -> tuple[str, str]:
    """The commit that a tag is on, and its date: an annotated tag is an object before it."""
    _, own, when, inner, inner_when = row
    return (inner, inner_when) if inner_when else (own, when)


def _batch(out: bytes, names: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """The answers of `cat-file --batch`, in the order of the questions."""
    at = 0
    for name in names:
        end = out.index(b"\n", at)
        words = out[at:end].split()
        if len(words) != 3:
            raise NoSuchRef(f"upstream's repository has no object {name}")
        size = int(words[2])
        if size > _LARGEST:
            raise DamagedPack(f"{name} has {size} bytes, more than any file that is watched")
        yield name, out[end + 1 : end + 1 + size]
        at = end + size + 2


def _touches(out: bytes) -> dict[str, tuple[Touch, ...]]:
    found: dict[str, list[Touch]] = {}
    parts = iter(out.split(b"\0")[:-1])
    commit = ""
    for part in parts:
        if not part.startswith(b":"):
            commit = part.decode().strip()
            found.setdefault(commit, [])
            continue
        _, _, old, new, _ = part.decode().split(" ")
        path = os.fsdecode(next(parts))
        found[commit].append(Touch(path, _or_none(old), _or_none(new)))
    return {name: tuple(each) for name, each in found.items()}


def _or_none(name: str) -> str | None:
    return None if set(name) == {"0"} else name


def _matches(pattern: str, name: str) -> bool:
    from fnmatch import fnmatchcase

    return fnmatchcase(name, pattern)


def _config(address: Address) -> str:
    quoted = address.url.replace("\\", "\\\\").replace('"', '\\"')
    return f"""\
[core]
\trepositoryformatversion = 1
\tbare = true
[extensions]
\tpartialClone = origin
[remote "origin"]
\turl = "{quoted}"
\tpromisor = true
\tpartialclonefilter = blob:none
"""
