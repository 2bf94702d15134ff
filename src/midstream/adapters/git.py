"""The door to git: every call with an environment of our own, an allow-list, and typed errors.

Processes run without a shell, hooks, prompts or anybody's settings. What reads and writes objects
of the midstream repository is GitPython, which is imported there and nowhere else.
"""

from __future__ import annotations

import base64
import os
import re
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct

from midstream.adapters import process
from midstream.adapters.files import CannotWrite
from midstream.errors import Exit, IntegrityError, MidstreamError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SCHEMES = ("https", "ssh", "file")
_ON_THIS_MACHINE = ("git", "http")  # neither is encrypted
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_KEPT = (
    "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_EXEC_PATH",
)  # fmt: skip
_OWN = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "XDG_CONFIG_HOME")
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.version": "2",
    "transfer.fsckObjects": "true",
    "fetch.recurseSubmodules": "false",
    "submodule.recurse": "false",
    "http.lowSpeedLimit": "100",  # bytes a second
    "http.lowSpeedTime": "60",
}
_ID = re.compile(r"[0-9a-f]{40}")
_REF = re.compile(r"refs/(?:heads|tags)/[^\s~^:?*\[\\\x00-\x20\x7f]+")


class UnsafeAddress(UsageError):
    """A URL that git isn't given: another scheme, a secret in it, or an option in disguise."""


class UnsafeName(UsageError):
    """A name that isn't the full name of a branch or a tag."""


class GitFailed(MidstreamError):
    """git was not content, for a reason that isn't told apart further."""


class GitUnreachable(MidstreamError):
    """The other side is down, slow, or broke off: it is safe to run again."""

    exit_code = Exit.TRANSIENT


class GitForbids(MidstreamError):
    """The other side wants a login, or another one."""

    exit_code = Exit.AUTHENTICATION


class NoSuchRef(MidstreamError):
    """The branch, tag or commit isn't there; it was deleted, renamed, or never was."""


class NameTaken(MidstreamError):
    """A branch can't be made, since another one's name is a part of its name."""

    exit_code = Exit.REFUSED


class GitBusy(MidstreamError):
    """Another git holds a lock, or moved a branch meanwhile: it is safe to run again."""

    exit_code = Exit.TRANSIENT


class DamagedPack(IntegrityError):
    """What arrived is not what a repository can hold."""


class Address(Struct, frozen=True):
    """A repository's URL, of a kind that git may be given."""

    url: str

    @property
    def scheme(self) -> str:
        return urlsplit(self.url).scheme

    @property
    def origin(self) -> str:
        """Where a token may be sent."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}/"


def address(url: str) -> Address:
    """Raises `UnsafeAddress`."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise UnsafeAddress(f"`{_without_secret(url)}` is no URL") from None
    if re.search(r"[\x00-\x20\x7f]", url) or host.startswith("-"):
        raise UnsafeAddress("a repository's URL has a character that doesn't belong there")
    if parts.password is not None or (parts.username is not None and parts.scheme != "ssh"):
        raise UnsafeAddress(
            f"`{_without_secret(url)}` has a login in it, which would be shown and kept",
            help="take it out, and give the token in MIDSTREAM_GIT_TOKEN",
        )
    near = parts.scheme in _ON_THIS_MACHINE and host in _LOOPBACK
    if not (parts.scheme in _SCHEMES or near) or (parts.scheme != "file" and not host):
        raise UnsafeAddress(
            f"`{url}` is not an address that midstream lets git open",
            help=f"use one of {', '.join(f'{each}://' for each in _SCHEMES)}",
        )
    return Address(url)


def full_ref(name: str) -> str:
    """The name, where it is the full one of a branch or a tag. Raises `UnsafeName`."""
    bad = ("..", "@{", "//", "/.", ".lock/")
    if (
        not _REF.fullmatch(name)
        or any(each in name for each in bad)
        or name.endswith((".", "/", ".lock"))
    ):
        raise UnsafeName(
            f"`{name}` is not the full name of a branch or a tag",
            help="a branch is refs/heads/…, a tag refs/tags/…; a commit is named by its whole id",
        )
    return name


def is_id(text: str) -> bool:
    """Whether it is the whole id of an object."""
    return _ID.fullmatch(text) is not None


def run(
    *words: str,
    folder: Path | None = None,
    to: Address | None = None,
    token: str = "",
    input: bytes = b"",
    timeout: float = 600,
    own: bool = False,
) -> bytes:
    """What git prints. `to` is whom it may talk to; without one it may talk to nobody.

    `own` is for the person's own repository, whose settings (how to log in, above all) count.
    Raises `GitFailed` or another error that says what went wrong.
    """
    done = attempt(*words, folder=folder, to=to, token=token, input=input, timeout=timeout, own=own)
    if done.exit_code:
        raise failure(words, done.stderr.decode(errors="replace"), to)
    return done.stdout


def attempt(
    *words: str,
    folder: Path | None = None,
    to: Address | None = None,
    token: str = "",
    input: bytes = b"",
    timeout: float = 600,
    own: bool = False,
) -> process.Finished:
    """As `run`, for who reads the exit code and what is said."""
    command = ("git", *(("-C", str(folder)) if folder else ()), *words)
    env = _environment(to, token, own=own)
    try:
        return process.run(*command, env=env, input=input, timeout=timeout)
    except process.TimedOut:
        raise GitUnreachable(f"git took longer than {timeout:g} s ({words[0]})") from None


