from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from midstream.adapters.process import (
    CommandFailed,
    ProgramMissing,
    TimedOut,
    check,
    end_all,
    run,
)


def test_bytes_go_in_and_come_out_as_they_are() -> None:
    assert check(run("cat", input=b"a\r\n\xff")) == b"a\r\n\xff"


def test_any_exit_code_is_an_answer() -> None:
    done = run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    with pytest.raises(CommandFailed, match="failed with exit code 3") as caught:
        check(done)
    assert caught.value.help == "err"


def test_no_shell_reads_the_arguments(tmp_path: Path) -> None:
    assert check(run("echo", "$HOME; `x`", cwd=tmp_path, env={"PATH": os.environ["PATH"]})) == (
        b"$HOME; `x`\n"
    )


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(ProgramMissing, match="`no-such-program x` was not found"):
        run("no-such-program", "x")


def test_a_deadline_ends_a_program_with_all_that_it_started(tmp_path: Path) -> None:
    script = f"sleep 60 & echo $! > {tmp_path}/child; wait"
    started = time.monotonic()
    with pytest.raises(TimedOut, match=r"did not finish in 1 s"):
        run("sh", "-c", script, timeout=1)
    assert time.monotonic() - started < 30  # it did not wait for the child to end by itself
    child = Path("/proc", (tmp_path / "child").read_text().strip(), "stat")
    deadline = time.monotonic() + 20
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(child)


def test_what_moves_bytes_may_take_its_time_and_what_stands_still_may_not() -> None:
    slowly = "for each in 1 2 3 4 5 6 7 8; do head -c 9000 /dev/zero; sleep 0.2; done"
    assert len(run("sh", "-c", slowly, standstill=0.8).stdout) == 72_000
    with pytest.raises(TimedOut, match=r"stood still for 0\.3 s"):
        run("sleep", "60", standstill=0.3)


def _runs(stat: Path) -> bool:
    """Whether a process is there, and isn't dead and merely waiting to be reaped."""
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_what_runs_in_another_thread_can_be_ended() -> None:
    ended: list[int] = []
    thread = threading.Thread(target=lambda: ended.append(run("sleep", "60").exit_code))
    thread.start()
    deadline = time.monotonic() + 20
    while thread.is_alive() and time.monotonic() < deadline:
        end_all()
        thread.join(0.05)
    assert ended == [-9]
