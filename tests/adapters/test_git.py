from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gits.repository import make, served
from midstream.adapters import git
from midstream.adapters.git import (
    DamagedPack,
    GitForbids,
    GitUnreachable,
    NoSuchRef,
    UnsafeAddress,
    UnsafeName,
    address,
    full_ref,
)
from midstream.adapters.git_cache import Cache, Touch
from midstream.errors import Exit

if TYPE_CHECKING:
    from gits.repository import Repository


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    made = make(tmp_path / "upstream.git")
    made.commit({"docker/Dockerfile": "FROM a\n", "x.py": "1\n"}, "First")
    return made


def newest(tmp_path: Path, of: Repository | str) -> Cache:
    url = of if isinstance(of, str) else of.url
    return Cache.of(tmp_path / "cache", address(url), shallow=True)


def history(tmp_path: Path, of: Repository) -> Cache:
    return Cache.of(tmp_path / "cache", address(of.url), shallow=False)


# --- what git is given ---


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% /x", "-uploadpack=x", "--upload-pack=touch", "http://example.org/x",
        "git://example.org/x", "ftp://example.org/x", "/srv/x.git", "host:x.git", "https:///x",
        "ssh://-oProxyCommand=x/y", "https://example.org/\nx", "https://[::1", "fd::3",
        "https://ada:secret@example.org/x", "https://secret@example.org/x",
    ],
)  # fmt: skip
def test_no_other_kind_of_address_reaches_git(url: str) -> None:
    with pytest.raises(UnsafeAddress) as caught:
        address(url)
    assert caught.value.exit_code == Exit.USAGE
    assert "secret" not in f"{caught.value}"


@pytest.mark.parametrize(
    "url",
    ["https://example.org/x", "ssh://git@example.org/x", "file:///srv/x", "git://127.0.0.1:1/x"],
)
def test_the_usual_addresses_do(url: str) -> None:
    assert address(url).url == url


@pytest.mark.parametrize(
    "name",
    [
        "main", "--upload-pack=x", "refs/heads/", "refs/heads/a b", "refs/heads/a..b", "HEAD",
        "refs/heads/a:refs/heads/b", "refs/heads/*", "refs/notes/x", "refs/heads/a.lock",
        "refs/heads/a@{1}", "refs/heads/a\n", "refs/heads/a//b", "+refs/heads/a",
    ],
)  # fmt: skip
def test_only_a_full_name_of_a_branch_or_tag_reaches_git(name: str) -> None:
    with pytest.raises(UnsafeName):
        full_ref(name)


def test_a_branch_whose_name_looks_like_an_option_is_a_branch_all_the_same(
    tmp_path: Path, upstream: Repository
) -> None:
    made = upstream.commit({"a": "1\n"}, branch="--upload-pack=touch x".replace(" ", "-"))
    assert newest(tmp_path, upstream).tip("refs/heads/--upload-pack=touch-x") == made


# --- the caches ---


@pytest.mark.parametrize("annotated", [True, False])
def test_a_branch_a_tag_and_a_commit_are_found(
    tmp_path: Path, upstream: Repository, *, annotated: bool
) -> None:
    first = upstream.tip()
    upstream.tag("v1.0", annotated=annotated)
    second = upstream.commit({"x.py": "2\n"}, "Second")
    cache = newest(tmp_path, upstream)
    assert cache.tip("refs/heads/main") == second
    assert cache.tip("refs/tags/v1.0") == first
    assert first is not None
    assert cache.commit(first) == first
    (found,) = cache.commits([second])
    assert (found.subject, found.author, found.date) == ("Second", "Ada", "2026-05-28T22:26:40Z")
    assert found.parents == (first,)


def test_the_newest_trees_come_without_history_and_without_files(
    tmp_path: Path, upstream: Repository
) -> None:
    for number in range(5):
        upstream.commit({"x.py": f"{number}\n"})
    cache = newest(tmp_path, upstream)
    cache.tip("refs/heads/main")
    there = git.run("cat-file", "--batch-all-objects", "--batch-check", folder=cache.folder)
    kinds = [line.split()[1] for line in there.decode().splitlines()]
    assert sorted(kinds) == ["commit", "tree", "tree"]


