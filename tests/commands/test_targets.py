from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from commands.running import run, write
from gits.repository import Repository
from sync.scene import stage

if TYPE_CHECKING:
    from indexes.double import IndexDouble

PROJECT = """\
project: demo
index: demo
dockerfiles: {app: docker/Dockerfile, tool: docker/Dockerfile.tool, gone: docker/Dockerfile.gone}
"""
OVERLAY = """\
target: app
upstream: {file: demo/app, releases: ">=1"}
platform: ubi9
ship: {stage: final}
"""
FILES = {"docker/Dockerfile": "FROM a AS final\n", "docker/Dockerfile.tool": "FROM t\n"}
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path, index: IndexDouble) -> Path:
    index.offer("demo", "1.0", FILES)
    write(tmp_path, {"upstream/demo.yaml": PROJECT, "overlays/app/overlay.yaml": OVERLAY})
    return tmp_path


def rows(root: Path, *words: str) -> dict[str, dict[str, object]]:
    found = run(root, "--json", "targets", *words).document["targets"]
    return {each["target"]: each for each in found}


def blob(root: Path, path: str) -> str:
    content = json.loads((root / "upstream" / "demo.lock.json").read_bytes())
    return str(content["files"][path])


def test_before_the_first_lock_nothing_is_tracked(root: Path) -> None:
    ran = run(root, "targets")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "TARGET  RELEASE      DOCKERFILE  BLOB  OVERLAY",
        "app     not tracked  -           -     -",
        "tool    not tracked  -           -     -",
        "gone    not tracked  -           -     -",
    ]


def test_a_locked_target_shows_its_file_its_blob_and_its_overlay(root: Path) -> None:
    run(root, "track")
    lines = run(root, "targets").out.splitlines()
    app, tool = (blob(root, path)[:10] for path in FILES)
    assert lines[1].split() == ["app", "demo", "1.0", "docker/Dockerfile", app, "overlays/app"]
    assert lines[2].split() == ["tool", "demo", "1.0", "docker/Dockerfile.tool", tool, "-"]
    assert lines[3].split() == ["gone", "demo", "1.0", "-", "-", "-"]


def test_an_overlay_for_other_releases_is_not_this_ones(root: Path) -> None:
    write(root, {"overlays/app/overlay.yaml": OVERLAY.replace(">=1", ">=2")})
    run(root, "track")
    assert rows(root)["app"]["overlay"] is None


def test_a_target_has_moved_until_its_bytes_were_rebased(root: Path, index: IndexDouble) -> None:
    run(root, "track")
    assert list(rows(root, "--moved")) == ["app"]
    decided = {"midstream": 1, "upstream": {"blob": blob(root, "docker/Dockerfile")}}
    write(root, {"overlays/app/lock.json": json.dumps(decided)})
    assert rows(root)["app"]["moved"] is False
    assert rows(root, "--moved") == {}
    index.offer("demo", "1.1", {**FILES, "docker/Dockerfile": "FROM b AS final\n"})
    run(root, "track")
    assert list(rows(root, "--moved")) == ["app"]


@pytest.mark.parametrize("lock", ["", "{", "[]", '{"upstream": 3}', '{"upstream": {}}'])
def test_an_overlay_whose_lock_says_nothing_has_moved(root: Path, lock: str) -> None:
    run(root, "track")
    write(root, {"overlays/app/lock.json": lock})
    assert list(rows(root, "--moved")) == ["app"]


def test_the_matrix_is_one_line_of_what_can_be_built(root: Path) -> None:
    run(root, "track")
    ran = run(root, "targets", "--matrix", "github")
    assert ran.out == '{"include": [{"target": "app"}]}\n'


def test_a_row_of_json_holds_all_that_the_table_does(root: Path) -> None:
    run(root, "track")
    assert rows(root)["app"] == {
        "target": "app",
        "project": "demo",
        "release": "1.0",
        "dockerfile": "docker/Dockerfile",
        "blob": blob(root, "docker/Dockerfile"),
        "overlay": "overlays/app",
        "moved": True,
    }


def test_a_lock_that_can_not_be_read_is_2(root: Path) -> None:
    write(root, {"upstream/demo.lock.json": "{"})
    assert run(root, "targets").code == 2


def test_the_tree_of_this_repository_has_its_targets() -> None:
    found = rows(REPOSITORY)
    assert found["rocm"]["overlay"] == "overlays/rocm"
    assert found["cuda"]["dockerfile"] == "docker/Dockerfile"


# --- by a look at upstream ---


def test_the_targets_that_a_sync_would_look_into_are_a_matrix(tmp_path: Path) -> None:
    scene = stage(tmp_path, base=True)
    tree = Repository(scene.tree.root / "tree")
    tree.git("init", "--quiet", "--initial-branch=main", ".")
    tree.git("add", "--all")
    tree.git("commit", "--quiet", "-m", "Overlays")
    words = ("targets", "--moved", "--upstream", "--matrix", "github")

    def moved() -> list[str]:
        ran = scene.tree.run(*words)
        assert ran.exit_code == 0, ran.stderr
        return [each["target"] for each in json.loads(ran.stdout)["include"]]

    assert moved() == ["app", "base"]
    assert tree.tip("midstream/app") is None, "it only looks"
    scene.tree.run("sync", "--all")
    assert moved() == []
    scene.upstream.commit({"main.py": "nothing of ours\n"})
    assert moved() == []
    scene.dockerfile("next", target="base")
    scene.tree.run("sync", "--target", "app")
    assert moved() == ["base"]
