"""`decide` on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from demo import Demo

LOCK = "overlays/app/lock.json"


def on_a_terminal(
    demo: Demo, words: list[str], answers: str, *, breaks_off: bool = False
) -> tuple[int, str]:
    """`decide` as a person runs it, with what they type; and Ctrl-C once that is in the lock."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "XDG_CACHE_HOME": str(demo.root / "cache")}
    command = ["--root", str(demo.root / "tree"), "decide", *words]
    with subprocess.Popen(
        [sys.executable, "-m", "midstream", *command],
        stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    ) as running:  # fmt: skip
        os.close(theirs)
        os.write(ours, answers.encode())
        for _ in range(300 if breaks_off else 0):
            if demo.json(LOCK)["answers"]:
                os.write(ours, b"\x03")
                break
            time.sleep(0.1)
        said = running.communicate(timeout=60)[1].decode()
    os.close(ours)
    return running.returncode, said