def test_files_come_over_one_connection_as_they_are(tmp_path: Path, upstream: Repository) -> None:
    odd = {"a": b"no newline", "b": b"\r\n\xff\x00\x1b[31m", "c": b"", "d": b"x\n\n"}
    commit = upstream.commit(odd)
    cache = newest(tmp_path, upstream)
    cache.tip("refs/heads/main")
    entries = cache.entries(commit)
    assert dict(cache.files(entries[path].blob for path in odd)) == {
        entries[path].blob: data for path, data in odd.items()
    }


def test_the_commits_that_touched_a_path_are_told_with_both_ids(
    tmp_path: Path, upstream: Repository
) -> None:
    old = upstream.tip()
    first = upstream.commit({"docker/Dockerfile": "FROM b\n"}, "One")
    upstream.commit({"x.py": "2\n"}, "Nothing of ours")
    last = upstream.commit({"docker/Dockerfile": None, "a\tb\n": "odd\n"}, "Two")
    cache = history(tmp_path, upstream)
    tip = cache.tip("refs/heads/main")
    assert old is not None
    found = cache.between(old, tip, ["docker/Dockerfile", "a\tb\n"])
    assert found == (last, first)
    blob = {text: upstream.git("hash-object", "--stdin", input=text.encode())
            for text in ("FROM a\n", "FROM b\n", "odd\n")}  # fmt: skip
    assert cache.touched(found) == {
        first: (Touch("docker/Dockerfile", blob["FROM a\n"], blob["FROM b\n"]),),
        last: (
            Touch("a\tb\n", None, blob["odd\n"]),
            Touch("docker/Dockerfile", blob["FROM b\n"], None),
        ),
    }
    assert [each.subject for each in cache.commits(found)] == ["Two", "One"]
    assert cache.is_ancestor(old, tip)
    assert not cache.is_ancestor(tip, old)
    assert not cache.is_ancestor("0" * 39 + "1", tip)


def test_tags_of_a_pattern_are_listed(tmp_path: Path, upstream: Repository) -> None:
    for name in ("v1.0", "v1.1", "other"):
        upstream.tag(name)
    cache = newest(tmp_path, upstream)
    cache.tip("refs/heads/main")
    assert cache.tags("v*") == {"v1.0": upstream.tip(), "v1.1": upstream.tip()}


def test_rewritten_history_is_followed(tmp_path: Path, upstream: Repository) -> None:
    cache = newest(tmp_path, upstream)
    cache.tip("refs/heads/main")
    upstream.git("update-ref", "-d", "refs/heads/main")
    other = upstream.commit({"y": "other\n"}, "Another beginning")
    assert cache.tip("refs/heads/main") == other


def test_a_cache_that_is_damaged_is_made_again(tmp_path: Path, upstream: Repository) -> None:
    cache = newest(tmp_path, upstream)
    cache.tip("refs/heads/main")
    (cache.folder / "config").write_text("[core\n")
    assert cache.tip("refs/heads/main") == upstream.tip()


def test_the_leavings_of_a_run_that_was_killed_are_no_hindrance(
    tmp_path: Path, upstream: Repository
) -> None:
    cache = newest(tmp_path, upstream)
    cache.tip("refs/heads/main")
    (cache.folder / "shallow.lock").write_text("")
    made = upstream.commit({"x.py": "9\n"})
    assert cache.tip("refs/heads/main") == made


# --- over the network ---


def test_a_repository_is_read_over_the_network(tmp_path: Path, upstream: Repository) -> None:
    with served(tmp_path) as url:
        cache = newest(tmp_path, f"{url}/upstream.git")
        assert cache.tip("refs/heads/main") == upstream.tip()
        (entry,) = (e for p, e in cache.entries(upstream.tip() or "").items() if p == "x.py")
        assert dict(cache.files([entry.blob])) == {entry.blob: b"1\n"}


