"""What can go wrong around a sync, with real repositories; nothing is ever left half-done."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import demo
from commands.running import full_disk
from gits.repository import Repository
from sync.scene import stage

if TYPE_CHECKING:
    from pathlib import Path

    from sync.scene import Scene

KILLER = """\
import os, signal, sys
from midstream.adapters import files, git, process
left = int(sys.argv.pop(1))
def counted(call):
    def inner(*words, **named):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*words, **named)
    return inner
process.run = counted(process.run)
files.write = counted(files.write)
git.write_commit = counted(git.write_commit)
import gitdb.db.loose
gitdb.db.loose.LooseObjectDB.store = counted(gitdb.db.loose.LooseObjectDB.store)
from midstream.cli import main
main()
"""


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return stage(tmp_path)


def refs(repository: Repository) -> str:
    return repository.git("for-each-ref", "--format=%(refname) %(objectname)")


# --- killed ---


def test_a_run_that_is_killed_at_any_step_ends_at_the_same_commit(tmp_path: Path) -> None:
    whole = stage(tmp_path / "whole")
    steps = kills(whole)
    assert steps > 15
    wanted = whole.tip()
    at = "2026-05-28T21:26:40+00:00"
    assert whole.midstream.git("log", "-1", "--format=%cI", "midstream/app") == at
    assert wanted is not None


def kills(scene: Scene) -> int:
    """Kill a run before its first call to the outside, its second and so on, until one ends by
    itself. Each leaves the branch as it was, or whole; the same id comes out in the end."""
    environment = {"XDG_CACHE_HOME": str(scene.tree.root / "cache"), "PATH": os.environ["PATH"]}
    folders = os.pathsep.join(path for path in sys.path if path)
    words = ["--root", str(scene.tree.root / "tree"), "sync", "--all"]
    first = None
    for step in range(200):
        done = subprocess.run(
            [sys.executable, "-c", KILLER, str(step), *words, "--repo", scene.midstream.url],
            env={**environment, "PYTHONPATH": folders, "HOME": os.environ["HOME"]},
            capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        if scene.tip() is not None:
            first = first or scene.tip()
            assert scene.tip() == first
            scene.midstream.git("fsck", "--strict")
        if done.returncode == 0:
            return step
        assert done.returncode == -9, done.stderr.decode()
    raise AssertionError("it never ends")


def test_another_run_that_is_under_way_is_75(scene: Scene) -> None:
    scene.sync()
    (lock,) = (scene.tree.cache / "sync").glob("*.lock")
    with lock.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ran = scene.sync()
    assert ran.exit_code == 75
    assert "another run syncs" in ran.stderr
    assert scene.sync("--wait", "1m").exit_code == 0


# --- the midstream's repository ---


def test_a_repository_without_a_commit_gets_its_first(scene: Scene) -> None:
    scene.midstream.git("update-ref", "-d", "refs/heads/main")
    ran = scene.sync("--base", "main")
    assert ran.exit_code == 0, ran.stderr
    assert scene.midstream.git("rev-list", "--count", "midstream/app") == "1"


def test_a_base_that_is_not_there_is_3(scene: Scene) -> None:
    ran = scene.sync("--base", "trunk")
    assert (ran.exit_code, "has no branch `trunk`" in ran.stderr) == (3, True)


def test_somebody_who_was_quicker_keeps_what_they_pushed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    from midstream.adapters.repository import Repository as Kept

    scene.sync()
    scene.dockerfile("next")
    push = Kept.push
    theirs: list[str] = []

    def late(self: Kept, moves: object) -> object:
        if not theirs:
            theirs.append(scene.midstream.commit({"x": "1\n"}, branch="midstream/app"))
        return push(self, moves)  # type: ignore[arg-type]

    monkeypatch.setattr(Kept, "push", late)
    ran = scene.sync()
    assert (ran.exit_code, scene.tip()) == (7, theirs[0])
    assert "overtaken" in ran.stdout


def test_a_push_that_is_refused_leaves_the_other_targets_alone(tmp_path: Path) -> None:
    scene = stage(tmp_path, base=True)
    hook = scene.midstream.folder / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/midstream/app ]\n')
    hook.chmod(0o755)
    ran = scene.sync()
    assert ran.exit_code == 3
    assert scene.tip("app") is None
    assert scene.tip("base") is not None
    assert scene.outcomes() == {"app": "refused", "base": "nothing moved"}


def test_a_full_disk_moves_no_branch(scene: Scene) -> None:
    scene.sync()
    scene.dockerfile("next")
    before = refs(scene.midstream)
    with full_disk():
        ran = scene.sync()
    assert ran.exit_code in (3, 7), ran.stderr
    assert refs(scene.midstream) == before
    again = scene.sync()
    assert again.exit_code == 0, again.stderr
    assert "MODE=next" in scene.result()


def test_a_repository_that_is_down_is_7_or_3(scene: Scene) -> None:
    scene.midstream.folder.rename(scene.midstream.folder.with_name("gone"))
    ran = scene.sync("--base", "main")
    assert ran.exit_code == 3
    assert "git fetch of file://" in ran.stderr


# --- a clone with a work tree ---


@pytest.fixture
def clone(scene: Scene) -> Repository:
    """The tree itself is a clone of the midstream's repository, with all that is in it."""
    top = scene.tree.root / "tree"
    made = Repository(top)
    made.git("init", "--quiet", "--initial-branch=main", ".")
    made.git("remote", "add", "origin", scene.midstream.url)
    made.git("add", "--all")
    made.git("commit", "--quiet", "-m", "Overlays")
    made.git("push", "--quiet", "--force", "origin", "main")
    return made


