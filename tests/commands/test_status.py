from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from registries import images
from sync.scene import stage

if TYPE_CHECKING:
    from pathlib import Path

    from demo import Ran
    from registries.debian import DebianRegistry
    from sync.scene import Scene

HOUR = 3600


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return stage(tmp_path)


def status(scene: Scene, *words: str) -> Ran:
    return scene.tree.run("status", "--repo", scene.midstream.url, "--no-images", *words)


def told(scene: Scene, *words: str) -> dict[str, Any]:
    ran = scene.tree.run("--json", "status", "--repo", scene.midstream.url, *words)
    (target,) = json.loads(ran.stdout)["targets"]
    found: dict[str, Any] = target
    return found


def at(scene: Scene, hours: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the clock to some hours after upstream's last commit."""
    now = 1_780_000_000 + (scene.upstream.hours + hours) * HOUR
    monkeypatch.setattr("time.time", lambda: now)


def test_a_target_that_was_never_carried_is_behind(scene: Scene) -> None:
    ran = status(scene)
    assert ran.exit_code == 0
    assert ran.stdout.splitlines()[2].split()[:3] == ["app", "nothing", "-"]


def test_a_target_that_is_up_to_date_says_what_it_carries(scene: Scene) -> None:
    scene.sync()
    name = (scene.upstream.tip() or "")[:12]
    assert f"app     demo {name}  2026-05-28  -" in status(scene).stdout


def test_what_matters_and_the_days_are_counted(scene: Scene) -> None:
    scene.tree.run("track", "--to", "main")
    scene.tree.run("rebase", "--target", "app")
    scene.sync()
    scene.upstream.hours += 47
    scene.dockerfile("next")
    found = told(scene, "--no-images")
    assert (found["outcome"], found["changes"], found["days"]) == ("moved", 1, 2.0)
    assert "1 change, 2.0 days" in status(scene).stdout


def test_nothing_is_written(scene: Scene) -> None:
    scene.dockerfile("next")
    before = scene.midstream.git("for-each-ref")
    status(scene)
    assert scene.midstream.git("for-each-ref") == before
    assert scene.tip() is None


def test_a_sync_that_has_stopped_is_noticed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.sync()
    scene.dockerfile("waits")
    at(scene, 25, monkeypatch)
    assert status(scene, "--max-age", "26h").exit_code == 0
    at(scene, 27, monkeypatch)
    scene.upstream.commit({"docker/x.txt": "newer, and watched\n"})
    at(scene, 26, monkeypatch)
    ran = status(scene, "--max-age", "26h")
    assert ran.exit_code == 1
    assert "27.0 hours behind, and no sync took care of it" in ran.stderr
    assert status(scene).exit_code == 0, "nobody asked for a limit"


def test_an_upstream_that_rests_is_no_sync_that_has_stopped(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.sync()
    scene.upstream.commit({"main.py": "nothing of ours\n"})
    at(scene, 1000, monkeypatch)
    assert status(scene, "--max-age", "26h").exit_code == 0


def test_a_question_waits_for_a_person_and_not_for_a_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = stage(tmp_path, 'review: [{at: "@ship-lineage / ENTRYPOINT"}]\n')
    for words in (("track", "--to", "main"), ("rebase", "--target", "app")):
        assert scene.tree.run(*words).exit_code == 0
    scene.sync()
    scene.entrypoint("/other")
    at(scene, 1000, monkeypatch)
    assert status(scene, "--max-age", "26h").exit_code == 0
    assert told(scene, "--no-images")["questions"] == ["final / ENTRYPOINT"]


def test_an_upstream_that_is_down_is_3_and_what_is_carried_is_shown(scene: Scene) -> None:
    scene.sync()
    name = (scene.upstream.tip() or "")[:12]
    scene.upstream.folder.rename(scene.upstream.folder.with_name("away"))
    ran = status(scene)
    assert ran.exit_code == 3
    assert f"app     demo {name}  2026-05-28  not known" in ran.stdout
    assert "upstream:" not in ran.stdout
    assert "error: " in ran.stderr
    found = told(scene, "--no-images")
    assert (found["carried"]["commit"][:12], found["said"]) == (name, "not known")
    assert found["changes"] == 0


def test_what_is_published_is_read_with_its_upstream(
    scene: Scene, debian: DebianRegistry, repository: str
) -> None:
    path = "overlays/app/overlay.yaml"
    text = (
        scene.tree.path(path)
        .read_text()
        .replace("demo/app}", f"{repository}, tags: {{rolling: [latest, next]}}}}")
    )
    scene.tree.write(path, text)
    where = f'quay.example: {{address: "{debian.address}", plain: true}}\n'
    registries = scene.tree.write("registries.yaml", where)
    pushed = images.image(seed=3, labels={"io.midstream.upstream": "demo@2.1#abc"})
    debian.site.push(repository, pushed, "latest")
    found = told(scene, "--registries", str(registries))
    assert found["published"] == [
        {"tag": "latest", "digest": pushed.digest, "upstream": "demo@2.1#abc", "problem": None},
        {"tag": "next", "digest": None, "upstream": None, "problem": "not there"},
    ]


def test_a_registry_that_is_down_is_said_and_does_not_stop_the_rest(scene: Scene) -> None:
    path = "overlays/app/overlay.yaml"
    text = (
        scene.tree.path(path)
        .read_text()
        .replace("demo/app}", "demo/app, tags: {rolling: [latest]}}")
    )
    scene.tree.write(path, text)
    where = 'quay.example: {address: "127.0.0.1:1", plain: true}\n'
    registries = scene.tree.write("registries.yaml", where)
    found = told(scene, "--registries", str(registries))
    assert "refused" in found["published"][0]["problem"]