def says_yes(*words: str, folder: Path, own: bool = False) -> bool:
    """Whether git says yes, in words that answer by their exit code."""
    env = _environment(None, "", own=own)
    return process.run("git", "-C", str(folder), *words, env=env, timeout=60).exit_code == 0


def write_commit(
    objects: Path,
    parent: str | None,
    tree: str | None,
    changes: Mapping[str, bytes | None],
    message: str,
    who: str,
    at: int,
) -> tuple[str, str]:
    """Make a commit, and nothing else: no ref, index or work tree is touched.

    `tree` is the parent's; None in `changes` takes a path out; `who` is `Name <address>` and `at`
    seconds since 1970. The same inputs give the same id. Gives the ids of the commit and its tree.
    Raises `CannotWrite`.
    """
    from git import Repo
    from git.index import BaseIndexEntry, IndexEntry, IndexFile
    from gitdb import IStream

    def store(kind: bytes, data: bytes) -> bytes:
        made: bytes = repo.odb.store(IStream(kind, len(data), BytesIO(data))).binsha
        return made

    try:
        with Repo(objects) as repo:
            # It starts `git cat-file`, which would follow the variables of a hook that runs us.
            repo.git.update_environment(GIT_DIR=str(repo.git_dir), GIT_NO_LAZY_FETCH="1")
            index = IndexFile.new(repo, *((tree,) if tree else ()))
            for path, data in changes.items():
                index.entries.pop((path, 0), None)
                if data is not None:
                    entry = BaseIndexEntry((0o100644, store(b"blob", data), 0, path))
                    index.entries[path, 0] = IndexEntry.from_base(entry)
            new = index.write_tree().hexsha
            return store(b"commit", _commit_text(new, parent, message, who, at)).hex(), new
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CannotWrite(f"can't write into `{objects}`: {reason}") from None


def _commit_text(tree: str, parent: str | None, message: str, who: str, at: int) -> bytes:
    above = f"parent {parent}\n" if parent else ""
    when = f"{who} {at} +0000"
    return f"tree {tree}\n{above}author {when}\ncommitter {when}\n\n{message}".encode()


def _environment(to: Address | None, token: str, *, own: bool) -> dict[str, str]:
    names = (*_KEPT, *_OWN) if own else _KEPT
    env = {name: os.environ[name] for name in names if name in os.environ}
    if not own:
        env |= {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
        env |= {"GIT_CONFIG_NOSYSTEM": "1"}
    env.setdefault("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
    env |= {
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_ALLOW_PROTOCOL": to.scheme if to else "none",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
    }
    return env | dict(_settings(to, token))


def _settings(to: Address | None, token: str) -> Iterator[tuple[str, str]]:
    """Settings as git reads them from its environment, where no other user can look."""
    settings = dict(_SETTINGS)
    if token and to is not None and to.scheme in ("https", "http"):
        login = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        settings[f"http.{to.origin}.extraHeader"] = f"Authorization: Basic {login}"
    yield "GIT_CONFIG_COUNT", str(len(settings))
    for number, (key, value) in enumerate(settings.items()):
        yield f"GIT_CONFIG_KEY_{number}", key
        yield f"GIT_CONFIG_VALUE_{number}", value


_MEANINGS: tuple[tuple[str, type[MidstreamError]], ...] = (
    (r"no space left on device", CannotWrite),
    (r"exists; cannot create", NameTaken),
    (r"unable to create '.*\.lock'|cannot lock ref|unable to lock", GitBusy),
    ("authentication failed|could not read username|could not read password|terminal prompts "
     "disabled|permission denied|error: 40[13]|invalid username or|access denied", GitForbids),
    ("couldn't find remote ref|not our ref|no such remote ref|unadvertised object", NoSuchRef),
    ("fsck error|did not receive expected object|index-pack failed|pack is corrupted|"
     "bad pack|inflate: data stream error|sha1 collision|pack has bad|invalid index-pack|"
     "pack signature mismatch|serious inflate|missing blob object|bad object", DamagedPack),
    ("could not resolve host|connection refused|connection reset|timed out|early eof|"
     "remote end hung up|unable to connect|connection closed|network is unreachable|"
     "failed to connect|error: 5[0-9][0-9]|error: 429|operation too slow|rpc failed|"
     "could not read from remote|unexpected disconnect|empty reply|couldn't connect|"
     "expected flush after|does not appear to be a git repository|not found", GitUnreachable),
)  # fmt: skip


def failure(words: tuple[str, ...], said: str, to: Address | None) -> MidstreamError:
    """What went wrong, by git's own words; it has one exit code for nearly everything."""
    where = f" of {to.url}" if to else ""
    if words[0] == "fetch" and to and not said.strip():
        # It ends like this where `--depth` is given and no ref fits a pattern.
        return NoSuchRef(f"{to.url} has nothing that fits {words[-1]}")
    what = f"git {words[0]}{where} failed: {_last_line(said)}"
    for pattern, kind in _MEANINGS:
        if re.search(pattern, said, re.IGNORECASE):
            if kind is GitUnreachable and re.search(r"not found|not appear", said):
                return GitFailed(what, help="is the address right, and may you read it?")
            if kind is NameTaken:
                return NameTaken(what, help="rename or delete the branch that stands in the way")
            return kind(what)
    return GitFailed(what, help=said.strip() if "\n" in said.strip() else None)


def _last_line(said: str) -> str:
    lines = [line for line in said.splitlines() if line.startswith(("fatal:", "error:"))]
    return (lines or said.strip().splitlines() or ["it said nothing"])[0]


def _without_secret(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//…@", url)
