"""Pull requests on a forge of our own, on 127.0.0.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from forges.double import TOKEN, ForgeDouble
from midstream.adapters import forge as adapter
from midstream.sync.describing import read_block
from sync.scene import stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo import Ran
    from sync.scene import Scene

KINDS = ("github", "gitlab")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return stage(tmp_path)


@pytest.fixture
def forge(monkeypatch: pytest.MonkeyPatch) -> Iterator[ForgeDouble]:
    monkeypatch.setattr(adapter, "_PAUSES", (0.0, 0.0))
    with ForgeDouble() as running:
        for name in ("GITHUB_API_URL", "CI_API_V4_URL"):
            monkeypatch.setenv(name, running.url)
        monkeypatch.setenv("MIDSTREAM_FORGE_TOKEN", TOKEN)
        monkeypatch.setenv("MIDSTREAM_FORGE_REPOSITORY", "https://forge.example/team/midstream.git")
        yield running


def sync(scene: Scene, kind: str = "github", *words: str) -> Ran:
    return scene.sync("--push", "--open-pr", kind, *words)


@pytest.mark.parametrize("kind", KINDS)
def test_a_branch_gets_one_request_that_follows_it(
    scene: Scene, forge: ForgeDouble, kind: str
) -> None:
    ran = sync(scene, kind)
    assert ran.exit_code == 0, ran.stderr
    (pull,) = forge.pulls
    assert (pull.branch, pull.base) == ("midstream/app", "main")
    assert pull.title == f"Carry app to demo {(scene.upstream.tip() or '')[:12]}"
    block = read_block(pull.body)
    assert block is not None
    assert block["commit"] == scene.tip()
    scene.dockerfile("next")
    assert sync(scene, kind).exit_code == 0
    assert forge.pulls == [pull], "updated in its place"
    assert (read_block(pull.body) or {})["commit"] == scene.tip()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_moved_is_one_question_and_no_write(
    scene: Scene, forge: ForgeDouble, kind: str
) -> None:
    sync(scene, kind)
    forge.asked.clear()
    assert sync(scene, kind).exit_code == 0
    assert [method for method, _ in forge.asked] == ["GET"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_that_is_moot_is_closed_with_a_word(
    scene: Scene, forge: ForgeDouble, kind: str
) -> None:
    sync(scene, kind)
    scene.midstream.git("update-ref", "refs/heads/main", scene.tip() or "")
    scene.dockerfile("next")
    sync(scene, kind)
    (pull,) = forge.pulls
    assert pull.is_open
    scene.upstream.commit({"docker/Dockerfile": scene.tree.files["docker/Dockerfile"]}, "Revert")
    ran = sync(scene, kind)
    assert ran.exit_code == 0, ran.stderr
    assert (pull.is_open, len(pull.notes)) == (False, 1)


def test_a_run_that_was_killed_before_its_request_makes_up_for_it(
    scene: Scene, forge: ForgeDouble
) -> None:
    scene.sync("--push")
    assert forge.pulls == []
    assert sync(scene).exit_code == 0
    (pull,) = forge.pulls
    assert (read_block(pull.body) or {})["commit"] == scene.tip()


def test_a_persons_words_in_the_place_of_ours_are_replaced_once(
    scene: Scene, forge: ForgeDouble
) -> None:
    sync(scene)
    forge.pulls[0].body = "I cleared this"
    sync(scene)
    assert read_block(forge.pulls[0].body) is not None


@pytest.mark.parametrize(("status", "code"), [(401, 6), (403, 6), (404, 3), (422, 3)])
def test_a_forge_that_refuses_leaves_the_branch_pushed(
    scene: Scene, forge: ForgeDouble, status: int, code: int
) -> None:
    forge.answers = [(status, {})]
    ran = sync(scene)
    assert ran.exit_code == code
    assert "As the test says" in ran.stderr
    assert scene.tip() is not None
    assert sync(scene).exit_code == 0
    assert len(forge.pulls) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_forge_that_is_busy_is_asked_again_and_then_7(
    scene: Scene, forge: ForgeDouble, status: int
) -> None:
    forge.answers = [(status, {})] * 2
    assert sync(scene).exit_code == 0
    scene.dockerfile("next")
    forge.answers = [(status, {})] * 3
    assert sync(scene).exit_code == 7
    assert sync(scene).exit_code == 0
    assert len(forge.pulls) == 1


def test_a_change_is_never_sent_twice(scene: Scene, forge: ForgeDouble) -> None:
    forge.answers = [(200, {}), (500, {})]
    forge.answers[0] = (503, {})
    forge.answers.insert(1, (503, {}))
    assert sync(scene).exit_code == 7
    assert forge.writes == []


def test_a_limit_of_the_forge_is_not_a_wrong_token(scene: Scene, forge: ForgeDouble) -> None:
    forge.answers = [(403, {"X-RateLimit-Remaining": "0", "Retry-After": "3600"})]
    assert sync(scene).exit_code == 7


def test_no_token_is_6_before_anything_is_done(
    scene: Scene, forge: ForgeDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MIDSTREAM_FORGE_TOKEN")
    ran = sync(scene)
    assert (ran.exit_code, scene.tip()) == (6, None)
    assert forge.asked == []


def test_the_token_is_not_sent_in_the_clear(
    scene: Scene, forge: ForgeDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_API_URL", "http://forge.example/api")
    assert sync(scene).exit_code == 2
    assert forge.asked == []


def test_a_request_without_a_push_makes_no_sense(scene: Scene, forge: ForgeDouble) -> None:
    words = ("sync", "--all", "--repo", str(scene.midstream.folder), "--open-pr", "github")
    ran = scene.tree.run(*words)
    assert (ran.exit_code, "add --push" in ran.stderr) == (2, True)
    assert forge.asked == []


def test_the_token_is_never_shown(scene: Scene, forge: ForgeDouble) -> None:
    forge.answers = [(401, {})]
    ran = sync(scene)
    assert TOKEN not in ran.stdout + ran.stderr
