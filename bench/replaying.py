"""Every overlay over the last thirty releases in one process, beside one cold rebase."""

from __future__ import annotations

import json
import statistics
import subprocess

from bench.measuring import ROOT, python, run, seconds, side_by_side

LAST, FEW = 30, 5
_ROUNDS = 3


def main() -> None:
    many, few = _replay(LAST), _replay(FEW)
    rebase = python("-m", "midstream", "rebase", "--target", "rocm", "--stdout")
    steps = _steps(many) - _steps(few)  # and the downloads, if any are left
    whole, start, colds = [], [], []
    for _ in range(_ROUNDS):
        whole.append(seconds(run(many)))
        start.append(seconds(run(few)))
        colds.append(side_by_side(run(rebase), run(python("-c", "pass")), rounds=5)[0])
    cold = statistics.median(colds)
    # What one more costs: the start, and asking the index which releases there are, is paid once.
    each = statistics.median(m - f for m, f in zip(whole, start, strict=True)) / steps
    print(
        f"replay --all, {LAST} releases         {statistics.median(whole):7.1f} s    "
        "(10 or less is promised)"
    )
    print(f"{steps} more rebases, each            {each * 1000:7.1f} ms")
    print(f"one cold rebase of rocm          {cold * 1000:7.0f} ms")
    print(f"share of it that one step takes  {each / cold:8.3f}    (0.1 is promised)")


def _replay(last: int) -> list[str]:
    return python("-m", "midstream", "--json", "replay", "--all", "--last", str(last))


def _steps(replay: list[str]) -> int:
    done = subprocess.run(replay, cwd=ROOT, capture_output=True, check=True)
    return len([each for each in json.loads(done.stdout)["steps"] if each["counts"]])
