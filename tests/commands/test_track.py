from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from commands.running import full_disk, run, shut, write
from midstream.adapters.files import cache_root
from serving import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from indexes.double import IndexDouble

PROJECT = """\
project: demo
index: {name: demo, version_file: demo/_version.py}
dockerfiles:
  app: {path: docker/Dockerfile, was: [Dockerfile]}
  tool: docker/Dockerfile.tool
ignore: {docker/Dockerfile.old: it went}
watch: ["*.sh"]
"""
OLD = {"Dockerfile": "FROM a\n", "docker/Dockerfile.tool": "FROM t\n", "build.sh": "make\n"}
NEW = {"docker/Dockerfile": "FROM b\n", "build.sh": "make all\n", "run.sh": "run\n"}


@pytest.fixture
def root(tmp_path: Path, index: IndexDouble) -> Path:
    """A tree that tracks `demo`, of which the index has 1.0 and 2.0."""
    index.offer("demo", "1.0", OLD)
    index.offer("demo", "2.0", NEW)
    write(tmp_path, {"upstream/demo.yaml": PROJECT})
    return tmp_path


def lock(root: Path) -> Path:
    return root / "upstream" / "demo.lock.json"


def test_the_first_lock_says_how_much_it_holds(root: Path) -> None:
    ran = run(root, "track", "--release", "1.0")
    assert (ran.code, ran.out) == (0, "demo 1.0: 3 files locked\n")
    assert "fetching demo-1.0.tar.gz" in ran.err
    assert json.loads(lock(root).read_bytes())["release"] == "1.0"


def test_a_step_says_what_moved_changed_came_and_went(root: Path) -> None:
    run(root, "track", "--release", "1.0")
    ran = run(root, "track")
    assert ran.code == 0
    assert ran.out == (
        "demo 1.0 -> 2.0: 1 added, 1 changed, 1 moved, 1 removed of the watched files\n"
        "  changed build.sh\n"
        "  moved   docker/Dockerfile  (was Dockerfile)  [app]\n"
        "  removed docker/Dockerfile.tool  [tool]\n"
        "  added   run.sh\n"
    )


def test_the_same_release_again_changes_nothing(root: Path) -> None:
    run(root, "track", "--release", "1.0")
    before = lock(root).read_bytes(), lock(root).stat().st_mtime_ns
    ran = run(root, "track", "--release", "1.0")
    assert (ran.code, ran.out) == (0, "demo 1.0: nothing has changed\n")
    assert (lock(root).read_bytes(), lock(root).stat().st_mtime_ns) == before


def test_the_same_files_from_elsewhere_are_told_apart_from_no_change(root: Path) -> None:
    run(root, "track", "--release", "1.0")
    content = json.loads(lock(root).read_bytes())
    lock(root).write_text(json.dumps({**content, "commit": "abc"}))
    assert "the same files" in run(root, "track", "--release", "1.0").out
    assert json.loads(lock(root).read_bytes())["commit"] == ""


def test_a_release_that_changes_no_watched_file_says_none(root: Path, index: IndexDouble) -> None:
    index.offer("demo", "2.1", {**NEW, "other.py": "1"})
    run(root, "track", "--release", "2.0")
    assert run(root, "track").out == "demo 2.0 -> 2.1: none of the watched files\n"


def test_one_json_object_tells_the_same(root: Path) -> None:
    run(root, "track", "--release", "1.0")
    found = run(root, "--json", "track").document
    assert (found["kind"], found["from"], found["to"]) == ("track", "1.0", "2.0")
    assert found["changes"][1] == {
        "kind": "moved", "path": "docker/Dockerfile", "was": "Dockerfile", "target": "app",
    }  # fmt: skip
    assert found["findings"] == []


# --- unlisted Dockerfiles ---


def test_a_dockerfile_that_nobody_named_is_asked_about(root: Path, index: IndexDouble) -> None:
    more = {"docker/Dockerfile.new": "FROM n\nRUN x\n", "docker/Dockerfile.old": "FROM o\n"}
    index.offer("demo", "3.0", {**NEW, **more})
    ran = run(root, "track")
    assert ran.code == 0
    assert "warning[MS541]: `docker/Dockerfile.new` is neither a target's nor ignored" in ran.err
    assert "--> docker/Dockerfile.new:1:1  (demo 3.0)" in ran.err
    assert "upstream/demo.yaml" in ran.err
    assert "Dockerfile.old" not in ran.err


def test_strictly_an_unlisted_dockerfile_is_an_exit_of_1_and_the_lock_is_written(
    root: Path, index: IndexDouble
) -> None:
    index.offer("demo", "3.0", {**NEW, "docker/Dockerfile.new": ""})
    ran = run(root, "--strict", "--json", "track")
    assert ran.code == 1
    assert [each["code"] for each in ran.document["findings"]] == ["MS541"]
    assert lock(root).exists()


# --- --check ---


def test_check_writes_nothing_and_says_that_the_lock_would_change(root: Path) -> None:
    assert run(root, "track", "--check", "--release", "1.0").code == 1
    assert not lock(root).exists()
    run(root, "track", "--release", "1.0")
    before = lock(root).read_bytes()
    assert run(root, "track", "--check").code == 1
    assert lock(root).read_bytes() == before
    assert run(root, "track", "--check", "--release", "1.0").code == 0


