"""A sync a day over somebody's history: commits, questions, bytes and seconds.

    python -m bench.days CLONE COMMIT --days 60 --target cpu --target s390x

CLONE is any clone of vLLM, COMMIT the last one of a line of its commits. Every question is
answered with yes, as a person would have done in time. Nothing is written but below a new folder.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.measuring import ROOT
from bench.wire import served
from midstream.adapters.index import PackageIndex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.wire import Wire

GIT = shutil.which("git") or "git"
WHO = {
    "GIT_AUTHOR_NAME": "A person", "GIT_AUTHOR_EMAIL": "person@example.org",
    "GIT_COMMITTER_NAME": "A person", "GIT_COMMITTER_EMAIL": "person@example.org",
}  # fmt: skip


class Days:
    """The scene: upstream's branch `day`, a tree with overlays, and the midstream's repository."""

    def __init__(self, folder: Path, clone: Path, targets: list[str]) -> None:
        self.folder, self.targets = folder, targets
        self.tree = folder / "tree"
        self.upstream = folder / "served" / "upstream.git"
        self.upstream.parent.mkdir()
        _git(folder, "clone", "--quiet", "--bare", "--shared", str(clone), str(self.upstream))
        _git(self.upstream, "config", "uploadpack.allowFilter", "true")

    def start(self, url: str, commit: str) -> None:
        """The tree as a person set it up at the first commit."""
        shutil.copytree(ROOT / "overlays" / "_shared", self.tree / "overlays" / "_shared")
        for target in self.targets:
            shutil.copytree(ROOT / "overlays" / target, self.tree / "overlays" / target)
            (self.tree / "overlays" / target / "lock.json").unlink(missing_ok=True)
        (self.tree / "upstream").mkdir()
        text = (ROOT / "upstream" / "vllm.yaml").read_text()
        text = text.replace("https://github.com/vllm-project/vllm", url)
        text = text.replace("branch: main", "branch: day")
        (self.tree / "upstream" / "vllm.yaml").write_text(text)
        _git(self.tree, "init", "--quiet", "--initial-branch=main", ".")
        self.is_at(commit)
        self.midstream("track", "--to", "day")
        for target in self.targets:
            done = self.midstream("rebase", "--target", target)
            print(f"{target} at {commit[:10]}: exit {done.returncode}", file=sys.stderr)
        self.keep("Begin")

    def tag(self, last: str) -> None:
        """Tag upstream's releases by their dates on the index: clones have few of its tags."""
        until = _git(self.upstream, "log", "-1", "--format=%cI", last)
        for each in PackageIndex().releases("vllm"):
            if datetime.fromisoformat(each.date) > datetime.fromisoformat(until):
                continue
            when = f"--before={each.date}"
            at = _git(self.upstream, "rev-list", "-1", "--first-parent", when, last)
            if at:
                _git(self.upstream, "tag", "--force", f"v{each.version}", at)

    def full(self, commit: str) -> str:
        return _git(self.upstream, "rev-parse", f"{commit}^{{commit}}")

    def until(self, last: str, day: str) -> str:
        """The last commit of the line before a day."""
        return _git(self.upstream, "rev-list", "-1", "--first-parent", f"--before={day}", last)

    def is_at(self, commit: str) -> None:
        _git(self.upstream, "update-ref", "refs/heads/day", commit)

    def keep(self, message: str) -> None:
        _git(self.tree, "add", "--all")
        _git(self.tree, "commit", "--quiet", "--allow-empty", "-m", message)

    def midstream(self, *words: str) -> subprocess.CompletedProcess[str]:
        cache = {"XDG_CACHE_HOME": str(self.folder / "cache"), "PYTHONPATH": str(ROOT / "src")}
        return subprocess.run(
            [sys.executable, "-m", "midstream", "--root", str(self.tree), *words],
            env={**os.environ, **WHO, **cache, "GIT_CONFIG_GLOBAL": str(self.folder / "settings")},
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def sync(self) -> dict[str, Any]:
        done = self.midstream("--json", "sync", "--all")
        if not done.stdout:
            raise RuntimeError(done.stderr)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def answer(self, found: dict[str, Any]) -> None:
        """Say yes to every question, and go on: on the base, as a person does."""
        self.midstream("track", "--to", "day")
        for each in found["targets"]:
            for question in each["questions"]:
                words = ("decide", "--target", each["target"], question, "--why", "as replayed")
                if self.midstream(*words, "--accept").returncode == 2:
                    self.midstream(*words, "--carry")
        _git(self.tree, "checkout", "--quiet", "--", "upstream")
        self.keep("Decide")


def main() -> None:
    read = argparse.ArgumentParser(prog="bench.days", description=__doc__)
    read.add_argument("clone", type=Path)
    read.add_argument("commit")
    read.add_argument("--days", type=int, default=60)
    read.add_argument("--target", action="append", required=True)
    given = read.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scene = Days(Path(name), given.clone.absolute(), given.target)
        (Path(name) / "settings").write_text("[user]\n\tname = A person\n")
        with served(scene.upstream.parent) as (url, wire):
            _run(scene, f"{url}/upstream.git", wire, given.commit, given.days)


def _run(scene: Days, url: str, wire: Wire, last: str, days: int) -> None:
    steps = list(_each_day(scene.upstream, last, days))
    scene.tag(last)
    scene.start(url, steps[0][1])
    wire.forget()
    rows = [_day(scene, wire, day, commit) for day, commit in steps[1:]]
    print("| day | commits upstream | outcome | asked | kB received | seconds |")
    print("|---|---:|---|---:|---:|---:|")
    before = steps[0][1]
    for (_, commit), row in zip(steps[1:], rows, strict=True):
        count = _git(scene.upstream, "rev-list", "--first-parent", "--count", f"{before}..{commit}")
        before = commit
        outcome = ", ".join(f"{t} {o}" for t, o in row["outcomes"].items() if o != "nothing moved")
        print(f"| {row['day']} | {count} | {outcome or 'nothing moved'} | {row['asked']} "
              f"| {row['bytes'] / 1000:.1f} | {row['seconds']:.2f} |")  # fmt: skip
    _print_totals(rows, _git(scene.upstream, "rev-list", "--first-parent", "--count",
                             f"{steps[0][1]}..{last}"))  # fmt: skip


def _day(scene: Days, wire: Wire, day: str, commit: str) -> dict[str, Any]:
    scene.is_at(commit)
    wire.forget()
    start = time.perf_counter()
    found = scene.sync()
    seconds, received = time.perf_counter() - start, wire.received
    outcomes = {each["target"]: each["outcome"] for each in found["targets"]}
    asked = sum(len(each["questions"]) for each in found["targets"])
    if asked:
        scene.answer(found)
        for each in scene.sync()["targets"]:
            outcomes[each["target"]] += f", then {each['outcome']}"
    return {"day": day, "outcomes": outcomes, "asked": asked, "bytes": received,
            "seconds": seconds}  # fmt: skip


def _print_totals(rows: list[dict[str, Any]], commits: str) -> None:
    said = [outcome for row in rows for outcome in row["outcomes"].values()]
    made = sum(each.count("moved") - each.count("nothing moved") for each in said)
    seconds = sorted(row["seconds"] for row in rows)
    print(f"\n{len(rows)} days, {commits} upstream commits: {made} commits made, "
          f"{sum(row['asked'] for row in rows)} questions asked, "
          f"{sum(row['bytes'] for row in rows) / 1e6:.2f} MB received; "
          f"{seconds[len(seconds) // 2]:.2f} s a day in the middle, "
          f"{seconds[-1]:.2f} at most")  # fmt: skip
    print(dict(Counter(said)))


def _each_day(upstream: Path, last: str, days: int) -> Iterator[tuple[str, str]]:
    """A day, and the last commit that stood on the line by its end."""
    out = _git(
        upstream, "log", "--first-parent", "--format=%H %ct", f"--max-count={days * 120}", last
    )
    line = [
        (name, datetime.fromtimestamp(int(at), UTC))
        for name, at in map(str.split, out.splitlines())
    ]
    end = line[0][1]
    for number in range(days, -1, -1):
        day = end - timedelta(days=number)
        yield f"{day:%Y-%m-%d}", next(name for name, at in line if at <= day)


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [GIT, *words],
        cwd=folder,
        env={**os.environ, **WHO},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


if __name__ == "__main__":
    main()
