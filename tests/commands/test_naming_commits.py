"""Findings and questions name upstream's commits, out of a real repository's history."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

import demo
from midstream.adapters.process import check, run

if TYPE_CHECKING:
    from pathlib import Path

    from demo import Demo
    from gits.repository import Repository

EDITS = """\
edits:
  - {id: make, at: build / RUN / make install, replace: make install-ours, why: ours}
review: [{at: "@ship / ENTRYPOINT,ENV"}]
"""
INSTALL = "    && make install"


@pytest.fixture(autouse=True)
def _somebody() -> None:
    check(run("git", "config", "--global", "user.name", "Ada"))


@pytest.fixture
def tree(tmp_path: Path, upstream: Repository) -> Demo:
    """Rebased at 2.1, which everything below goes on from."""
    made = demo.make(tmp_path, body=EDITS)
    made.write("upstream/demo.yaml", f"{demo.PROJECT}git: {{url: '{upstream.url}'}}\nfirst: git\n")
    assert made.run("track", "--to", "v2.1").exit_code == 0
    ran = made.run("rebase", "--target", "app")
    assert ran.exit_code == 0, ran.stderr
    return made


def change(upstream: Repository, old: str, new: str, message: str) -> str:
    text = upstream.show("main", "docker/Dockerfile").decode()
    assert old in text
    return upstream.commit({"docker/Dockerfile": text.replace(old, new)}, message)


def follow(tree: Demo) -> None:
    ran = tree.run("track", "--to", "main", "--history")
    assert ran.exit_code == 0, ran.stderr


def found(tree: Demo, *words: str) -> list[dict[str, Any]]:
    ran = tree.run("--json", "rebase", "--target", "app", *words)
    findings: list[dict[str, Any]] = json.loads(ran.stdout)["targets"][0]["findings"]
    return [each for each in findings if each["severity"] == "error"]


def subjects(finding: dict[str, Any]) -> list[str]:
    return [each["subject"] for each in finding["commits"]]


# --- an edit that finds nothing any more ---


def test_the_commit_that_broke_an_edit_is_named(tree: Demo, upstream: Repository) -> None:
    change(upstream, "MODE=fast", "MODE=slow", "Slow down")
    broke = change(upstream, INSTALL, "    && cmake --install .", "Use \x1b[31mcmake\x1b[0m")
    change(upstream, "MODE=slow", "MODE=slower", "Slow down more")
    follow(tree)
    ran = tree.run("rebase", "--target", "app")
    assert ran.exit_code == 1
    assert f"= by upstream's {broke[:12]} of 2026-05-28: Use \\x1b[31mcmake\\x1b[0m" in ran.stderr
    (finding,) = found(tree)
    assert (finding["code"], [each["id"] for each in finding["commits"]]) == ("MS520", [broke])


def test_of_a_change_that_came_went_and_came_again_the_last_coming_counts(
    tree: Demo, upstream: Repository
) -> None:
    """A search by halves would end anywhere here."""
    change(upstream, INSTALL, "    && ninja", "Use ninja")
    change(upstream, "    && ninja", INSTALL, "Revert it")
    change(upstream, "MODE=fast", "MODE=slow", "Slow down")
    change(upstream, INSTALL, "    && ninja", "Use ninja again")
    change(upstream, "    && ninja", "    && ninja -j 4", "Use more of it")
    follow(tree)
    (finding,) = found(tree)
    assert subjects(finding) == ["Use ninja again"]


def test_the_commit_that_made_an_edit_find_too_much_is_named(
    tree: Demo, upstream: Repository
) -> None:
    change(upstream, INSTALL, f"{INSTALL} && make docs", "Write docs")
    change(upstream, INSTALL, f"{INSTALL} && make install", "Install twice")
    follow(tree)
    (finding,) = found(tree)
    assert (finding["code"], subjects(finding)) == ("MS521", ["Install twice"])


def test_of_several_commits_that_made_it_worse_the_first_is_named(
    tree: Demo, upstream: Repository
) -> None:
    change(upstream, INSTALL, f"{INSTALL} && make install", "Install twice")
    change(upstream, INSTALL, f"{INSTALL} && make install", "Install three times")
    follow(tree)
    (finding,) = found(tree)
    assert (finding["code"], subjects(finding)) == ("MS521", ["Install twice"])


def test_a_stage_that_was_renamed_is_put_down_to_its_commit(
    tree: Demo, upstream: Repository
) -> None:
    text = demo.DOCKERFILE.replace("AS build", "AS compile").replace("from=build", "from=compile")
    upstream.commit({"docker/Dockerfile": text}, "Rename a stage")
    follow(tree)
    (finding,) = found(tree)
    assert (finding["code"], subjects(finding)) == ("MS522", ["Rename a stage"])


def test_a_build_argument_that_nothing_declares_any_more_is_put_down_to_its_commit(
    tmp_path: Path, upstream: Repository
) -> None:
    change(upstream, "ENV MODE=fast", "ARG SPEED=1\nENV MODE=fast", "Take a speed")
    head = demo.HEAD.replace(
        "{stage: final}", "{stage: final, args: {SPEED: {value: '2', why: ours}}}"
    )
    tree = demo.make(tmp_path / "other")
    tree.write("overlays/app/overlay.yaml", head)
    tree.write("upstream/demo.yaml", f"{demo.PROJECT}git: {{url: '{upstream.url}'}}\nfirst: git\n")
    tree.run("track", "--to", "main")
    assert tree.run("rebase", "--target", "app").exit_code == 0
    change(upstream, "ARG SPEED=1\n", "", "Go at one speed")
    change(upstream, "make -j 4", "make -j 8", "Build fast")
    follow(tree)
    (finding,) = found(tree)
    assert (finding["code"], subjects(finding)) == ("MS240", ["Go at one speed"])


def test_an_error_about_upstreams_own_text_is_put_down_to_the_commit_that_brought_it(
    tree: Demo, upstream: Repository
) -> None:
    change(upstream, "install -y git", "install -y cmake git", "Take cmake")
    change(upstream, "cmake git", "cmake no-such-thing git", "Take a thing")
    change(upstream, "cmake no-such-thing", "no-such-thing", "Take cmake out")
    follow(tree)
    (finding,) = found(tree)
    assert (finding["code"], subjects(finding)) == ("MS203", ["Take a thing"])


def test_a_file_is_followed_to_the_path_that_it_had(tree: Demo, upstream: Repository) -> None:
    project = tree.path("upstream/demo.yaml").read_text()
    moved = project.replace(
        "app: docker/Dockerfile", "app: {path: docker/D.app, was: [docker/Dockerfile]}"
    )
    change(upstream, INSTALL, "    && ninja", "Use ninja")
    text = upstream.show("main", "docker/Dockerfile").decode()
    upstream.commit({"docker/Dockerfile": None, "docker/D.app": text}, "Move the file")
    tree.write("upstream/demo.yaml", moved)
    follow(tree)
    (finding,) = found(tree)
    assert subjects(finding) == ["Use ninja"]


# --- a question ---


def test_a_question_names_every_commit_that_changed_its_text(
    tree: Demo, upstream: Repository
) -> None:
    change(upstream, '"/opt/app/run"]', '"/opt/app/run", "--fast"]', "Start fast")
    change(upstream, "make -j 4", "make -j 8", "Build fast")
    change(upstream, '"--fast"]', '"--faster"]', "Start faster")
    follow(tree)
    questions = found(tree)
    assert [subjects(each) for each in questions] == [["Start faster", "Start fast"]]
    shown = tree.run("decide", "--target", "app").stderr
    assert shown.index(": Start faster") < shown.index(": Start fast\n")


def test_what_was_taken_back_is_nobodys(tree: Demo, upstream: Repository) -> None:
    change(upstream, "/opt/app/run", "/opt/app/start", "Start otherwise")
    change(upstream, "/opt/app/start", "/opt/app/run", "Revert it")
    change(upstream, "/opt/app/run", "/opt/app/serve", "Serve")
    follow(tree)
    (question,) = found(tree)
    assert subjects(question) == ["Serve"]


def test_an_edits_question_names_the_commits_that_changed_its_command(
    tree: Demo, upstream: Repository
) -> None:
    change(upstream, "make -j 4", "make -j 8", "Build fast")
    change(upstream, "make install", "make install DESTDIR=/x", "Install elsewhere")
    follow(tree)
    (question,) = found(tree)
    assert (question["code"], subjects(question)) == ("MS220", ["Install elsewhere"])


def test_of_a_new_environment_variable_the_commit_that_brought_it_is_named(
    tree: Demo, upstream: Repository
) -> None:
    change(upstream, "ENV MODE=fast", "ENV MODE=fast\nENV HUB=offline", "Stay offline")
    change(upstream, "make -j 4", "make -j 8", "Build fast")
    follow(tree)
    (question,) = found(tree)
    assert subjects(question) == ["Stay offline"]


# --- whose history ---


def test_what_a_release_had_picked_already_is_nobodys(tree: Demo, upstream: Repository) -> None:
    """The release's branch left main before the change, and took it along by itself."""
    cut = upstream.tip()
    change(upstream, '"/opt/app/run"]', '"/opt/app/run", "--fast"]', "Start fast")
    picked = upstream.show("main", "docker/Dockerfile")
    upstream.git("update-ref", "refs/heads/release", cut or "")
    upstream.commit({"docker/Dockerfile": picked}, "Pick it", branch="release")
    upstream.git("tag", "v2.2", "refs/heads/release")
    tree.run("track", "--to", "v2.2")
    tree.run("decide", "--target", "app", "final / ENTRYPOINT", "--carry", "--why", "fine")
    assert tree.run("rebase", "--target", "app").exit_code == 0
    change(upstream, '"--fast"]', '"--faster"]', "Start faster")
    follow(tree)
    (question,) = found(tree)
    assert subjects(question) == ["Start faster"]


