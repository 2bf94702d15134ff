"""What a run did, one JSON line a step, on the disk before the next step begins.

It says what was begun and what was seen. Where a run has ended in the middle, the registry is the
truth, and the journal says which tags to look at: those that were begun and not seen since. How
a copy ended says nothing of its tag, so that line goes to the disk together with what was seen.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Self

from msgspec import Struct

from midstream.adapters.files import CannotWrite
from midstream.errors import Exit, MidstreamError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import FileIO
    from pathlib import Path

NAME = "journal.jsonl"
_LOCK = "lock"
_WITH_THE_NEXT = frozenset({"copied"})


class AnotherRuns(MidstreamError):
    """Another process carries out the same plan at this moment."""

    exit_code = Exit.LOCKED


class JournalDamaged(UsageError):
    """A line in the middle is none: only the last one can be torn by a crash."""


class Entry(Struct, frozen=True):
    """One step. `step`: begin, intent, copied, verified, failed, end."""

    sequence: int
    step: str
    fields: dict[str, Any]


class Journal:
    """Opened for one run, and held against any other process until it is closed."""

    def __init__(self, folder: Path, now: Callable[[], str]) -> None:
        self.folder = folder
        self.entries: list[Entry] = []
        self._now = now
        self._file: FileIO | None = None
        self._held: IO[bytes] | None = None
        self._is_named = False  # on the disk, so that nothing is lost with the folder
        self._mutex = threading.Lock()

    def __enter__(self) -> Self:
        """Raises `AnotherRuns`, `CannotWrite` and `JournalDamaged`."""
        path = self.folder / NAME
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._held = (self.folder / _LOCK).open("wb")
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.entries, whole = _read(path.read_bytes() if path.exists() else b"", str(path))
            self._file = path.open("ab", buffering=0)
            self._file.truncate(whole)  # a line that a crash tore is as if it had never been
        except BlockingIOError:
            self.close()
            raise AnotherRuns(
                f"another process carries out this plan: it holds `{self.folder / _LOCK}`",
                help="wait for it, and look at its report",
            ) from None
        except OSError as error:
            self.close()
            raise _cannot_write(path, error) from None
        except MidstreamError:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for each in (self._file, self._held):
            if each is not None:
                each.close()
        self._file = self._held = None

    def add(self, step: str, **fields: Any) -> Entry:
        """On the disk when this returns, but for how a copy ended, which waits for the next line.

        Raises `CannotWrite`: then the step must not be taken.
        """
        with self._mutex:
            if self._file is None:
                raise RuntimeError("the journal is closed")
            last = self.entries[-1].sequence if self.entries else 0
            entry = Entry(last + 1, step, fields)
            content = {"seq": entry.sequence, "at": self._now(), "step": step, **fields}
            line = f"{json.dumps(content)}\n".encode()
            whole = self._file.seek(0, os.SEEK_END)
            try:
                if self._file.write(line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301
                if step not in _WITH_THE_NEXT:
                    self._sync(self._file.fileno())
            except OSError as error:
                with suppress(OSError):  # half a line, and the next whole one, would be damage
                    self._file.truncate(whole)
                raise _cannot_write(self.folder / NAME, error) from None
            self.entries.append(entry)
            return entry

    def _sync(self, file: int) -> None:
        """All lines, and before the first step the journal's own name."""
        os.fsync(file)
        if not self._is_named:
            handle = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
            self._is_named = True


def read(folder: Path) -> list[Entry]:
    """The entries of a run, without holding it. A torn last line is left out."""
    path = folder / NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"can't read `{path}`: {(error.strerror or '').lower()}") from None
    return _read(data, str(path))[0]


def _read(data: bytes, name: str) -> tuple[list[Entry], int]:
    """The entries by their sequence, and how many bytes of whole lines there are."""
    whole = data.rfind(b"\n") + 1
    entries = list(_entries(data[:whole].split(b"\n")[:-1], name))
    return sorted(entries, key=lambda each: each.sequence), whole


def _entries(lines: list[bytes], name: str) -> Iterator[Entry]:
    for number, line in enumerate(lines, start=1):
        try:
            content = json.loads(line)
            sequence, step = int(content.pop("seq")), str(content.pop("step"))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise JournalDamaged(
                f"line {number} of `{name}` is no step of a journal",
                help="the registry is the truth: make a new plan, and apply that",
            ) from None
        content.pop("at", None)
        yield Entry(sequence, step, content)


def _cannot_write(path: Path, error: OSError) -> CannotWrite:
    reason = (error.strerror or str(error)).lower()
    return CannotWrite(
        f"can't write the journal `{path}`: {reason}",
        help="without a journal nothing is promoted; name another folder with `--runs`",
    )
