"""Every distinct Dockerfile of several releases through `convert`, in one process."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time

from bench.measuring import ROOT, python
from bench.releases import dockerfiles
from midstream.adapters.files import Tree
from midstream.converting import convert
from midstream.overlay.tables import load_tables
from midstream.source import Source

RELEASES = ("0.8.5", "0.11.0", "0.16.0", "0.24.0", "0.29.0", "0.33.0")


def main() -> None:
    done = subprocess.run(
        python("-m", "bench.converting"), cwd=ROOT, capture_output=True, text=True, check=True
    )
    seen = json.loads(done.stdout)
    times = sorted(seen["ms"])
    whole = sum(times) / 1000
    print(f"{len(times)} distinct Dockerfiles of {', '.join(RELEASES)}, in one process")
    print(f"files a second                   {len(times) / whole:7.0f}")
    print(f"lines a second                   {seen['lines'] / whole:7.0f}")
    print(f"median of a file                 {statistics.median(times):7.1f} ms  (10 is the aim)")
    longest = f"the longest, {seen['longest']:,} lines"
    print(f"{longest:32} {seen['longest_ms']:7.1f} ms  (40 is the aim)")
    print(f"peak memory                      {seen['mb']:7.0f} MB  (150 or less is promised)")


def measure() -> None:
    """In the process that is measured: each file's best of three, so that a busy machine's
    pauses don't count."""
    tables = load_tables(Tree(ROOT), "ubi9")
    texts = {data: path for release in RELEASES for path, data in dockerfiles(release)}
    sources = [Source.from_bytes(path, data) for data, path in texts.items()]
    times = []
    for source in sources:
        rounds = []
        for _ in range(3):
            start = time.perf_counter()
            convert(source, tables)
            rounds.append((time.perf_counter() - start) * 1000)
        times.append(min(rounds))
    lines = [source.text.count("\n") for source in sources]
    longest = max(range(len(lines)), key=lines.__getitem__)
    found = {
        "ms": times,
        "lines": sum(lines),
        "longest": lines[longest],
        "longest_ms": times[longest],
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    measure()
