from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

import demo
from sync.scene import stage

if TYPE_CHECKING:
    from pathlib import Path

    from sync.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return stage(tmp_path)


def test_a_target_that_moved_gets_a_commit_on_its_branch(scene: Scene) -> None:
    ran = scene.sync()
    assert ran.exit_code == 0, ran.stderr
    tip = scene.tip()
    assert tip is not None
    assert scene.midstream.paths(tip) == [
        "README.md",
        "overlays/app/lock.json",
        "rendered/demo/Dockerfile.app.ubi",
        "rendered/demo/Dockerfile.app.ubi.build.json",
        "rendered/demo/Dockerfile.app.ubi.ledger.json",
        "upstream/demo.lock.json",
    ]
    assert "dnf install" in scene.result()
    assert scene.midstream.git("rev-parse", f"{tip}^") == scene.midstream.tip()
    scene.midstream.git("fsck", "--strict")


def test_a_commit_says_what_it_was_made_from(scene: Scene) -> None:
    scene.sync()
    said = scene.midstream.git("log", "-1", "--format=%an %ae %aI %cn %cI%n%B", "midstream/app")
    who, subject, *rest = said.splitlines()
    head = scene.upstream.tip() or ""
    blob = scene.upstream.git("rev-parse", "main:docker/Dockerfile")
    at = "2026-05-28T21:26:40+00:00"
    assert who == f"midstream midstream@midstream.invalid {at} midstream {at}"
    assert subject == f"Carry app to demo {head[:12]}"
    assert f"Midstream-Upstream: {scene.upstream.url}@{head}" in rest
    assert f"Midstream-Path: docker/Dockerfile={blob}" in rest
    assert any(line.startswith("Midstream-Overlay: sha256:") for line in rest)
    assert any(line.startswith("Midstream-Tool: ") for line in rest)


def test_nothing_moved_is_nothing_done(scene: Scene) -> None:
    scene.sync()
    tip = scene.tip()
    assert scene.outcomes() == {"app": "nothing moved"}
    assert scene.tip() == tip


def test_the_same_inputs_give_the_same_commit(tmp_path: Path) -> None:
    first, second = stage(tmp_path / "a"), stage(tmp_path / "b")
    second.tree.write("upstream/demo.yaml", first.tree.path("upstream/demo.yaml").read_bytes())
    for scene in (first, second):
        scene.sync()
    assert first.tip() == second.tip()


def test_commits_that_touch_nothing_of_a_target_move_nothing(scene: Scene) -> None:
    scene.sync()
    tip = scene.tip()
    scene.upstream.commit({"main.py": "print()\n"})
    assert scene.outcomes() == {"app": "nothing moved"}
    scene.upstream.commit({"requirements/x.txt": "watched, and read by no target\n"})
    assert scene.outcomes() == {"app": "nothing moved"}
    assert scene.tip() == tip


def test_each_step_of_upstream_stands_on_the_one_before(scene: Scene) -> None:
    for mode in ("a", "b", "c"):
        scene.dockerfile(mode)
        assert scene.outcomes() == {"app": "moved"}
        assert f"MODE={mode}" in scene.result()
    assert len(scene.log()) == 4
    assert scene.log()[-1] == "Begin"


def test_a_base_that_moved_on_is_what_the_next_commit_stands_on(scene: Scene) -> None:
    scene.sync()
    merged = scene.tip() or ""
    base = scene.midstream.commit({"README.md": "More\n"})
    assert scene.outcomes() == {"app": "moved"}
    assert scene.midstream.git("rev-parse", "midstream/app^") == base
    scene.midstream.git("update-ref", "refs/heads/main", scene.tip() or merged)
    assert scene.outcomes() == {"app": "nothing moved"}
    scene.dockerfile("next")
    assert scene.outcomes() == {"app": "moved"}
    assert scene.midstream.git("rev-parse", "midstream/app^") == scene.midstream.tip()


