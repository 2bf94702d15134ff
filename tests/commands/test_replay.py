from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from demo import DOCKERFILE, HEAD, make

if TYPE_CHECKING:
    from pathlib import Path

    from demo import Demo
    from indexes.double import IndexDouble

BODY = """\
edits:
  - {id: fast, at: build / RUN / make install, replace: "make fast", why: ours is faster}
"""
TEXTS = {
    "1.9": DOCKERFILE,
    "2.0": DOCKERFILE,
    "2.1": DOCKERFILE.replace("-j 4", "-j 8").replace("MODE=fast", "MODE=faster"),
    "2.2": DOCKERFILE.replace("make install", "make install --strip"),
    "2.3": DOCKERFILE.replace("make install", "make install --strip").replace("git make", "nosuch"),
}


@pytest.fixture
def demo(tmp_path: Path, index: IndexDouble) -> Demo:
    """The project with four releases on the index, and an overlay from 2.0 on."""
    for version, text in TEXTS.items():
        index.offer("demo", version, {"docker/Dockerfile": text})
    made = make(tmp_path, body=BODY, head=HEAD)
    shutil.rmtree(made.cache / "releases")  # what these releases are, the index says
    return made


def rows(demo: Demo, *words: str) -> list[list[str]]:
    ran = demo.run("replay", *words)
    return [line.split()[:7] for line in ran.stdout.splitlines()]


def test_each_release_is_rebased_from_where_the_one_before_left(demo: Demo) -> None:
    assert rows(demo, "--all", "--releases", "2.0..2.3") == [
        ["RELEASE", "TARGET", "TAKEN", "FACTS", "ASIDE", "ASKED", "ERRORS"],
        ["2.0", "app", "0", "0", "0", "0", "0"],
        ["2.1", "app", "1", "1", "0", "0", "0"],
        ["2.2", "app", "0", "1", "0", "1", "0"],
        ["2.3", "app", "0", "0", "0", "0", "1"],
        ["total", "4", "rebases", "1", "2", "0", "1"],
    ]


def test_nothing_is_written_and_the_tree_s_own_lock_plays_no_part(demo: Demo) -> None:
    before = demo.outputs()
    demo.run("replay", "--target", "app")
    assert demo.outputs() == before


def test_a_release_without_an_overlay_is_a_gap_and_no_error(demo: Demo) -> None:
    ran = demo.run("replay", "--all", "--releases", "1.9..2.0")
    assert ran.exit_code == 0
    assert "no overlay of `app` is for 1.9" in ran.stdout


def test_a_file_that_took_a_path_over_is_said_to_before_all_that_it_changed(
    demo: Demo, index: IndexDouble
) -> None:
    other = "FROM ubuntu:22.04 AS final\n" + "".join(f"RUN step {n}\n" for n in range(9))
    there = {"docker/Dockerfile": DOCKERFILE, "docker/Dockerfile.next": other}
    index.offer("demo", "3.0", there)
    index.offer("demo", "3.1", {"docker/Dockerfile": f"{other}USER 1\n"})
    demo.write("overlays/app/overlay.yaml", f"{HEAD}review: [{{at: '* / USER'}}]\n")
    ran = demo.run("replay", "--all", "--releases", "3.0..3.1")
    (row,) = (line for line in ran.stdout.splitlines() if line.startswith("3.1"))
    assert row.endswith("@file (was docker/Dockerfile.next), final / USER")


def test_json_lists_the_questions(demo: Demo) -> None:
    ran = demo.run("--json", "replay", "--all", "--releases", "2.1..2.2")
    content = json.loads(ran.stdout)
    assert (content["asked"], content["errors"]) == (1, 0)
    assert content["steps"][1]["questions"] == ["fast"]


@pytest.mark.parametrize(
    ("words", "count"),
    [(["--last", "2"], 2), (["--releases", "2.1"], 1), (["--releases", "2.2.."], 2), ([], 5)],
)
def test_a_range_is_chosen_by_its_ends(demo: Demo, words: list[str], count: int) -> None:
    assert len(rows(demo, "--all", *words)) == count + 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--target, or take all with --all"),
        (["--all", "--releases", "7.0..8.0"], "no release 7.0"),
        (["--all", "--releases", "2.2..2.1"], "holds no release"),
    ],
)
def test_a_range_that_holds_nothing_is_refused(demo: Demo, words: list[str], said: str) -> None:
    ran = demo.run("replay", *words)
    assert ran.exit_code == 2
    assert said in ran.stderr


def test_rows_of_packages_that_no_target_needed_are_listed_where_one_asks(demo: Demo) -> None:
    words = ("replay", "--all", "--releases", "2.0..2.1")
    assert demo.run(*words).codes == []
    ran = demo.run(*words, "--unused")
    assert (ran.exit_code, set(ran.codes)) == (0, {"MS246"})
    assert "no target needed the row of `libsm6`" in ran.stderr
    assert "the row of `git`" not in ran.stderr
    assert demo.run("--strict", *words, "--unused").exit_code == 1
    content = json.loads(demo.run("--json", *words, "--unused").stdout)
    assert {each["code"] for each in content["findings"]} == {"MS246"}