def test_a_merge_is_a_step_of_the_branch_that_it_came_to(tree: Demo, upstream: Repository) -> None:
    first = upstream.tip()
    upstream.git("update-ref", "refs/heads/side", first or "")
    text = demo.DOCKERFILE.replace('/opt/app/run"]', '/opt/app/serve"]')
    side = upstream.commit({"docker/Dockerfile": text}, "Serve", branch="side")
    tree_id = upstream.git("rev-parse", f"{side}^{{tree}}")
    when = {"GIT_COMMITTER_DATE": "1790000000 +0000"}
    merge = upstream.git("commit-tree", tree_id, "-p", first or "", "-p", side, "-m", "Merge it",
                         extra=when)  # fmt: skip
    upstream.git("update-ref", "refs/heads/main", merge)
    follow(tree)
    (question,) = found(tree)
    assert subjects(question) == ["Merge it"]


def test_without_history_at_hand_nobody_is_asked_and_nothing_is_named(
    tree: Demo, upstream: Repository
) -> None:
    change(upstream, "/opt/app/run", "/opt/app/serve", "Serve")
    tree.run("track", "--to", "main")
    upstream.folder.rename(upstream.folder.with_name("gone.git"))
    (question,) = found(tree)
    assert question["commits"] == []


def test_history_that_is_at_hand_needs_no_upstream(tree: Demo, upstream: Repository) -> None:
    change(upstream, "/opt/app/run", "/opt/app/serve", "Serve")
    follow(tree)
    upstream.folder.rename(upstream.folder.with_name("gone.git"))
    (question,) = found(tree)
    assert subjects(question) == ["Serve"]