def test_an_overlay_that_changed_is_rendered_anew(scene: Scene) -> None:
    scene.sync()
    body = 'edits:\n  - {id: m, at: final / ENV / MODE, set: slow, why: "we test"}\n'
    text = scene.tree.path("overlays/app/overlay.yaml").read_text()
    scene.tree.write("overlays/app/overlay.yaml", text + body)
    ran = scene.sync()
    assert ran.exit_code == 0, ran.stderr
    assert "MODE=slow" in scene.result()


def test_a_file_of_ours_that_the_overlay_gives_up_goes_from_the_branch(tmp_path: Path) -> None:
    scene = stage(tmp_path, "files: {tools/x.sh: {with: x.sh, why: ours}}\n")
    scene.tree.write("overlays/app/x.sh", "echo ours\n")
    text = f"{demo.DOCKERFILE}COPY tools/x.sh /x.sh\n"
    scene.upstream.commit({"docker/Dockerfile": text, "tools/x.sh": "echo\n"}, "Copy it")
    path = "rendered/demo/app.files/tools/x.sh"
    for head, has_it in (("", True), (demo.HEAD, False)):
        if head:
            scene.tree.write("overlays/app/overlay.yaml", head)
        ran = scene.sync()
        assert ran.exit_code == 0, ran.stderr
        there = scene.midstream.git("ls-tree", "-r", "--name-only", "midstream/app").split()
        assert (path in there) is has_it