def test_nobody_at_the_other_end_is_safe_to_run_again(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"git://127.0.0.1:{probe.getsockname()[1]}/x"
    with pytest.raises(GitUnreachable) as caught:
        newest(tmp_path, url).tip("refs/heads/main")
    assert caught.value.exit_code == Exit.TRANSIENT


def test_a_ref_that_is_gone_is_said(tmp_path: Path, upstream: Repository) -> None:
    with pytest.raises(NoSuchRef, match="couldn't find remote ref refs/heads/gone"):
        newest(tmp_path, upstream).tip("refs/heads/gone")


def test_a_repository_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(git.GitFailed, match="not appear to be a git repository"):
        newest(tmp_path, f"file://{tmp_path}/gone.git").tip("refs/heads/main")


def test_a_corrupt_object_is_refused(tmp_path: Path, upstream: Repository) -> None:
    """A tree with `..` in it, as a hostile server would send it."""
    blob = upstream.git("hash-object", "-w", "--stdin", input=b"x\n")
    inner = upstream.git("mktree", input=f"100644 blob {blob}\tx\n".encode())
    hostile = upstream.git("mktree", input=f"040000 tree {inner}\t..\n".encode())
    bad = upstream.git("commit-tree", hostile, "-m", "Hostile")
    upstream.git("update-ref", "refs/heads/main", bad)
    with pytest.raises(DamagedPack) as caught:
        newest(tmp_path, upstream).tip("refs/heads/main")
    assert caught.value.exit_code == Exit.INTEGRITY


# --- what surrounds a call ---


def test_nobody_elses_settings_or_hooks_are_used(
    tmp_path: Path, upstream: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap"
    script = tmp_path / "hooks" / "reference-transaction"
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\ntouch {trap}\n")
    script.chmod(0o755)
    settings = tmp_path / "settings"
    settings.write_text(
        f"[core]\n\thooksPath = {script.parent}\n\tsshCommand = touch {trap}\n"
        f"[url \"ext::sh -c 'touch {trap}' \"]\n\tinsteadOf = file://\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert newest(tmp_path, upstream).tip("refs/heads/main") == upstream.tip()
    assert not trap.exists()


def test_no_other_transport_is_used_whatever_a_configuration_says(
    tmp_path: Path, upstream: Repository
) -> None:
    cache = newest(tmp_path, upstream)
    cache.tip("refs/heads/main")
    trap = tmp_path / "trap"
    with (cache.folder / "config").open("a") as config:
        config.write(f'[url "ext::touch {trap} #"]\n\tinsteadOf = file://\n')
    assert cache.tip("refs/heads/main") == upstream.tip(), "the cache was made again"
    assert not trap.exists()


def test_bytes_with_another_id_are_refused_whoever_gives_them(
    tmp_path: Path, upstream: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A git that is broken, or a disk: every file is hashed here once more."""
    cache = newest(tmp_path, upstream)
    entries = cache.entries(cache.tip("refs/heads/main"))
    blob = entries["x.py"].blob
    wrong = f"{blob} blob 2\n2\n\n".encode()
    run = git.run
    monkeypatch.setattr(
        git, "run", lambda *words, **how: wrong if "cat-file" in words else run(*words, **how)
    )
    with pytest.raises(DamagedPack, match="is something else"):
        dict(cache.files([blob]))


def test_a_token_is_in_no_argument_and_only_for_its_own_host() -> None:
    def told(url: str) -> dict[str, str]:
        return git._environment(address(url), "s3cret", own=False)  # noqa: SLF001

    env = told("https://example.org/a/b")
    (key,) = (k for k, v in env.items() if v.startswith("Authorization: Basic "))
    assert env[key.replace("VALUE", "KEY")] == "http.https://example.org/.extraHeader"
    assert not any("Authorization" in value for value in told("ssh://git@example.org/x").values())


def test_a_login_that_is_refused_is_6() -> None:
    said = git.failure(("fetch",), "fatal: Authentication failed for 'https://x/'", None)
    assert isinstance(said, GitForbids)
    assert said.exit_code == Exit.AUTHENTICATION


def test_gitpython_is_behind_one_door_and_comes_in_late() -> None:
    sources = Path(git.__file__).parents[1]
    using = [
        path.relative_to(sources).as_posix()
        for path in sorted(sources.rglob("*.py"))
        if re.search(r"^\s*(?:from|import) git(?:db)?[.\s]", path.read_text(), re.MULTILINE)
    ]
    assert using == ["adapters/git.py"]
    words = (
        "import sys, midstream.commands.sync, midstream.sync.running; print('git' in sys.modules)"
    )
    env = {**os.environ, "PYTHONPATH": str(sources.parent)}
    done = subprocess.run(
        [sys.executable, "-c", words], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
