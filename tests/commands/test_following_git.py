"""`track --to` and `rebase --ref`, on a real repository."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import demo
from gits.repository import make

if TYPE_CHECKING:
    from pathlib import Path

    from demo import Demo
    from gits.repository import Repository


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    made = make(tmp_path / "upstream.git")
    made.commit({"docker/Dockerfile": demo.DOCKERFILE}, "First")
    made.tag("v2.1")
    return made


@pytest.fixture
def tree(tmp_path: Path, upstream: Repository) -> Demo:
    made = demo.make(tmp_path)
    made.write("upstream/demo.yaml", f"{demo.PROJECT}git: {{url: '{upstream.url}'}}\nfirst: git\n")
    return made


def test_a_branch_is_locked_by_its_commit(tree: Demo, upstream: Repository) -> None:
    ran = tree.run("track", "--to", "main")
    name = (upstream.tip() or "")[:12]
    assert ran.stdout == f"demo 2.1 -> {name}: none of the watched files\n"
    lock = json.loads(tree.path("upstream/demo.lock.json").read_bytes())
    assert (lock["release"], lock["commit"]) == ("", upstream.tip())
    assert "archive" not in lock


def test_a_release_is_found_by_its_tag(tree: Demo, upstream: Repository) -> None:
    ran = tree.run("track")
    assert ran.exit_code == 0, ran.stderr
    lock = json.loads(tree.path("upstream/demo.lock.json").read_bytes())
    assert (lock["release"], lock["commit"]) == ("2.1", upstream.tip())


def test_a_target_is_rebased_from_a_commit_that_is_no_release(
    tree: Demo, upstream: Repository
) -> None:
    upstream.commit({"docker/Dockerfile": demo.DOCKERFILE.replace("fast", "faster")})
    tree.run("track", "--to", "main")
    assert tree.run("rebase", "--target", "app").exit_code == 0
    assert "MODE=faster" in tree.result()
    lock = tree.json("overlays/app/lock.json")
    assert (lock["upstream"]["release"], lock["upstream"]["commit"]) == (None, upstream.tip())
    again = tree.run("rebase", "--target", "app", "--check")
    assert again.exit_code == 0, again.stderr


def test_what_changed_since_a_commit_is_told(tree: Demo, upstream: Repository) -> None:
    tree.run("track", "--to", "main")
    tree.run("rebase", "--target", "app")
    upstream.commit({"docker/Dockerfile": demo.DOCKERFILE.replace("fast", "faster")})
    tree.run("track", "--to", "main")
    assert "1 fact moved" in tree.run("rebase", "--target", "app").stderr


def test_a_text_off_the_lock_needs_a_place_to_go(tree: Demo, upstream: Repository) -> None:
    upstream.commit({"docker/Dockerfile": demo.DOCKERFILE.replace("fast", "faster")})
    before = tree.outputs(), tree.path("upstream/demo.lock.json").read_bytes()
    refused = tree.run("rebase", "--target", "app", "--ref", "main")
    assert (refused.exit_code, "--out DIR, or --stdout" in refused.stderr) == (2, True)
    shown = tree.run("rebase", "--target", "app", "--ref", "main", "--stdout")
    assert shown.exit_code == 0, shown.stderr
    assert "MODE=faster" in shown.stdout
    assert (tree.outputs(), tree.path("upstream/demo.lock.json").read_bytes()) == before


@pytest.mark.parametrize("command", ["track --to", "rebase --target app --stdout --ref"])
@pytest.mark.parametrize("ref", ["--upload-pack=touch x", "HEAD", "main:x", "refs/notes/x"])
def test_nothing_else_than_a_name_is_followed(tree: Demo, command: str, ref: str) -> None:
    ran = tree.run(*command.split(), ref)
    assert (ran.exit_code, "full name" in ran.stderr) == (2, True)


def test_two_names_for_one_thing_are_refused(tree: Demo) -> None:
    assert tree.run("track", "--to", "main", "--release", "2.1").exit_code == 2
    words = ("rebase", "--target", "app", "--stdout", "--ref", "main", "--release", "2.1")
    assert tree.run(*words).exit_code == 2


def test_an_upstream_without_the_ref_is_3(tree: Demo) -> None:
    ran = tree.run("track", "--to", "refs/heads/gone")
    assert (ran.exit_code, "was it deleted or renamed?" in ran.stderr) == (3, True)


# --- over a line of commits ---


def test_overlays_are_replayed_over_commits_that_touch_their_dockerfile(
    tree: Demo, upstream: Repository
) -> None:
    text = tree.path("overlays/app/overlay.yaml").read_text()
    tree.write("overlays/app/overlay.yaml", f'{text}review: [{{at: "final / ENTRYPOINT"}}]\n')
    upstream.commit({"main.py": "nothing of ours\n"})
    faster = upstream.commit({"docker/Dockerfile": demo.DOCKERFILE.replace("fast", "faster")})
    other = demo.DOCKERFILE.replace("/opt/app/run", "/opt/other")
    asks = upstream.commit({"docker/Dockerfile": other})
    ran = tree.run("--json", "replay", "--target", "app", "--revisions", "v2.1..main")
    assert ran.exit_code == 0, ran.stderr
    steps = json.loads(ran.stdout)["steps"]
    assert [step["revision"] for step in steps[1:]] == [faster[:12], asks[:12]]
    assert [step["questions"] for step in steps] == [[], [], ["final / ENTRYPOINT"]]
    assert steps[1]["counts"]["fact moved"] == 1


def test_a_line_that_leads_nowhere_is_2(tree: Demo, upstream: Repository) -> None:
    upstream.commit({"docker/Dockerfile": demo.DOCKERFILE.replace("fast", "faster")})
    words = ("replay", "--target", "app", "--revisions")
    assert tree.run(*words, "main..v2.1").exit_code == 2
    assert tree.run(*words, "v2.1").exit_code == 2
    assert tree.run(*words, "v2.1..main", "--last", "3").exit_code == 2
    assert tree.run(*words, "--x..main").exit_code == 2
