"""`python -m bench.decisions`: docs/decisions.md, what would have been asked over real releases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.measuring import ROOT
from bench.releases import snapshot
from midstream.adapters import files
from midstream.history.movement import Answer
from midstream.rebasing.flow import Rebaser
from midstream.replaying import Walk
from midstream.source import Source
from midstream.upstream.config import read_project
from midstream.upstream.origin import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from midstream.replaying import Step
    from midstream.upstream.origin import Origin
    from midstream.upstream.snapshot import Snapshot

PAGE = ROOT / "docs" / "decisions.md"
RELEASES = ("0.29.0", "0.30.0", "0.31.0", "0.32.0", "0.33.0")
TARGETS = ("cuda", "rocm", "rocm_base", "cpu", "xpu", "ppc64le", "s390x")

HEAD = """\
# What is asked, over five releases

The figure that matters: how many decisions each upstream release asks for, with nothing silently
wrong. Here the overlays of this repository, as they stand, are replayed over vLLM's releases from
0.29.0 to 0.33.0, each from where the one before left, with every question taken as answered.
`midstream replay --all --releases 0.29.0..0.33.0` prints it; `make pages` made this page, and a
test says when it is old.

*taken* came along by itself, carried or converted; *facts* are values that moved, old to new;
*set aside* stands in stages that nothing shipped needs, or under a standing decision; *asked* is
what a person had to look at.

| release | target | taken | facts | set aside | asked | what was asked |
| --- | --- | --: | --: | --: | --: | --- |
"""
TAIL = """
The first release of a range has nothing to compare with, so its line is empty. Upstream's
`rocm_base` of 0.33.0 is another file than the one before it: that one stood at another path, so the
overlay for it starts a range of its own.

## Answering

A rebase with an open question exits with 1, shows the place and what changed, and leaves the old
result. The answer goes into the overlay's `lock.json`, with its reason, and is reviewed like code:

```
midstream rebase --target cuda --diff        # what the result would be
midstream decide --target cuda               # on a terminal: one question after another
midstream decide --target cuda 'vllm-runtime-base / ENV UV_COMPILE_BYTECODE' \\
    --carry --why 'bytecode is compiled at build time; nothing of it is left at run time'
```

`--carry` takes upstream's text, `--drop` leaves it out while it stays as it is, `--accept` says
that an edit of the overlay is right for the new text too. An answer about a text that is gone is
said to have expired; `--forget` takes it out. Two people's answers in one lock that git couldn't
merge are joined by `--merge`.
"""


def steps(release: Callable[[str], Snapshot], cache: Path) -> Iterator[Step]:
    """Each target at each release, one after another."""
    path = ROOT / "upstream" / "vllm.yaml"
    project = read_project(Source.from_bytes("upstream/vllm.yaml", path.read_bytes()))
    now: list[Snapshot] = []

    def origin(target: str) -> Origin | None:
        there = project.path_of(target, now[-1].lock.files) is not None
        return origin_of(project, now[-1], target) if there else None

    def known(target: str) -> Origin:
        return origin_of(project, now[-1], target)

    walk = Walk(Rebaser(files.Tree(ROOT), known, cache), origin)
    for version in RELEASES:
        now.append(release(version))
        yield from walk.steps(version, TARGETS)


def page(release: Callable[[str], Snapshot], cache: Path) -> str:
    """The page's text. `release` gives the snapshot of a version."""
    done = list(steps(release, cache))
    asked = sum(len(step.questions) for step in done)
    taken = sum(step.counts.get(answer, 0) for step in done for answer in Answer) - asked
    total = f"\n**{asked} questions** over {len(RELEASES) - 1} releases; {taken} other changes.\n"
    return HEAD + "".join(row(step) for step in done) + total + TAIL


def row(step: Step) -> str:
    """One line of the table."""
    if step.errors:
        raise AssertionError(f"{step.target} at {step.revision}: {step.problem}")
    counts = [
        str(step.counts.get(answer, 0)) if step.counts else "-"
        for answer in (Answer.TAKEN, Answer.FACT, Answer.SET_ASIDE)
    ]
    asked = str(len(step.questions)) if step.counts else "-"
    said = "<br>".join(f"`{name}`" for name in step.questions)
    cells = (step.revision, step.target, *counts, asked, said)
    return f"| {' | '.join(cells)} |\n"


def main() -> None:
    PAGE.write_text(page(snapshot, files.cache_root()), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
