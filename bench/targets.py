"""`python -m bench.targets`: docs/targets.md, what becomes of each target at real releases."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bench.measuring import ROOT
from bench.releases import snapshot
from midstream.adapters import files
from midstream.ledger import Fate
from midstream.rebasing.flow import Rebaser
from midstream.source import Source
from midstream.upstream.config import read_project
from midstream.upstream.origin import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from midstream.rebasing.flow import Rebased
    from midstream.upstream.snapshot import Snapshot

PAGE = ROOT / "docs" / "targets.md"

# Each target where it stands today, or stood last, ranges in between, and the whole line of 0.11.0.
SHOWN = {
    "0.33.0": ("rocm_base", "rocm", "cuda", "cpu", "xpu", "ppc64le", "s390x"),
    "0.29.0": ("rocm_base", "rocm", "cuda", "tpu"),
    "0.26.0": ("xpu",),
    "0.24.0": ("rocm_base", "rocm", "xpu", "nightly_torch"),
    "0.11.0": (
        "rocm_base", "rocm", "cuda", "cpu", "xpu", "ppc64le", "s390x", "tpu", "nightly_torch",
    ),
}  # fmt: skip

HEAD = """\
# The targets, at real releases

Made by `make pages` from upstream's source releases and the overlays beside this page; a test says
when it is old. Each number counts instructions of upstream's Dockerfile by what became of them:
*unreachable* is in a stage that nothing shipped needs, *carried* is byte for byte, *converted* is
a rule's work, the next three are the overlay's, *fact* is read by a template, *undecided* is
nobody's, and none may be left. A finding here is a warning; an error leaves nothing written. MS354
says that a base image is named by its tag: `midstream pin` gives it its digest.

"""
FATES = (
    Fate.UNREACHABLE, Fate.CARRIED, Fate.CONVERTED, Fate.EDITED, Fate.REPLACED, Fate.DROPPED,
    Fate.FACT, Fate.UNDECIDED,
)  # fmt: skip
NAMES = ("target", "release", "overlay", "all", *map(str, FATES), "findings", "questions")
LEFT = ("target", "release", "overlay", "findings")


def rebased(
    found: Snapshot, targets: tuple[str, ...], cache: Path
) -> Iterator[tuple[str, Rebased]]:
    """Rebase these targets at one release, with the repository's own overlays."""
    path = ROOT / "upstream" / "vllm.yaml"
    project = read_project(Source.from_bytes("upstream/vllm.yaml", path.read_bytes()))
    rebaser = Rebaser(files.Tree(ROOT), lambda target: origin_of(project, found, target), cache)
    if found.lock.release != next(iter(SHOWN)):
        rebaser.locks = {}  # what was decided since then says nothing about an older text
    for target in targets:
        yield target, rebaser.rebase(target)


def page(release: Callable[[str], Snapshot], cache: Path) -> str:
    """The page's text. `release` gives the snapshot of a version."""
    rows = [
        row(target, version, each)
        for version, targets in SHOWN.items()
        for target, each in rebased(release(version), targets, cache)
    ]
    rule = ["---" if name in LEFT else "--:" for name in NAMES]
    return HEAD + "".join(f"| {' | '.join(cells)} |\n" for cells in (NAMES, rule, *rows))


def row(target: str, version: str, done: Rebased) -> list[str]:
    """One line of the table."""
    counts = done.ledger.counts()
    codes = Counter(found.rule.code for found in done.findings)
    said = ", ".join(code if n == 1 else f"{n} {code}" for code, n in sorted(codes.items()))
    folder = done.overlay.folder
    fates = [str(counts[fate]) for fate in FATES]
    return [
        target, version, f"[{folder}](../{folder}/overlay.yaml)", str(len(done.ledger.entries)),
        *fates, said or "none", str(len(done.questions)),
    ]  # fmt: skip


def main() -> None:
    PAGE.write_text(page(snapshot, files.cache_root()), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
