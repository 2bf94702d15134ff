"""The one doorway to other programs."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.errors import MidstreamError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LOOKS = 10  # at whether a program still moves bytes, in the time that it may stand still
_MOVES = 4096  # bytes: a runtime that only wakes itself up moves fewer
_UNSEEN = 24 * 3600.0  # seconds for a program of which nobody can see whether it moves

_running: set[subprocess.Popen[bytes]] = set()
_running_lock = threading.Lock()


class Finished(Struct, frozen=True):
    """How a program ended, with its bytes as they were: decoding could change a digest."""

    command: tuple[str, ...]
    exit_code: int
    stdout: bytes
    stderr: bytes


class CommandFailed(MidstreamError):
    """A program was missing, too slow, or not content."""

    def __init__(self, command: Sequence[str], reason: str, output: str = "") -> None:
        super().__init__(f"`{shlex.join(command)}` {reason}", help=output.strip() or None)


class ProgramMissing(CommandFailed):
    """The program is not installed, or not on PATH."""


class TimedOut(CommandFailed):
    """The program, and all it started, was ended at its deadline."""


def run(
    *command: str,
    timeout: float = 600,
    standstill: float | None = None,
    env: Mapping[str, str] | None = None,
    input: bytes = b"",
    cwd: Path | None = None,
) -> Finished:
    """Run a program without a shell, in its own process group, and wait for it.

    Any exit code is an answer; see `check`. A secret goes in by `input` or `env`: an argument can
    be read by every user of the machine, and is shown in our own errors. `timeout` is in seconds.
    With `standstill`, it may take as long as it likes, while it reads or writes in that time.
    Raises `ProgramMissing` and `TimedOut`.
    """
    _tell(command)
    try:
        with _running_lock:  # what starts while all is ended would be ended by nobody
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )
            _running.add(process)
    except (FileNotFoundError, PermissionError):
        raise ProgramMissing(command, "was not found; is it installed?") from None
    try:
        stdout, stderr = (
            process.communicate(input, timeout=timeout)
            if standstill is None
            else _follow(process, input, standstill)
        )
    except subprocess.TimeoutExpired:
        end(process)
        reason = f"did not finish in {timeout:g} s"
        if standstill is not None:
            reason = f"stood still for {standstill:g} s"
        raise TimedOut(command, reason) from None
    except BaseException:
        end(process)
        raise
    finally:
        with _running_lock:
            _running.discard(process)
    return Finished(tuple(command), process.returncode, stdout, stderr)


def _tell(command: Sequence[str]) -> None:
    """Where somebody listens: `--verbose` loads what logs, which else is 3 ms for nothing."""
    if "logging" in sys.modules:
        import logging

        logging.getLogger(__name__).debug("$ %s", shlex.join(command))


def _follow(
    process: subprocess.Popen[bytes], input: bytes, standstill: float
) -> tuple[bytes, bytes]:
    """Wait for as long as it moves. Raises `subprocess.TimeoutExpired`."""
    moved, since, unsent = _bytes_moved(process.pid), time.monotonic(), input
    while True:
        try:
            return process.communicate(unsent, timeout=standstill / _LOOKS)
        except subprocess.TimeoutExpired:
            unsent = b""
            now = _bytes_moved(process.pid)
            if now is not None and moved is not None and now - moved >= _MOVES:
                moved, since = now, time.monotonic()
            if time.monotonic() - since > (_UNSEEN if now is None else standstill):
                raise


def _bytes_moved(pid: int) -> int | None:
    """What a process has read and written, sockets too; None where the system doesn't tell."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
        counts = dict(each.split(": ") for each in lines)
        return int(counts["rchar"]) + int(counts["wchar"])
    except (OSError, ValueError, KeyError):
        return None


def check(done: Finished) -> bytes:
    """What the program printed. Raises `CommandFailed` where it did not end with 0."""
    if done.exit_code:
        error = done.stderr.decode(errors="replace")
        raise CommandFailed(done.command, f"failed with exit code {done.exit_code}", error)
    return done.stdout


def end_all() -> None:
    """Kill whatever runs now, for any thread: an interrupt reaches only the main one.

    Whoever waits for a program sees it ended by a signal, as an exit code below 0.
    """
    with _running_lock:
        for process in _running:
            _kill(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program with everything it started, and reap it."""
    _kill(process)
    process.communicate()


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
