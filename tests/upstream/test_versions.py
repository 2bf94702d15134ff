"""What a commit counts as where `releases:` are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gits.repository import make
from midstream.adapters.git import NoSuchRef
from midstream.overlay.releases import holds
from midstream.source import Source
from midstream.upstream.config import read_project
from midstream.upstream.git_source import GitSource
from midstream.upstream.versions import Tagged, version_of

if TYPE_CHECKING:
    from pathlib import Path

    from gits.repository import Repository


def tags(*said: str) -> list[Tagged]:
    """`0.33.0@5`: tagged on the fifth day of a month."""
    pairs = (each.partition("@") for each in said)
    return [Tagged(name, f"commit-{name}", f"2026-11-{int(day):02}") for name, _, day in pairs]


@pytest.mark.parametrize(
    ("tagged", "day", "version"),
    [
        (("0.32.0@3", "0.33.0@5"), 7, "0.33.1.dev0"),
        (("0.32.0@3", "0.33.0@5"), 5, "0.33.1.dev0"),  # tagged on the very commit before
        (("0.32.0@3", "0.33.0@5"), 4, "0.32.1.dev0"),
        (("0.33.0@5", "0.32.1@6"), 7, "0.33.1.dev0"),  # an older line goes on beside
        (("0.33.0@5", "0.34.0rc1@6"), 7, "0.34.0rc2.dev0"),
        (("0.33.0@5", "0.33.0.post1@6"), 7, "0.33.0.post2.dev0"),
        (("0.33.0@5", "0.34.0.dev3@6"), 7, "0.34.1.dev0"),
        (("0.33.0@5", "0.40.0+rocm@6", "nightly@6", "0.39.0-Gaudi-1.17@6"), 7, "0.33.1.dev0"),
        (("0.9.0@3", "0.10.0@5"), 7, "0.10.1.dev0"),
        (("0.33.0@5",), 4, ""),
        ((), 4, ""),
    ],
)
def test_the_newest_release_that_is_no_younger_counts(
    tagged: tuple[str, ...], day: int, version: str
) -> None:
    assert version_of("c", f"2026-11-{day:02}", tags(*tagged)) == version


def test_a_commit_with_a_tag_is_that_release() -> None:
    known = [*tags("0.33.0@5", "0.34.0@6"), Tagged("0.34.0rc0", "c", "2026-11-06")]
    assert version_of("c", "2026-11-06", known) == "0.34.0rc0"


def test_off_the_branch_the_commits_own_ancestors_count() -> None:
    """A fix on the branch of 0.32, when 0.33 is out since long."""
    known = tags("0.31.0@1", "0.32.0@5", "0.33.0@9")
    left, behind = "2026-11-04", frozenset({"commit-0.32.0"})
    assert version_of("c", left, known, behind) == "0.32.1.dev0"


@pytest.mark.parametrize(
    ("releases", "version", "answer"),
    [
        (">=0.33", "0.33.1.dev0", True),
        (">=0.33,<0.34", "0.33.1.dev0", True),
        ("<0.33.1", "0.33.1.dev0", True),  # by PEP 440 it would be in neither of the two
        (">=0.33.1", "0.33.1.dev0", False),
        ("<0.34", "0.34.0rc2.dev0", True),
        (">=0.34", "0.34.0rc2.dev0", False),
        (">=0.34.0.dev0", "0.34.0rc2.dev0", True),
        (">0.33", "0.33.0.post1", True),
        ("<=0.33", "0.33.0.post1", False),
        ("==0.33.*", "0.33.1.dev0", True),
        ("~=0.33.0", "0.33.1.dev0", True),
        ("!=0.33.0", "0.33.1.dev0", True),
        (">=0.33,!=0.33.1", "0.33.1", False),
    ],
)
def test_ranges_hold_versions_by_their_order(releases: str, version: str, answer: bool) -> None:
    assert holds(releases, version) is answer


@pytest.mark.parametrize("version", ["0.33", "0.33.0rc1", "0.33.0.dev0", "0.33.0.post1", "0.33.1"])
def test_two_ranges_that_meet_leave_no_gap(version: str) -> None:
    assert holds("<0.33", version) is not holds(">=0.33", version)
    assert holds("<=0.33", version) is not holds(">0.33", version)


# --- out of a repository ---


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    """0.1.0 and 0.2.0 are on branches of their own, as vLLM's releases are."""
    made = make(tmp_path / "upstream.git")
    for number in (1, 2):
        cut = made.commit({"Dockerfile": f"FROM a:{number}\n"}, f"Main {number}")
        branch = f"releases/v0.{number}.0"
        made.git("update-ref", f"refs/heads/{branch}", cut)
        made.commit({"fix": f"{number}\n"}, "A fix", branch=branch)
        words = ("-a", "-m", "It is out") if number == 2 else ()
        made.git("tag", *words, f"v0.{number}.0", f"refs/heads/{branch}")
    made.commit({"Dockerfile": "FROM a:3\n"}, "Main 3")
    made.git("tag", "nightly", "refs/heads/main")
    return made