def test_rebase_with_a_ref_brings_the_history_that_it_needs(
    tree: Demo, upstream: Repository
) -> None:
    change(upstream, "/opt/app/run", "/opt/app/serve", "Serve")
    (question,) = found(tree, "--ref", "main", "--out", str(tree.root / "out"))
    assert subjects(question) == ["Serve"]


def test_a_text_of_ones_own_is_nobodys_commit(tree: Demo, upstream: Repository) -> None:
    change(upstream, "/opt/app/run", "/opt/app/serve", "Serve")
    follow(tree)
    own = tree.write("mine", demo.DOCKERFILE.replace("/opt/app/run", "/opt/app/mine"))
    (question,) = found(tree, "--dockerfile", str(own), "--out", str(tree.root / "out"))
    assert question["commits"] == []


def test_a_history_that_was_thrown_away_is_no_fault(tree: Demo, upstream: Repository) -> None:
    change(upstream, "/opt/app/run", "/opt/app/serve", "Serve")
    follow(tree)
    shutil.rmtree(tree.cache / "git")
    (question,) = found(tree)
    assert question["commits"] == []


# --- files beside the Dockerfile ---


def test_a_script_that_is_called_where_an_edit_stands_has_commits_too(
    tmp_path: Path, upstream: Repository
) -> None:
    text = demo.DOCKERFILE.replace("make install", "make install && bash tools/set_up.sh")
    text = text.replace("RUN make", "COPY tools/set_up.sh tools/set_up.sh\nRUN make")
    upstream.commit({"docker/Dockerfile": text, "tools/set_up.sh": "echo 1\n"}, "Set up")
    body = EDITS.replace("make install,", "set_up.sh,")
    tree = demo.make(tmp_path / "other", body=body)
    tree.write("upstream/demo.yaml", f"{demo.PROJECT}git: {{url: '{upstream.url}'}}\nfirst: git\n")
    tree.run("track", "--to", "main")
    assert tree.run("rebase", "--target", "app").exit_code == 0
    upstream.commit({"tools/set_up.sh": "echo 2\n"}, "Set up otherwise")
    follow(tree)
    (question,) = found(tree)
    assert (question["code"], subjects(question)) == ("MS220", ["Set up otherwise"])


def test_a_replay_over_commits_names_them(tree: Demo, upstream: Repository) -> None:
    serve = change(upstream, "/opt/app/run", "/opt/app/serve", "Serve")
    ran = tree.run("--json", "replay", "--target", "app", "--revisions", "v2.1..main")
    step = json.loads(ran.stdout)["steps"][-1]
    (named,) = step["commits"]["final / ENTRYPOINT"]
    assert (named["id"], named["subject"]) == (serve, "Serve")


def test_a_step_of_a_replay_doesnt_repeat_its_own_commit(tree: Demo, upstream: Repository) -> None:
    serve = change(upstream, "/opt/app/run", "/opt/app/serve", "Serve")
    ran = tree.run("replay", "--target", "app", "--revisions", "v2.1..main")
    assert "final / ENTRYPOINT\n" in ran.stdout
    assert ran.stdout.count(serve[:12]) == 1
