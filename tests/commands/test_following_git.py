"""`track --to` and `rebase --ref`, on a real repository."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import demo

if TYPE_CHECKING:
    from pathlib import Path

    from demo import Demo
    from gits.repository import Repository


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


# --- what a commit counts as ---

OLD_AND_NEW = """\
edits:
  - {id: old, at: "@ship / ENV / MODE", releases: "<2.2", set: old, why: a test}
  - {id: new, at: "@ship / ENV / MODE", releases: ">=2.2", set: new, why: a test}
"""


def with_edits(tree: Demo) -> None:
    tree.write("overlays/app/overlay.yaml", demo.HEAD + OLD_AND_NEW)


def test_a_commit_takes_the_edits_for_the_releases_that_it_comes_after(
    tree: Demo, upstream: Repository
) -> None:
    with_edits(tree)
    upstream.commit({"docker/Dockerfile": demo.DOCKERFILE.replace("-j 4", "-j 8")})
    ran = tree.run("--json", "track", "--to", "main")
    assert json.loads(ran.stdout)["version"] == "2.2.dev0"
    assert json.loads(tree.path("upstream/demo.lock.json").read_bytes())["version"] == "2.2.dev0"
    assert tree.run("rebase", "--target", "app").exit_code == 0
    assert "MODE=old" in tree.result()
    upstream.tag("v2.2")
    upstream.commit({"docker/Dockerfile": demo.DOCKERFILE.replace("-j 4", "-j 9")})
    tree.run("track", "--to", "main")
    assert tree.run("rebase", "--target", "app").exit_code == 0
    assert "MODE=new" in tree.result()


def test_a_commit_that_no_overlay_is_for_is_2(tree: Demo, upstream: Repository) -> None:
    text = demo.HEAD.replace('">=2"', '">=2.3"')
    tree.write("overlays/app/overlay.yaml", text)
    upstream.commit({"docker/Dockerfile": demo.DOCKERFILE})
    tree.run("track", "--to", "main")
    ran = tree.run("rebase", "--target", "app")
    assert (ran.exit_code, ran.codes) == (2, ["MS510"])
    assert "no overlay of `app` is for 2.2.dev0; there are `>=2.3`" in ran.stderr


def test_a_commit_of_which_nothing_tells_what_it_comes_after_is_2(
    tree: Demo, upstream: Repository
) -> None:
    upstream.git("tag", "-d", "v2.1")
    with_edits(tree)
    path, limited = "overlays/app/overlay.yaml", "set_aside: {A: {why: w, releases: '<3'}}"
    text = tree.path(path).read_text()
    tree.write(path, text.replace("stage: final}", f"stage: final, {limited}}}"))
    tree.run("track", "--to", "main")
    ran = tree.run("rebase", "--target", "app")
    assert (ran.exit_code, ran.codes) == (2, ["MS517"])
    assert "`>=2` and 3 more can't be compared with it" in ran.stderr
    assert tree.path("rendered").exists() is False


def test_a_commit_needs_no_version_where_no_overlay_has_a_range(
    tree: Demo, upstream: Repository
) -> None:
    upstream.git("tag", "-d", "v2.1")
    tree.write("overlays/app/overlay.yaml", demo.HEAD.replace(', releases: ">=2"', ""))
    tree.run("track", "--to", "main")
    assert tree.run("rebase", "--target", "app").exit_code == 0


def test_of_a_file_that_belongs_to_nothing_it_is_said_that_every_range_holds_it(
    tmp_path: Path,
) -> None:
    made = demo.make(tmp_path)
    made.path("upstream/demo.lock.json").unlink()
    own = made.write("mine", demo.DOCKERFILE)
    ran = made.run("rebase", "--target", "app", "--dockerfile", str(own), "--stdout")
    assert ran.exit_code == 0, ran.stderr
    assert ran.codes == ["MS517"]


def test_a_new_range_goes_on_from_the_lock_of_the_commit_before(
    tree: Demo, upstream: Repository
) -> None:
    head = demo.HEAD.replace('">=2"', '">=2,<2.2.1"')
    review = 'review: [{at: "@ship / ENTRYPOINT"}]\n'
    tree.write("overlays/app/overlay.yaml", head + review)
    tree.write("overlays/app/next/overlay.yaml", head.replace(">=2,<2.2.1", ">=2.2.1") + review)
    upstream.commit({"docker/Dockerfile": demo.DOCKERFILE})
    tree.run("track", "--to", "main")
    assert tree.run("rebase", "--target", "app").exit_code == 0
    assert tree.json("overlays/app/lock.json")["upstream"]["version"] == "2.2.dev0"
    upstream.tag("v2.2")
    upstream.commit({"docker/Dockerfile": demo.DOCKERFILE.replace("app/run", "app/serve")})
    tree.run("track", "--to", "main")
    ran = tree.run("rebase", "--target", "app")
    assert (ran.exit_code, ran.codes) == (1, ["MS221"])
    assert not tree.path("overlays/app/next/lock.json").exists()


def test_escapes_in_names_and_texts_of_upstream_do_not_reach_the_terminal(
    tree: Demo, upstream: Repository
) -> None:
    text = demo.DOCKERFILE.replace("AS final", 'AS final\nENV A="\x1b[31mred" B=\u202e')
    names = {"tools/\x1b[31mred.sh": "true\n", "tools/a\nb.sh": "true\n"}
    upstream.commit({"docker/Dockerfile": text, **names})
    tree.run("track", "--to", "v2.1")
    ran = [tree.run("track", "--to", "main"), tree.run("rebase", "--target", "app")]
    assert "tools/\\x1b[31mred.sh" in ran[0].stdout
    ran += [tree.run("explain", "--target", "app", "--blame")]
    ran += [tree.run("graph", "--target", "app", "--format", each) for each in ("dot", "mermaid")]
    assert [each.exit_code for each in ran] == [0] * 5, [each.stderr for each in ran]
    assert not any(mark in each.stdout + each.stderr for each in ran for mark in ("\x1b", "\u202e"))
