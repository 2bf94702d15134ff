"""A bare repository that a test commits to, and a server of git's own that gives it out."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_GIT = shutil.which("git") or "git"
_WHO = {
    "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org",
}  # fmt: skip
START = 1_780_000_000  # 2026-05-28T20:26:40Z
HOUR = 3600


@dataclass
class Repository:
    """`commit` writes as a person does, an hour later each time; no work tree is needed."""

    folder: Path
    hours: int = 0

    @property
    def url(self) -> str:
        return f"file://{self.folder}"

    def git(self, *words: str, input: bytes = b"", extra: Mapping[str, str] | None = None) -> str:
        env = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **_WHO, **(extra or {})}
        done = subprocess.run(
            [_GIT, "-C", str(self.folder), *words],
            env=env, input=input, capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stderr.decode())
        return done.stdout.decode(errors="surrogateescape").rstrip("\n")

    def commit(
        self,
        changes: Mapping[str, str | bytes | None],
        message: str = "Change",
        branch: str = "main",
        who: Mapping[str, str] | None = None,
        modes: Mapping[str, str] | None = None,
    ) -> str:
        """One commit on a branch with these changes (None takes a path out); its id."""
        self.hours += 1
        ref = f"refs/heads/{branch}"
        index = {"GIT_INDEX_FILE": str(self.folder / "test-index")}
        parent = self.tip(branch)
        self.git("read-tree", parent or "--empty", extra=index)
        lines = [self._line(path, data, modes or {}) for path, data in changes.items()]
        self.git("update-index", "-z", "--index-info", input=b"\0".join(lines) + b"\0", extra=index)
        tree = self.git("write-tree", extra=index)
        at = f"{START + self.hours * HOUR} +0000"
        when = {"GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at, **(who or {})}
        above = ("-p", parent) if parent else ()
        made = self.git("commit-tree", tree, *above, "-m", message, extra=when)
        self.git("update-ref", ref, made)
        return made

    def _line(self, path: str, data: str | bytes | None, modes: Mapping[str, str]) -> bytes:
        name = os.fsencode(path)
        if data is None:
            return b"0 %s\t%s" % (b"0" * 40, name)
        content = data if isinstance(data, bytes) else data.encode()
        mode = modes.get(path, "100644")
        if mode == "160000":
            return b"160000 %s\t%s" % (content, name)
        blob = self.git("hash-object", "-w", "--stdin", input=content)
        return b"%s %s\t%s" % (mode.encode(), blob.encode(), name)

    def tip(self, branch: str = "main") -> str | None:
        found = self.git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")
        return found or None

    def tag(self, name: str, *, annotated: bool = False) -> None:
        words = ("-a", "-m", "A release") if annotated else ()
        self.git("tag", *words, name, "refs/heads/main")

    def show(self, commit: str, path: str) -> bytes:
        return self.git("cat-file", "blob", f"{commit}:{path}").encode() + b"\n"

    def paths(self, commit: str) -> list[str]:
        return self.git("ls-tree", "-r", "--name-only", commit).splitlines()


def make(folder: Path) -> Repository:
    """An empty bare repository that gives out parts of itself, as forges do."""
    folder.mkdir(parents=True)
    made = Repository(folder)
    made.git("init", "--quiet", "--bare", "--initial-branch=main", ".")
    made.git("config", "uploadpack.allowFilter", "true")
    return made


@contextmanager
def served(base: Path) -> Iterator[str]:
    """git's daemon on 127.0.0.1; the URL under which the folders below `base` are found."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    daemon = subprocess.Popen(
        [
            _GIT, "daemon", "--listen=127.0.0.1", f"--port={port}", f"--base-path={base}",
            "--export-all", "--reuseaddr", "--enable=receive-pack",
        ],
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        _wait_for(port)
        yield f"git://127.0.0.1:{port}"
    finally:
        os.killpg(daemon.pid, 15)
        daemon.wait(timeout=20)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "git daemon doesn't answer"
            time.sleep(0.02)
        else:
            return
