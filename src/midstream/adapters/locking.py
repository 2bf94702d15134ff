"""One run at a time: a lock file that a process holds while it lives."""

from __future__ import annotations

import fcntl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from midstream.adapters.files import CannotWrite
from midstream.errors import Exit, MidstreamError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

_LOOK = 0.1  # seconds between two tries


class AnotherRun(MidstreamError):
    """Another process holds the lock."""

    exit_code = Exit.LOCKED


@contextmanager
def locked(path: Path, what: str, wait: float = 0) -> Iterator[None]:
    """Hold the lock at `path`; wait for it as many seconds as are said.

    The kernel lets go of it when the process ends, however it ends: no lock is ever stale. Raises
    `AnotherRun` and `CannotWrite`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        raise CannotWrite(f"can't write `{path}`: {(error.strerror or '').lower()}") from None
    with file:
        _take(file, path, what, time.monotonic() + wait)
        yield


def _take(file: IO[bytes], path: Path, what: str, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise AnotherRun(
                    f"another run {what}: it holds `{path}`", help="run again when it is done"
                ) from None
            time.sleep(_LOOK)
        else:
            return
