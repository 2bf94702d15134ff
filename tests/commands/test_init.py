"""`midstream init`: from somebody's repository to a result, with nothing but what it wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import demo
from commands.running import run
from gits.repository import make

if TYPE_CHECKING:
    from pathlib import Path

    from gits.repository import Repository

FILES = {
    "docker/Dockerfile": demo.DOCKERFILE,
    "images/worker/Dockerfile": "FROM ubuntu:24.04 AS only\nRUN apt-get install -y git\n",
    "LICENSE": "A licence.\n",
}


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    made = make(tmp_path / "demo.git")
    made.commit(FILES, "First")
    return made


@pytest.fixture(autouse=True)
def a_cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_what_it_writes_rebases_at_once(tmp_path: Path, upstream: Repository) -> None:
    tree = tmp_path / "mine"
    told = (
        "--dockerfile",
        "app=docker/Dockerfile",
        "--dockerfile",
        "worker=images/worker/Dockerfile",
    )
    ran = run(tmp_path, "init", str(tree), "--git", upstream.url, *told)
    assert ran.code == 0, ran.err
    assert f"now: cd {tree} && midstream rebase --target app" in ran.err
    for target in ("app", "worker"):
        done = run(tree, "rebase", "--target", target)
        assert done.code == 0, done.err
        assert "[MS354]" in done.err  # a base by its tag, until `midstream pin`
        assert "error" not in done.err
        text = (tree / f"rendered/demo/Dockerfile.{target}.ubi").read_text()
        assert "COPY LICENSE /licenses/demo" in text
        assert text.endswith("USER 2000\n")
    assert run(tree, "rebase", "--target", "app", "--check").code == 0
    assert run(tree, "check", "--target", "app").code == 0


def test_the_default_branch_is_followed_whatever_it_is_called(
    tmp_path: Path, upstream: Repository
) -> None:
    upstream.git("update-ref", "refs/heads/trunk", "refs/heads/main")
    upstream.git("symbolic-ref", "HEAD", "refs/heads/trunk")
    upstream.git("update-ref", "-d", "refs/heads/main")
    told = ("--git", upstream.url, "--dockerfile", "app=docker/Dockerfile")
    assert run(tmp_path, "init", str(tmp_path / "mine"), *told).code == 0
    assert "branch: trunk\n" in (tmp_path / "mine" / "upstream" / "demo.yaml").read_text()


def test_without_a_dockerfile_it_offers_all_that_upstream_has(
    tmp_path: Path, upstream: Repository
) -> None:
    ran = run(tmp_path, "init", str(tmp_path / "mine"), "--git", upstream.url)
    assert ran.code == 2
    assert (
        "--dockerfile demo=docker/Dockerfile --dockerfile worker=images/worker/Dockerfile"
        in ran.err
    )
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("there", ["upstream", "overlays"])
def test_a_tree_that_is_there_is_never_touched(
    tmp_path: Path, upstream: Repository, there: str
) -> None:
    (tmp_path / there).mkdir()
    told = ("--git", upstream.url, "--dockerfile", "app=docker/Dockerfile")
    ran = run(tmp_path, "init", str(tmp_path), *told)
    assert (ran.code, list((tmp_path / there).iterdir())) == (4, [])
    assert f"`{tmp_path / there}` is there already" in ran.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "where does upstream come from?"),
        (("--git", "URL", "--dockerfile", "app"), 2, "`app` names no target and path"),
        (("--git", "URL", "--dockerfile", "../x=Dockerfile"), 2, "`../x` can't be the name"),
        (("--git", "URL", "--dockerfile", "app=gone/Dockerfile"), 2, "has no `gone/Dockerfile`"),
        (("--git", "URL", "--branch", "gone", "--dockerfile", "app=docker/Dockerfile"), 3, "gone"),
        (("--git", "ext::sh -c id", "--dockerfile", "app=Dockerfile"), 2, "a character that"),
    ],
)
def test_what_can_not_be_done_writes_nothing(
    tmp_path: Path, upstream: Repository, words: tuple[str, ...], code: int, said: str
) -> None:
    told = [upstream.url if word == "URL" else word for word in words]
    ran = run(tmp_path, "init", str(tmp_path / "mine"), "--project", "demo", *told)
    assert ran.code == code, ran.err
    assert said in ran.err
    assert not (tmp_path / "mine").exists()


def test_json_lists_what_was_written(tmp_path: Path, upstream: Repository) -> None:
    told = ("--git", upstream.url, "--dockerfile", "app=docker/Dockerfile")
    ran = run(tmp_path, "--json", "init", str(tmp_path / "mine"), *told)
    files = ran.document["files"]
    assert {"upstream/demo.yaml", "upstream/demo.lock.json", "overlays/app/overlay.yaml"} < set(
        files
    )
    assert all((tmp_path / "mine" / path).is_file() for path in files)
