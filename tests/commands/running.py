"""A command as a person runs it, in this process: the exit code, stdout and stderr."""

from __future__ import annotations

import json
import os
import pwd
import resource
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from midstream.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """What `--json` printed: exactly one object."""
        found: dict[str, Any] = json.loads(self.out)
        return found


def run(root: Path, *words: str) -> Ran:
    """`midstream --root ROOT WORDS…`"""
    done = CliRunner().invoke(main, ["--root", str(root), *words], prog_name="midstream")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return Ran(int(done.exit_code), done.stdout, done.stderr)


def write(root: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        whole = root / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_text(text)


@contextmanager
def shut(folder: Path, mode: int, *visible: Path) -> Iterator[None]:
    """A folder with fewer rights, for root too: root becomes somebody else, who may look into the
    `visible` folders as well."""
    ways = [way for each in (folder, *visible) for way in (each, *each.parents)]
    opened = [each for each in dict.fromkeys(ways) if each.owner() == _me()]
    modes = {each: each.stat().st_mode & 0o7777 for each in opened}
    is_root = os.geteuid() == 0
    if is_root:
        for each in opened:
            each.chmod(modes[each] | 0o055)
    folder.chmod(mode)
    try:
        if is_root:
            os.seteuid(_NOBODY)
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for each, was in modes.items():
            each.chmod(was)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can grow."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


_NOBODY = 65534


def _me() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name
