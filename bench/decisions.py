"""`python -m bench.decisions`: docs/decisions.md, what would have been asked over real releases."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bench.measuring import ROOT
from bench.releases import snapshot
from bench.story import TARGETS, told
from midstream.adapters import files
from midstream.history.movement import Answer
from midstream.rebasing.flow import Rebaser
from midstream.replaying import Walk
from midstream.source import Source
from midstream.upstream.config import read_project
from midstream.upstream.origin import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from midstream.replaying import Step
    from midstream.upstream.origin import Origin
    from midstream.upstream.snapshot import Snapshot

PAGE = ROOT / "docs" / "decisions.md"
RELEASES = ("0.29.0", "0.30.0", "0.31.0", "0.32.0", "0.33.0")
REPLAYED = ("cpu", "xpu", "ppc64le", "s390x")

HEAD = """\
# What is asked, over five releases

The figure that matters: how many decisions each upstream release asks for, with nothing silently
wrong. For rocm, rocm_base and cuda, over vLLM's releases from 0.29.0 to 0.33.0:

"""
STORY = """
*taken* came along by itself, carried or converted; *facts* are values that moved, old to new;
*set aside* stands in stages that nothing shipped needs, or under a standing decision; *asked* is
what a person had to answer, *errors* what the overlay had to be written for.

## The story

Each line below was printed by the command above it. `make pages` runs them, in a copy of this
repository's overlays as they would have stood at 0.29.0, and makes this page; a test says when it
is old. At the end the copy is this repository again, and the results are those that its locks
promise, byte for byte. Left out are warnings about tags without a digest, all but one of findings
that are alike, all but three of the values that moved in one file, and upstream's comments.
"""
OTHERS = """
## The other targets

`midstream replay --all --releases 0.29.0..0.33.0` walks the same releases without writing anything,
each from where the one before left, with every question taken as answered:

| release | target | taken | facts | set aside | asked | what was asked |
| --- | --- | --: | --: | --: | --: | --- |
"""
TAIL = """
One ENV, `UV_COMPILE_BYTECODE`, is asked about by five targets: `decide --all` answers it in each.

## Answering

A rebase with an open question exits with 1, shows the place and what changed, and leaves the old
result. The answer goes into the overlay's `lock.json`, with its reason, who gave it and the date of
the upstream release, and is reviewed like code. `midstream rebase --diff` shows what the result
would be; `midstream decide --target T` on a terminal asks one question after another, with the old
text and the new one. Where others ask the same, in whatever stage, the question names them: with
`--all`, or with `--target` several times, one answer goes into the lock of each.

`--carry` takes upstream's text, `--drop` leaves it out while it stays as it is, `--accept` says
that an edit of the overlay is right for the new text too. An answer about a text that is gone is
said to have expired; `--forget` takes it out. Two people's answers in one lock that git couldn't
merge are joined by `--merge`.

## Commit by commit

Releases are two a month; commits show each change as upstream made it. Here the overlays stand
over the 262 commits of vLLM's `main` that touched a Dockerfile of cuda, rocm, cpu or xpu from
2025-04 to 2026-06, in a clone of red-hat-data-services/vllm-cpu (`python -m bench.commits CLONE
78e7293bb157 --target cuda …`), with every question taken as answered. Each commit counts as the
release after the newest one before it:

| target | commits | no overlay | with errors | taken | facts | set aside | asked |
|---|---:|---:|---:|---:|---:|---:|---:|
| cuda | 262 | 94 | 79 | 350 | 209 | 44 | 20 |
| rocm | 262 | 94 | 24 | 100 | 97 | 177 | 20 |
| cpu | 262 | 94 | 22 | 118 | 123 | 97 | 2 |
| xpu | 262 | 157 | 31 | 105 | 310 | 1 | 14 |

Nobody wrote an overlay for what came before 0.11. Commits with errors stand between two releases
whose overlays differ: upstream had changed what the older one is written for, and each error
names what (an ARG that went, a package of AMD's, a script that calls apt, a folder of Debian's).
Of the changes that were taken, 88 drawn by chance here and 60 over releases were read in full,
before and after. None was one to ask about. One was wrong without a word, and is a rule now:
`find /usr/lib -name libnccl.so.2` finds nothing on EL, where libraries are in lib64.
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
        yield from walk.steps(version, REPLAYED)


def page(release: Callable[[str], Snapshot], cache: Path) -> str:
    """The page's text. `release` gives the snapshot of a version, and leaves it in the cache."""
    others = "".join(row(step) for step in steps(release, cache))
    with TemporaryDirectory() as folder:
        tree = told(Path(folder), cache)
    return (
        HEAD
        + figures(tree.rows)
        + STORY
        + "\n"
        + "\n\n".join(tree.said)
        + "\n"
        + OTHERS
        + (others + TAIL)
    )


def figures(rows: list[tuple[str, ...]]) -> str:
    """The story's table, and what it comes to."""
    names = ("release", "target", "taken", "facts", "set aside", "asked", "errors")
    rule = ("---", "---", *["--:"] * 5)
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in (names, rule, *rows))
    taken, facts, aside, asked, errors = (
        sum(int(row[at]) for row in rows) for at in range(2, len(names))
    )
    return (
        f"{table}\n**{asked} questions and {errors} errors** over {len(RELEASES) - 1} releases of "
        f"{len(TARGETS)} targets; {taken + facts + aside} other changes.\n"
    )


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
