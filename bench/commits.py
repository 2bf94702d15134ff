"""The overlays over every upstream commit that touched a Dockerfile, and changes to read.

    python -m bench.commits CLONE COMMIT --since 2025-04-01 --target cuda --target rocm --read 40

CLONE is any clone of vLLM, COMMIT the last one of a line of its commits. What is printed to read
are changes that were taken, drawn by chance: none should be one that a careful engineer would have
wanted to be asked about.
"""

from __future__ import annotations

import argparse
import difflib
import os
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from bench.days import Days
from bench.measuring import ROOT
from midstream.cli import Workspace
from midstream.commands import upstreams
from midstream.commands import workspace as at
from midstream.history.movement import Answer
from midstream.replaying import Step, Walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.rebasing.flow import Rebased


class Taken(Struct, frozen=True):
    """A change that came along by itself: where, and the texts of before and after."""

    place: str
    old: str
    new: str


def main() -> None:
    read = argparse.ArgumentParser(prog="bench.commits", description=__doc__)
    read.add_argument("clone", type=Path)
    read.add_argument("commit")
    read.add_argument("--since", default="2025-04-01")
    read.add_argument("--target", action="append", required=True)
    read.add_argument("--read", type=int, default=40)
    read.add_argument("--seed", type=int, default=1)
    given = read.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_CACHE_HOME"] = f"{name}/cache"
        scene = Days(Path(name), given.clone.absolute(), given.target)
        first = scene.until(given.commit, given.since)
        scene.is_at(given.commit)
        scene.tag(given.commit)
        tree = _tree(scene)
        steps, taken = _walk(tree, given.target, f"{first}..{scene.full(given.commit)}")
    _print_counts(steps)
    random.seed(given.seed)
    for each in random.sample(taken, min(given.read, len(taken))):
        print(f"\n### {each.place}")
        print(_difference(each))


def _tree(scene: Days) -> Path:
    """The repository's overlays, over the clone; without their locks, as nothing was decided."""
    for folder in ("overlays", "upstream"):
        shutil.copytree(ROOT / folder, scene.tree / folder)
    path = scene.tree / "upstream" / "vllm.yaml"
    text = path.read_text().replace("https://github.com/vllm-project/vllm", scene.upstream.as_uri())
    path.write_text(text.replace("branch: main", "branch: day"))
    return scene.tree


def _walk(tree: Path, targets: list[str], line: str) -> tuple[list[Step], list[Taken]]:
    workspace = Workspace(tree, json=False, strict=False, verbose=False)
    followed = at.project(workspace, None)
    rebaser, origins = upstreams.rebaser(workspace)
    walk = Walk(rebaser, lambda target: origins(target) if origins.has(target) else None)
    paths = sorted({path for target in targets for path in followed.dockerfiles[target].paths})
    first, _, last = line.partition("..")
    steps: list[Step] = []
    taken: dict[tuple[str, str], Taken] = {}
    for snapshot in at.tracker(followed).git.line(first, last, paths):
        origins.use(snapshot)
        for step in walk.steps(snapshot.lock.name, targets):
            steps.append(step)
            if step.counts:
                found = _taken(rebaser.rebase(step.target))
                taken |= {(each.old, each.new): each for each in found}
    return steps, list(taken.values())


def _taken(rebased: Rebased) -> Iterator[Taken]:
    now, then = rebased.origin.dockerfile, rebased.then
    for change in rebased.changes:
        moved = change.movement
        if change.answer is Answer.TAKEN:
            yield Taken(
                f"{rebased.origin.label} {rebased.overlay.target}: {moved.stage} / "
                f"{moved.keyword}, {change.by}",
                then[moved.old.span] if then is not None and moved.old is not None else "",
                now[moved.new.span] if moved.new is not None else "",
            )


def _difference(each: Taken) -> str:
    lines = difflib.unified_diff(each.old.splitlines(), each.new.splitlines(), lineterm="", n=1)
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def _print_counts(steps: list[Step]) -> None:
    print("| target | commits | no overlay | with errors | taken | facts | set aside | asked |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for target in dict.fromkeys(step.target for step in steps):
        mine = [step for step in steps if step.target == target]
        total: Counter[Answer] = Counter()
        for step in mine:
            total.update(step.counts)
        gaps = sum(not step.counts and not step.errors for step in mine)
        asked = sum(len(step.questions) for step in mine)
        print(f"| {target} | {len(mine)} | {gaps} | {sum(step.errors > 0 for step in mine)} "
              f"| {total[Answer.TAKEN]} | {total[Answer.FACT]} | {total[Answer.SET_ASIDE]} "
              f"| {asked} |")  # fmt: skip


if __name__ == "__main__":
    main()
