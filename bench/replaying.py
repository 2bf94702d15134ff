"""Every overlay over the last thirty releases in one process, beside one cold rebase."""

from __future__ import annotations

import json
import subprocess

from bench.measuring import ROOT, python, run, seconds, side_by_side

LAST = 30


def main() -> None:
    replay = python("-m", "midstream", "--json", "replay", "--all", "--last", str(LAST))
    rebase = python("-m", "midstream", "rebase", "--target", "rocm", "--stdout")
    subprocess.run(replay, cwd=ROOT, capture_output=True, check=False)
    whole = seconds(run(replay))
    cold, _ = side_by_side(run(rebase), run(python("-c", "pass")), rounds=5)
    done = subprocess.run(replay, cwd=ROOT, capture_output=True, check=True)
    steps = [each for each in json.loads(done.stdout)["steps"] if each["counts"]]
    print(f"replay --all, {LAST} releases         {whole:7.1f} s    (10 or less is promised)")
    print(f"{len(steps)} rebases, each                {whole / len(steps) * 1000:7.1f} ms")
    print(f"one cold rebase of rocm          {cold * 1000:7.0f} ms")
    print(
        f"share of it that one step takes  {whole / len(steps) / cold:7.2f}     (0.1 is promised)"
    )