def source(upstream: Repository, folder: Path, tags: str = "v*") -> GitSource:
    text = f"project: demo\ngit: {{url: '{upstream.url}', tags: '{tags}'}}\n"
    project = read_project(
        Source("upstream/demo.yaml", f"{text}dockerfiles: {{app: Dockerfile}}\n")
    )
    return GitSource(project, folder / "cache", lambda _title, _size: lambda _length: None)


def counts(upstream: Repository, folder: Path, said: str | None = None) -> str | None:
    return source(upstream, folder).at(said).lock.counts_as


def test_the_branch_counts_by_the_releases_that_were_cut_from_it(
    upstream: Repository, tmp_path: Path
) -> None:
    assert counts(upstream, tmp_path) == "0.2.1.dev0"


def test_a_commit_of_the_branch_counts_the_same_by_its_id(
    upstream: Repository, tmp_path: Path
) -> None:
    tip = upstream.tip() or ""
    assert counts(upstream, tmp_path / "other", tip) == "0.2.1.dev0"
    second = upstream.git("rev-parse", "main^")
    assert counts(upstream, tmp_path, second) == "0.1.1.dev0"


def test_a_releases_branch_counts_by_its_own_release(upstream: Repository, tmp_path: Path) -> None:
    upstream.commit({"fix": "again\n"}, "Another fix", branch="releases/v0.1.0")
    assert counts(upstream, tmp_path, "refs/heads/releases/v0.1.0") == "0.1.1.dev0"


def test_a_release_is_itself(upstream: Repository, tmp_path: Path) -> None:
    lock = source(upstream, tmp_path).at("v0.2.0").lock
    assert (lock.release, lock.version, lock.counts_as) == ("0.2.0", "", "0.2.0")


def test_a_tag_that_was_made_later_changes_nothing_that_was_looked_at(
    upstream: Repository, tmp_path: Path
) -> None:
    assert counts(upstream, tmp_path) == "0.2.1.dev0"
    upstream.commit({"fix": "3\n"}, branch="releases/v0.2.0")
    upstream.git("tag", "v0.3.0", "refs/heads/releases/v0.2.0")
    assert counts(upstream, tmp_path) == "0.2.1.dev0"
    assert counts(upstream, tmp_path / "elsewhere") == "0.2.1.dev0"
    upstream.commit({"Dockerfile": "FROM a:4\n"})
    assert counts(upstream, tmp_path) == "0.3.1.dev0"


def test_a_tag_that_went_doesnt_count(upstream: Repository, tmp_path: Path) -> None:
    counts(upstream, tmp_path)
    upstream.git("tag", "-d", "v0.2.0")
    upstream.commit({"Dockerfile": "FROM a:4\n"})
    assert counts(upstream, tmp_path) == "0.1.1.dev0"


@pytest.mark.parametrize("pattern", ["release-*", "final"])
def test_a_repository_without_such_tags_counts_as_nothing(
    upstream: Repository, tmp_path: Path, pattern: str
) -> None:
    assert source(upstream, tmp_path, pattern).at(None).lock.counts_as is None


def test_the_tags_bring_neither_files_nor_trees(upstream: Repository, tmp_path: Path) -> None:
    counts(upstream, tmp_path)
    (folder,) = (tmp_path / "cache" / "git").glob("*/tags")
    kinds = upstream.git("--git-dir", str(folder), "cat-file", "--batch-all-objects",
                         "--batch-check=%(objecttype)")  # fmt: skip
    assert sorted(kinds.split()) == ["commit", "commit", "tag"]


def test_a_look_at_the_same_commit_asks_for_no_tags(upstream: Repository, tmp_path: Path) -> None:
    counts(upstream, tmp_path)
    upstream.git("tag", "-d", "v0.2.0")
    assert counts(upstream, tmp_path) == "0.2.1.dev0"


def test_a_branch_that_isnt_there_is_said(upstream: Repository, tmp_path: Path) -> None:
    with pytest.raises(NoSuchRef):
        counts(upstream, tmp_path, "refs/heads/other")