def test_this_repository_gets_the_branch_and_keeps_its_work_tree(
    scene: Scene, clone: Repository
) -> None:
    ran = scene.tree.run("sync", "--all")
    assert ran.exit_code == 0, ran.stderr
    assert clone.tip("midstream/app") is not None
    assert clone.git("status", "--porcelain") == ""
    assert scene.tip() is None, "nothing was pushed"


def test_a_push_from_a_clone_moves_the_remote_alone(scene: Scene, clone: Repository) -> None:
    ran = scene.tree.run("sync", "--all", "--push")
    assert ran.exit_code == 0, ran.stderr
    assert scene.tip() is not None
    assert clone.tip("midstream/app") is None
    assert clone.git("status", "--porcelain") == ""


def test_overlays_that_are_not_committed_are_refused(scene: Scene, clone: Repository) -> None:
    scene.tree.write("overlays/app/new.j2", "x\n")
    ran = scene.tree.run("sync", "--all")
    assert (ran.exit_code, clone.tip("midstream/app")) == (4, None)
    assert "`overlays/app/new.j2` here isn't what the base branch has" in ran.stderr


def test_a_clone_that_lags_behind_its_remote_is_refused(scene: Scene, clone: Repository) -> None:
    text = scene.tree.path("overlays/app/overlay.yaml").read_text()
    scene.midstream.commit({"overlays/app/overlay.yaml": f"{text}# more\n"})
    ran = scene.tree.run("sync", "--all", "--push")
    assert (ran.exit_code, scene.tip()) == (4, None)
    assert clone.tip("midstream/app") is None


def test_other_changes_in_the_work_tree_are_no_hindrance(scene: Scene, clone: Repository) -> None:
    scene.tree.write("notes.txt", "mine\n")
    assert scene.tree.run("sync", "--all").exit_code == 0
    assert clone.git("status", "--porcelain") == "?? notes.txt"


def test_a_branch_that_is_checked_out_is_left_alone(
    scene: Scene, clone: Repository, tmp_path: Path
) -> None:
    scene.tree.run("sync", "--all")
    tip = clone.tip("midstream/app")
    clone.git("worktree", "add", "--quiet", str(tmp_path / "mine"), "midstream/app")
    scene.dockerfile("next")
    ran = scene.tree.run("sync", "--all")
    assert (ran.exit_code, clone.tip("midstream/app")) == (4, tip)
    assert "`midstream/app` is checked out in a work tree" in ran.stdout
    clone.git("worktree", "remove", str(tmp_path / "mine"))
    assert scene.tree.run("sync", "--all").exit_code == 0
    assert clone.tip("midstream/app") != tip


def test_a_lock_of_git_itself_is_safe_to_run_again(scene: Scene, clone: Repository) -> None:
    lock = clone.folder / ".git" / "refs" / "heads" / "midstream" / "app.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    assert scene.tree.run("sync", "--all").exit_code == 7
    lock.unlink()
    assert scene.tree.run("sync", "--all").exit_code == 0


def test_a_detached_head_wants_to_know_the_base(scene: Scene, clone: Repository) -> None:
    clone.git("checkout", "--quiet", "--detach")
    ran = scene.tree.run("sync", "--all")
    assert (ran.exit_code, "--base" in ran.stderr) == (2, True)
    assert scene.tree.run("sync", "--all", "--base", "main").exit_code == 0


