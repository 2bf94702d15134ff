"""One cold process that rebases rocm, beside a Python that does nothing."""

from __future__ import annotations

import subprocess

from bench.measuring import ROOT, peak_memory, python, run, side_by_side


def main() -> None:
    rebase = python("-m", "midstream", "rebase", "--target", "rocm", "--stdout")
    run(rebase)()  # fills the cache
    ours, nothing = side_by_side(run(rebase), run(python("-c", "pass")), rounds=9)
    print(f"midstream rebase --target rocm   {ours * 1000:7.0f} ms  (median of 9, warm cache)")
    print(f"python -c pass                   {nothing * 1000:7.0f} ms")
    print(f"ratio                            {ours / nothing:7.1f}      (15 or less is promised)")
    print(f"peak memory                      {peak_memory():7.0f} MB   (120 or less is promised)")
    print("where the time goes, by import and by call:")
    print(_imports(rebase))


def _imports(command: list[str]) -> str:
    done = subprocess.run(
        [command[0], "-X", "importtime", *command[1:]],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = [line.split("|") for line in done.stderr.splitlines() if line.startswith("import time")]
    own = sum(int(row[0].rpartition(":")[2]) for row in rows[1:])
    heaviest = sorted(rows[1:], key=lambda row: int(row[0].rpartition(":")[2]), reverse=True)[:5]
    listed = ", ".join(
        f"{row[2].strip()} {int(row[0].rpartition(':')[2]) / 1000:.0f} ms" for row in heaviest
    )
    return f"  imports {own / 1000:.0f} ms in all; the heaviest are {listed}"
