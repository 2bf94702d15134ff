from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gits.repository import make
from midstream.adapters.blobs import blob_id
from midstream.adapters.git import NoSuchRef, UnsafeName
from midstream.adapters.index import PackageIndex
from midstream.errors import Exit, IntegrityError, MidstreamError
from midstream.source import Source
from midstream.upstream.config import read_project
from midstream.upstream.lock import Lock, read_lock
from midstream.upstream.snapshot import NotInRelease
from midstream.upstream.sources import Sources
from serving import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gits.repository import Repository
    from indexes.double import IndexDouble

FILES = {
    "docker/Dockerfile": "FROM a\n", "run.sh": "run\n", "x.py": "1\n", "docker/Dockerfile.x": "x\n"
}  # fmt: skip


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    made = make(tmp_path / "upstream.git")
    made.commit(FILES, "First")
    made.tag("v1.0", annotated=True)
    return made


def sources(tmp_path: Path, of: Repository, *, first: str = "git", index: bool = False) -> Sources:
    lines = [
        "project: demo", f"git: {{url: '{of.url}', branch: main, tags: 'v*'}}",
        "dockerfiles: {app: docker/Dockerfile}", 'watch: ["*.sh"]', f"first: {first}",
    ]  # fmt: skip
    text = "\n".join([*lines, "index: demo"] if index else lines)
    project = read_project(Source("upstream/demo.yaml", f"{text}\n"))
    said: list[str] = []
    made = Sources(project, PackageIndex(), tmp_path / "cache", _arriving, said.append)
    made.__dict__["said"] = said
    return made


def _arriving(_title: str, _size: int) -> Callable[[int], None]:
    return lambda _length: None


def test_a_branch_is_a_snapshot_of_its_watched_files(tmp_path: Path, upstream: Repository) -> None:
    found = sources(tmp_path, upstream).at("main")
    lock = found.lock
    assert (lock.release, lock.commit, lock.date) == ("", upstream.tip(), "2026-05-28T21:26:40Z")
    assert list(lock.files) == ["docker/Dockerfile", "docker/Dockerfile.x", "run.sh"]
    assert found.read("run.sh") == b"run\n"
    assert found.label == f"demo {(upstream.tip() or '')[:12]}"
    assert read_lock(Source("lock", lock.as_bytes().decode())) == lock


def test_a_tag_of_the_pattern_is_a_release(tmp_path: Path, upstream: Repository) -> None:
    upstream.commit({"run.sh": "run all\n"})
    upstream.tag("v1.10")
    upstream.tag("v1.9")
    upstream.tag("v2.0rc1")
    of = sources(tmp_path, upstream)
    assert of.at("v1.0").lock.release == "1.0"
    assert of.at("refs/tags/v1.0").read("run.sh") == b"run\n"
    assert of.at("v*").lock.release == "1.10", "the newest final one, by number"
    assert of.release(None).lock == of.release("1.10").lock


def test_a_commit_is_named_by_its_whole_id(tmp_path: Path, upstream: Repository) -> None:
    first = upstream.tip()
    upstream.commit({"run.sh": "run all\n"})
    assert sources(tmp_path, upstream).at(first).read("run.sh") == b"run\n"
    with pytest.raises(UnsafeName):
        sources(tmp_path, upstream).at((first or "")[:12])


def test_a_branch_that_was_renamed_says_where_to_change_it(
    tmp_path: Path, upstream: Repository
) -> None:
    upstream.git("branch", "-m", "main", "trunk")
    with pytest.raises(NoSuchRef, match="no `refs/heads/main`; was it deleted or renamed") as found:
        sources(tmp_path, upstream).at("main")
    assert "upstream/demo.yaml" in (found.value.help or "")


def test_a_link_in_the_place_of_a_dockerfile_is_not_followed(
    tmp_path: Path, upstream: Repository
) -> None:
    upstream.commit({"docker/Dockerfile": "../x.py"}, modes={"docker/Dockerfile": "120000"})
    with pytest.raises(NotInRelease, match="symbolic link"):
        sources(tmp_path, upstream).at("main")


def test_a_link_and_a_submodule_among_watched_files_are_no_files(
    tmp_path: Path, upstream: Repository
) -> None:
    tip = upstream.tip() or ""
    upstream.commit({"b.sh": "run.sh", "c.sh": tip}, modes={"b.sh": "120000", "c.sh": "160000"})
    assert "b.sh" not in sources(tmp_path, upstream).at("main")
    assert "c.sh" not in sources(tmp_path, upstream).at("main")


def test_the_same_files_are_fetched_once(tmp_path: Path, upstream: Repository) -> None:
    lock = sources(tmp_path, upstream).at("main").lock
    upstream.folder.rename(tmp_path / "gone")
    assert sources(tmp_path, upstream).locked(lock).read("run.sh") == b"run\n"


# --- two sources of the same bytes ---


def test_a_lock_of_the_index_is_served_by_the_repository(
    tmp_path: Path, upstream: Repository, index: IndexDouble
) -> None:
    files = {path: FILES[path] for path in ("docker/Dockerfile", "run.sh")}
    index.offer("demo", "1.0", files)
    of = sources(tmp_path, upstream, first="index", index=True)
    lock = of.release("1.0").lock
    assert lock.archive is not None
    index.stop()
    later = sources(tmp_path / "another", upstream, first="index", index=True)
    assert later.locked(lock).read("run.sh") == b"run\n"
    (said,) = later.__dict__["said"]
    assert said.endswith("asking upstream's repository instead")


def test_a_tag_that_holds_other_files_than_the_lock_is_refused(
    tmp_path: Path, upstream: Repository, index: IndexDouble
) -> None:
    index.stop()
    blob = blob_id(b"another\n")
    lock = Lock("demo", "1.0", "abc", "", None, {"run.sh": blob})
    of = sources(tmp_path, upstream, first="git", index=True)
    with pytest.raises(IntegrityError, match=r"`run.sh` of demo 1.0 is another file"):
        of.locked(lock)


def test_the_index_helps_where_the_repository_is_down(
    tmp_path: Path, upstream: Repository, index: IndexDouble
) -> None:
    index.offer("demo", "1.0", FILES)
    upstream.folder.rename(tmp_path / "gone")
    found = sources(tmp_path, upstream, first="git", index=True).release(None)
    assert found.read("run.sh") == b"run\n"


def test_where_neither_can_help_the_first_one_is_quoted(
    tmp_path: Path, upstream: Repository, index: IndexDouble
) -> None:
    index.faults["/simple/demo/"] = Fault(status=503)
    upstream.folder.rename(tmp_path / "gone")
    with pytest.raises(MidstreamError) as caught:
        sources(tmp_path, upstream, first="index", index=True).release(None)
    assert caught.value.exit_code == Exit.TRANSIENT
    assert "can't read the releases" in caught.value.message


def test_the_wrong_bytes_of_one_source_are_not_papered_over_by_the_other(
    tmp_path: Path, upstream: Repository, index: IndexDouble
) -> None:
    index.offer("demo", "1.0", FILES)
    index.projects["demo"][0].sha256 = "0" * 64
    with pytest.raises(IntegrityError):
        sources(tmp_path, upstream, first="index", index=True).release("1.0")