def test_a_clone_cut_off_before_the_branch_says_so(
    tmp_path: Path, scene: Scene, clone: Repository
) -> None:
    scene.tree.run("sync", "--all", "--push")
    scene.midstream.commit({"README.md": "More\n"})
    shallow = tmp_path / "shallow"
    words = ("clone", "--quiet", "--depth=1", scene.midstream.url, str(shallow))
    clone.git(*words)
    scene.dockerfile("next")
    ran = scene.tree.run("sync", "--all", "--push", "--repo", str(shallow))
    assert ran.exit_code == 4, ran.stdout
    assert "fetch-depth: 0" in ran.stdout


def test_hooks_of_the_repository_are_not_run(scene: Scene, clone: Repository) -> None:
    trap = clone.folder.parent / "trap"
    for name in ("pre-push", "reference-transaction", "post-commit", "post-checkout"):
        hook = clone.folder / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {trap}\n")
        hook.chmod(0o755)
    assert scene.tree.run("sync", "--all", "--push").exit_code == 0
    assert scene.tree.run("sync", "--all").exit_code == 0
    assert not trap.exists()


def test_a_folder_that_is_no_repository_is_2(scene: Scene, tmp_path: Path) -> None:
    ran = scene.tree.run("sync", "--all", "--repo", str(tmp_path / "cache"))
    assert (ran.exit_code, "is no git repository" in ran.stderr) == (2, True)


@pytest.mark.parametrize(
    "url", ["ext::touch x", "http://example.org/x", "https://a:b@example.org/"]
)
def test_an_unsafe_address_of_the_repository_is_2(scene: Scene, url: str) -> None:
    ran = scene.tree.run("sync", "--all", "--repo", url)
    assert ran.exit_code == 2
    assert "a:b@" not in ran.stderr


@pytest.mark.parametrize(
    "said", ["", "--all --target app", "--target other", "--all --quiet-period 6", "--all --skip ("]
)
def test_a_command_line_that_makes_no_sense_is_2(scene: Scene, said: str) -> None:
    assert scene.tree.run("sync", *said.split(), "--repo", scene.midstream.url).exit_code == 2


# --- what keeps a branch from being made ---


def test_a_branch_whose_name_is_taken_at_the_remote_is_refused_and_not_called_moved(
    scene: Scene,
) -> None:
    """To git, `midstream/app` can't stand beside a branch `midstream`. It says that an atomic push
    failed, as if another branch of it had: there is none."""
    scene.midstream.git("update-ref", "refs/heads/midstream", scene.midstream.tip() or "")
    told = scene.told()["app"]
    assert (told["outcome"], told["exit"]) == ("refused", 3)
    assert "'refs/heads/midstream' exists" in told["said"]
    assert scene.tip() is None


def test_a_branch_whose_name_is_taken_here_is_4(scene: Scene, clone: Repository) -> None:
    clone.git("branch", "midstream")
    ran = scene.tree.run("sync", "--all")
    assert ran.exit_code == 4
    assert "rename or delete the branch that stands in the way" in ran.stderr


def test_a_hook_that_refuses_is_quoted(tmp_path: Path) -> None:
    scene = stage(tmp_path)
    hook = scene.midstream.folder / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'no \033[31mpushes on Fridays' >&2\nexit 1\n")
    hook.chmod(0o755)
    ran = scene.sync()
    assert ran.exit_code == 3
    assert "the repository refuses the push: no \\x1b[31mpushes on Fridays" in ran.stdout


def test_a_repository_with_other_ids_is_2(scene: Scene, tmp_path: Path) -> None:
    other = tmp_path / "other"
    scene.midstream.git("init", "--quiet", "--object-format=sha256", str(other))
    ran = scene.tree.run("sync", "--all", "--repo", str(other))
    assert (ran.exit_code, "sha256 ids" in ran.stderr) == (2, True)


def test_a_commit_of_a_date_that_no_calendar_has_is_5(scene: Scene) -> None:
    scene.sync()
    when = "@253402300800 +0000"  # the first second of the year 10000
    text = demo.DOCKERFILE.replace("fast", "faster")
    dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    scene.upstream.commit({"docker/Dockerfile": text}, "Later", who=dates)
    ran = scene.sync()
    assert ran.exit_code == 5
    assert "which no calendar has" in ran.stderr


def test_a_branch_that_is_locked_at_the_remote_is_7_and_not_called_moved(scene: Scene) -> None:
    scene.sync()
    tip = scene.tip()
    lock = scene.midstream.folder / "refs" / "heads" / "midstream" / "app.lock"
    lock.touch()
    scene.dockerfile("next")
    assert scene.sync().exit_code == 7
    assert scene.tip() == tip
    lock.unlink()
    assert scene.sync().exit_code == 0
    assert "MODE=next" in scene.result()
