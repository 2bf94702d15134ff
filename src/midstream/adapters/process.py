"""The one doorway to other programs."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.errors import MidstreamError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

log = logging.getLogger(__name__)

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
        self.command = tuple(command)
        self.output = output


class ProgramMissing(CommandFailed):
    """The program is not installed, or not on PATH."""


class TimedOut(CommandFailed):
    """The program, and all it started, was ended at its deadline."""


def run(
    *command: str,
    timeout: float = 600,
    env: Mapping[str, str] | None = None,
    input: bytes = b"",
    cwd: Path | None = None,
) -> Finished:
    """Run a program without a shell, in its own process group, and wait for it.

    Any exit code is an answer; see `check`. A secret goes in by `input` or `env`: an argument can
    be read by every user of the machine, and is shown in our own errors. `timeout` is in seconds.
    Raises `ProgramMissing` and `TimedOut`.
    """
    log.debug("$ %s", shlex.join(command))
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )
    except (FileNotFoundError, PermissionError):
        raise ProgramMissing(command, "was not found; is it installed?") from None
    with _running_lock:
        _running.add(process)
    try:
        stdout, stderr = process.communicate(input, timeout=timeout)
    except subprocess.TimeoutExpired:
        end(process)
        raise TimedOut(command, f"did not finish in {timeout:g} s") from None
    except BaseException:
        end(process)
        raise
    finally:
        with _running_lock:
            _running.discard(process)
    return Finished(tuple(command), process.returncode, stdout, stderr)


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
