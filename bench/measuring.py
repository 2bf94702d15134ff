"""Timing whole processes and calls, side by side, so that a busy machine slows both."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).resolve().parent.parent


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def side_by_side(
    first: Callable[[], object], second: Callable[[], object], rounds: int
) -> tuple[float, float]:
    """The medians of both, in seconds, taken in turn."""
    pairs = [(seconds(first), seconds(second)) for _ in range(rounds)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def run(command: Sequence[str], **extra: str) -> Callable[[], object]:
    """A call that runs a program to its end, with what it prints thrown away."""

    def call() -> None:
        subprocess.run(
            command, cwd=ROOT, env={**os.environ, **extra}, check=True, capture_output=True
        )

    return call


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def peak_memory() -> float:
    """The largest child so far, in MB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