# --- what can go wrong ---


@pytest.mark.parametrize(
    ("status", "code"), [(404, 3), (403, 6), (503, 7), (500, 7), (429, 7), (400, 3)]
)
def test_a_refusing_index_gives_its_exit_code(
    root: Path, index: IndexDouble, status: int, code: int
) -> None:
    index.faults["/simple/demo/"] = Fault(status=status)
    ran = run(root, "track")
    assert ran.code == code
    assert ran.err.startswith("error: ")
    assert not lock(root).exists()


def test_a_wrong_archive_is_5_and_the_old_lock_stays(root: Path, index: IndexDouble) -> None:
    run(root, "track", "--release", "1.0")
    before = lock(root).read_bytes()
    index.projects["demo"][1].sha256 = "0" * 64
    ran = run(root, "track")
    assert ran.code == 5
    assert "is not the archive that the index promised" in ran.err
    assert lock(root).read_bytes() == before


def test_half_an_archive_is_7_and_run_again_it_works(root: Path, index: IndexDouble) -> None:
    index.faults["/files/demo-2.0.tar.gz"] = Fault(part=0.5, times=1)
    assert run(root, "track").code == 7
    assert not lock(root).exists()
    assert run(root, "track").code == 0


def test_a_refused_connection_is_7(root: Path, index: IndexDouble) -> None:
    index.stop()
    ran = run(root, "track")
    assert (ran.code, ran.out) == (7, "")
    assert "MIDSTREAM_INDEX_URL" in ran.err


def test_a_version_that_is_not_there_is_3(root: Path) -> None:
    ran = run(root, "track", "--release", "9.9")
    assert ran.code == 3
    assert "newest: 1.0, 2.0" in ran.err


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text.replace(' "release"', "<<<<<<< HEAD\n"), "git's conflict markers"),
        (lambda text: text[: len(text) // 2], "not JSON"),
        (lambda text: text.replace('"midstream": 1', '"midstream": 7'), "version 7"),
    ],
    ids=["conflict", "truncated", "other version"],
)  # fmt: skip
def test_a_lock_that_can_not_be_read_is_2_and_is_left_as_it_is(
    root: Path, spoil: object, said: str
) -> None:
    assert callable(spoil)
    run(root, "track", "--release", "1.0")
    spoiled = spoil(lock(root).read_text())
    lock(root).write_text(spoiled)
    ran = run(root, "track")
    assert ran.code == 2
    assert "error[MS550]" in ran.err
    assert said in ran.err
    assert "git checkout -- upstream/demo.lock.json" in ran.err
    assert lock(root).read_text() == spoiled


def test_a_folder_that_may_not_be_written_keeps_the_old_lock(root: Path) -> None:
    run(root, "track", "--release", "1.0")
    run(root, "track", "--check")  # the cache is warm now
    before = lock(root).read_bytes()
    with shut(root / "upstream", 0o555, *folders(cache_root())):
        ran = run(root, "track")
    assert ran.code == 3
    assert f"can't write `{lock(root)}`: permission denied" in ran.err
    assert lock(root).read_bytes() == before
    assert len(list((root / "upstream").iterdir())) == 2, "no scratch file is left"


def test_a_cache_that_may_not_be_looked_at_is_no_defect_of_ours(root: Path) -> None:
    run(root, "track")
    with shut(cache_root(), 0, root / "upstream"):
        ran = run(root, "track", "--release", "2.0")
    assert ran.code == 3
    assert f"can't write `{cache_root()}" in ran.err


def folders(root: Path) -> list[Path]:
    return [root, *(each for each in root.rglob("*") if each.is_dir())]


def test_a_full_disk_keeps_the_old_lock(root: Path) -> None:
    run(root, "track", "--release", "1.0")
    run(root, "track", "--check")
    before = lock(root).read_bytes()
    with full_disk():
        ran = run(root, "track")
    assert ran.code == 3
    assert "the old file, if any, is unchanged" in ran.err
    assert lock(root).read_bytes() == before
    assert len(list((root / "upstream").iterdir())) == 2, "no scratch file is left"


def test_a_tree_without_a_project_is_2(tmp_path: Path) -> None:
    ran = run(tmp_path, "track")
    assert ran.code == 2
    assert "--root" in ran.err


def test_a_mistake_in_the_project_is_2_at_its_line(root: Path) -> None:
    (root / "upstream" / "demo.yaml").write_text(f"{PROJECT}wach: []\n")
    ran = run(root, "track")
    assert ran.code == 2
    assert "upstream/demo.yaml:8:1" in ran.err
    assert "did you mean `watch`?" in ran.err


def test_one_of_several_projects_is_named(root: Path, index: IndexDouble) -> None:
    write(root, {"upstream/other.yaml": PROJECT.replace("project: demo", "project: other")})
    ran = run(root, "track")
    assert ran.code == 2
    assert "known: demo, other" in ran.err
    assert run(root, "track", "--project", "other").code == 0
    assert (root / "upstream" / "other.lock.json").exists()
    unknown = run(root, "track", "--project", "third")
    assert (unknown.code, "no project `third`" in unknown.err) == (2, True)
    assert index.asked.count("/simple/demo/") == 1


def test_an_unknown_option_is_2(root: Path) -> None:
    assert run(root, "track", "--relaese", "1").code == 2