def test_another_version_of_midstream_renders_once_more(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def renders() -> int:
        """Each render that changes nothing leaves a note."""
        return len([each for each in (scene.tree.cache / "sync").iterdir() if not each.suffix])

    scene.sync()
    scene.sync()
    assert renders() == 0
    monkeypatch.setattr("midstream.sync.branch.__version__", "999")
    assert scene.outcomes() == {"app": "nothing moved"}
    assert renders() == 1


def test_a_dry_run_says_it_and_writes_nothing(scene: Scene) -> None:
    before = sorted(scene.midstream.folder.rglob("*"))
    ran = scene.sync("--dry-run")
    assert ran.exit_code == 0
    assert "moved" in ran.stdout
    assert scene.tip() is None
    assert sorted(scene.midstream.folder.rglob("*")) == before


# --- people ---


@pytest.mark.parametrize("place", ["last", "between"])
def test_a_persons_commit_on_the_branch_stops_it(scene: Scene, place: str) -> None:
    scene.sync()
    mine = scene.midstream.commit({"rendered/x": "mine\n"}, "Mend it", branch="midstream/app")
    if place == "between":
        ours = {"GIT_AUTHOR_NAME": "midstream", "GIT_AUTHOR_EMAIL": "midstream@midstream.invalid"}
        ours |= {key.replace("AUTHOR", "COMMITTER"): name for key, name in ours.items()}
        message = "Carry app\n\nMidstream-Upstream: x@y\n"
        mine = scene.midstream.commit({"y": "1\n"}, message, branch="midstream/app", who=ours)
    scene.dockerfile("next")
    ran = scene.sync()
    assert (ran.exit_code, scene.tip()) == (4, mine)
    assert "1 commit on `midstream/app` is a person's" in ran.stdout
    assert "as an edit under overlays/app/" in ran.stdout


def test_a_commit_of_ours_that_a_person_amended_is_a_persons(scene: Scene) -> None:
    scene.sync()
    tip = scene.tip() or ""
    message = scene.midstream.git("log", "-1", "--format=%B", tip)
    who = {"GIT_AUTHOR_NAME": "midstream", "GIT_AUTHOR_EMAIL": "midstream@midstream.invalid"}
    tree = scene.midstream.git("rev-parse", f"{tip}^{{tree}}")
    new = scene.midstream.git("commit-tree", tree, "-p", f"{tip}^", "-m", message, extra=who)
    scene.midstream.git("update-ref", "refs/heads/midstream/app", new)
    assert scene.outcomes() == {"app": "stopped"}


def test_a_result_that_somebody_edited_on_the_base_is_not_written_over(scene: Scene) -> None:
    scene.sync()
    scene.midstream.git("update-ref", "refs/heads/main", scene.tip() or "")
    path = "rendered/demo/Dockerfile.app.ubi"
    fresh = scene.result()
    by_hand = fresh.replace("make -j 4", "make -j 2")
    scene.midstream.commit({path: by_hand}, "Less memory")
    line = fresh[: fresh.index("make -j 4")].count("\n") + 1
    tip = scene.tip()
    scene.dockerfile("next")
    for _ in range(2):
        ran = scene.sync()
        assert (ran.exit_code, scene.tip()) == (4, tip)
        assert f"{path}:{line} was edited by hand" in ran.stdout
        assert "midstream absorb --target app" in ran.stdout
    scene.midstream.commit({path: fresh}, "Put it back")
    assert scene.outcomes() == {"app": "moved"}


ASKING = 'review: [{at: "@ship-lineage / ENV,ENTRYPOINT"}]\n'


def test_a_question_leaves_the_branch_and_the_other_targets_go_on(tmp_path: Path) -> None:
    scene = stage(tmp_path, ASKING, base=True)
    tree = scene.tree
    for words in (("track", "--to", "main"), ("rebase", "--target", "app")):
        assert tree.run(*words).exit_code == 0
    assert scene.sync().exit_code == 0
    tip = scene.tip()
    scene.entrypoint("/other")
    scene.dockerfile("taken", target="base")
    ran = scene.sync()
    assert ran.exit_code == 1
    assert "MS221" in ran.stderr
    assert scene.tip() == tip
    assert "MODE=taken" in scene.result("base")
    assert scene.outcomes() == {"app": "asked", "base": "nothing moved"}


def test_an_answer_lets_it_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = stage(tmp_path, ASKING)
    tree = scene.tree
    for words in (("track", "--to", "main"), ("rebase", "--target", "app")):
        assert tree.run(*words).exit_code == 0
    scene.entrypoint("/other")
    (question,) = scene.told()["app"]["questions"]
    tree.write("gitconfig", "[user]\n\tname = Ada\n")
    tree.run("track", "--to", "main")
    settings = str(tree.path("gitconfig"))
    answer = ("decide", "--target", "app", question, "--carry", "--why", "it is right")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", settings)
    assert tree.run(*answer).exit_code == 0
    assert scene.outcomes() == {"app": "moved"}
    assert "/other" in scene.result()
    assert b"it is right" in scene.midstream.show("midstream/app", "overlays/app/lock.json")


# --- what matters to a target ---


def test_another_targets_dockerfile_is_not_looked_into(tmp_path: Path) -> None:
    scene = stage(tmp_path, base=True)
    scene.sync()
    scene.dockerfile("next", target="base")
    ran = scene.sync("--target", "app")
    assert ran.exit_code == 0
    assert "nothing moved" in ran.stdout
    assert "fetching" not in ran.stderr, "not even the files came"


def test_a_target_whose_image_is_used_matters(tmp_path: Path) -> None:
    scene = stage(tmp_path, base=True)
    text = scene.tree.path("overlays/app/overlay.yaml").read_text()
    ship = "ship:\n  stage: final\n  args: {BASE: {value: \"{{ sibling('base') }}\", why: ours}}\n"
    scene.tree.write("overlays/app/overlay.yaml", text.replace("ship: {stage: final}\n", ship))
    assert scene.outcomes() == {"app": "moved", "base": "moved"}
    text = "FROM ubuntu:22.04 AS final\nRUN apt-get install -y no-such-thing\n"
    scene.upstream.commit({"docker/Dockerfile.base": text})
    ran = scene.sync("--target", "app")
    assert ran.exit_code == 1
    assert "`app` is built on `base`, which has errors" in ran.stderr


# --- noise ---


def test_a_quiet_period_waits_until_upstream_has_settled(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.sync()
    scene.dockerfile("next")
    at = 1_780_000_000 + scene.upstream.hours * 3600
    monkeypatch.setattr("time.time", lambda: at + 5 * 3600)
    assert scene.outcomes("--quiet-period", "6h") == {"app": "held back"}
    assert scene.sync("--quiet-period", "6h").exit_code == 0
    monkeypatch.setattr("time.time", lambda: at + 7 * 3600)
    assert scene.outcomes("--quiet-period", "6h") == {"app": "moved"}


def test_commits_that_are_to_be_skipped_wait_for_others(scene: Scene) -> None:
    scene.sync()
    scene.dockerfile("a", message="[CI] Try something")
    assert scene.outcomes("--skip", r"^\[CI\]") == {"app": "held back"}
    scene.dockerfile("b", message="Mean it")
    assert scene.outcomes("--skip", r"^\[CI\]") == {"app": "moved"}
    assert "MODE=b" in scene.result()


# --- upstream's faults ---


def test_a_rewritten_history_is_refused(scene: Scene) -> None:
    scene.sync()
    tip = scene.tip()
    scene.upstream.git("update-ref", "-d", "refs/heads/main")
    scene.dockerfile("other")
    ran = scene.sync()
    assert (ran.exit_code, scene.tip()) == (4, tip)
    assert "upstream rewrote its history" in ran.stderr


@pytest.mark.parametrize("more", ["", "RUN more\n"])
def test_a_dockerfile_that_upstream_renamed_is_found(scene: Scene, more: str) -> None:
    scene.sync()
    tip = scene.tip()
    text = scene.tree.files["docker/Dockerfile"].decode()
    scene.upstream.commit({"docker/Dockerfile": None, "images/Dockerfile": text + more})
    ran = scene.sync()
    assert (ran.exit_code, scene.tip()) == (2, tip)
    assert "upstream has no `docker/Dockerfile` any more" in ran.stderr
    assert "`images/Dockerfile` is what it was" in ran.stderr
    project = scene.tree.path("upstream/demo.yaml").read_text()
    now = "app: {path: images/Dockerfile, was: [docker/Dockerfile]}"
    scene.tree.write("upstream/demo.yaml", project.replace("app: docker/Dockerfile", now))
    assert scene.outcomes() == {"app": "moved"}


@pytest.mark.parametrize("twin", [False, True])
def test_a_dockerfile_that_upstream_deleted_is_said(scene: Scene, twin: bool) -> None:
    if twin:  # it was there before, so it is no other path of the one that went
        scene.upstream.commit({"docker/Dockerfile.twin": f"{demo.DOCKERFILE}# more\n"})
    scene.sync()
    scene.upstream.commit({"docker/Dockerfile": None})
    ran = scene.sync()
    assert (ran.exit_code, "nothing there resembles it" in ran.stderr) == (2, True)


def test_a_target_that_upstream_never_had_is_no_failure(tmp_path: Path) -> None:
    scene = stage(tmp_path, base=True)
    scene.upstream.commit({"docker/Dockerfile.base": None})
    assert scene.outcomes() == {"app": "moved", "base": "nothing moved"}


def test_a_branch_that_upstream_deleted_is_3(scene: Scene) -> None:
    scene.upstream.git("branch", "-m", "main", "trunk")
    ran = scene.sync()
    assert (ran.exit_code, "was it deleted or renamed?" in ran.stderr) == (3, True)


def test_escapes_in_a_dockerfile_do_not_reach_the_terminal(scene: Scene) -> None:
    text = "FROM ubuntu:22.04 AS final\nRUN apt-get install -y x\x1b[31mRED\n"
    scene.upstream.commit({"docker/Dockerfile": text}, "\x1b]0;title\x07")
    ran = scene.sync()
    assert "\x1b[31mRED" not in ran.stdout + ran.stderr
    assert "\x07" not in ran.stdout + ran.stderr


# --- twenty commits ---


def test_twenty_commits_of_upstream_with_a_persons_between(scene: Scene) -> None:
    scene.sync()
    moved = 0
    for number in range(1, 21):
        if number % 3:
            scene.dockerfile(f"m{number}", message=f"Step {number}")
        else:
            scene.upstream.commit({"main.py": f"{number}\n"}, f"Step {number}")
        if number == 10:
            scene.midstream.commit({"rendered/x": "1\n"}, "By hand", branch="midstream/app")
        found = scene.outcomes()["app"]
        if number in (10, 11):
            assert found == "stopped"
        else:
            assert found == ("moved" if number % 3 else "nothing moved")
            moved += number % 3 != 0
        if number == 11:  # the person is done: it is merged
            scene.midstream.git("update-ref", "refs/heads/main", scene.tip() or "")
            assert scene.outcomes() == {"app": "moved"}
            moved += 1
    assert len(scene.log()) == 1 + 1 + moved + 1
    assert "MODE=m20" in scene.result()
    scene.midstream.git("fsck", "--strict")


# --- what a commit counts as ---


def test_a_release_upstream_is_a_reason_to_look_again(tmp_path: Path) -> None:
    """Nothing that is watched moved, and yet other edits are made from now on."""
    body = 'edits: [{id: new, at: "@ship / ENV / MODE", releases: ">=2.1", set: new, why: a test}]'
    scene = stage(tmp_path, body)
    assert scene.outcomes() == {"app": "moved"}
    assert "MODE=fast" in scene.result()
    scene.upstream.tag("v2.1")
    assert scene.outcomes() == {"app": "nothing moved"}  # that commit was looked at before
    scene.upstream.commit({"README.md": "More\n"})
    assert scene.outcomes() == {"app": "moved"}
    assert "MODE=new" in scene.result()
    assert scene.outcomes() == {"app": "nothing moved"}


def test_two_machines_dont_take_turns_over_a_tag_that_came_late(
    tmp_path: Path,
) -> None:
    body = 'edits: [{id: new, at: "@ship / ENV / MODE", releases: ">=2.1", set: new, why: a test}]'
    scene = stage(tmp_path, body)
    assert scene.outcomes() == {"app": "moved"}
    tip = scene.tip()
    scene.upstream.tag("v2.1")
    shutil.rmtree(scene.tree.cache)  # as on another machine
    assert scene.outcomes() == {"app": "nothing moved"}
    assert scene.tip() == tip


# --- releases upstream ---


def test_a_release_that_became_another_one_is_refused(tmp_path: Path) -> None:
    scene = stage(tmp_path)
    scene.upstream.tag("v2.1")
    assert scene.outcomes("--to", "v*") == {"app": "moved"}
    tip = scene.tip()
    scene.dockerfile("other")
    scene.upstream.git("tag", "--force", "v2.1", "main")
    ran = scene.sync("--to", "v*")
    assert ran.exit_code == 4
    assert "upstream moved the tag of 2.1" in ran.stderr
    assert scene.tip() == tip


def test_a_release_that_was_withdrawn_takes_nobody_back(tmp_path: Path) -> None:
    scene = stage(tmp_path)
    scene.upstream.tag("v2.1")
    scene.dockerfile("other")
    scene.upstream.tag("v2.2")
    assert scene.outcomes("--to", "v*") == {"app": "moved"}
    tip = scene.tip()
    scene.upstream.git("tag", "--delete", "v2.2")
    ran = scene.sync("--to", "v*")
    assert ran.exit_code == 4
    assert "newest release is 2.1, and 2.2 is carried here: was it withdrawn?" in ran.stderr
    assert scene.tip() == tip
    assert scene.outcomes("--to", "v2.1") == {"app": "moved"}  # a person may want it
