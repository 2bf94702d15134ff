from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from midstream.adapters.blobs import WrongBytes, blob_id
from midstream.adapters.index import (
    IndexDown,
    IndexForbids,
    NoSuchRelease,
    PackageIndex,
    WrongArchive,
)
from midstream.errors import Exit, MidstreamError, UsageError
from midstream.source import Source
from midstream.upstream.config import read_project
from midstream.upstream.lock import Archive
from midstream.upstream.snapshot import NotInRelease, Tracker
from serving import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from indexes.double import IndexDouble

PROJECT = """\
project: demo
index: {name: demo, version_file: demo/_version.py}
dockerfiles: {app: docker/Dockerfile}
watch: [requirements/**]
"""
FILES = {
    "docker/Dockerfile": "FROM ubuntu:22.04\n",
    "requirements/app.txt": "torch==2.8.0\n",
    "demo/_version.py": "__version__ = version = '1.0'\n__commit_id__ = commit_id = 'g0123abc'\n",
    "demo/big.py": "x = 1\n",
}


def silent(_title: str, _size: int) -> Callable[[int], None]:
    return lambda _: None


def tracker(cache: Path, project: str = PROJECT) -> Tracker:
    read = read_project(Source("upstream/demo.yaml", project))
    return Tracker(read, PackageIndex(), cache, silent)


def test_a_release_becomes_a_lock_of_what_is_watched(index: IndexDouble, tmp_path: Path) -> None:
    offered = index.offer("demo", "1.0", FILES)
    snapshot = tracker(tmp_path).release("1.0")
    lock = snapshot.lock
    assert (lock.project, lock.release, lock.commit) == ("demo", "1.0", "0123abc")
    assert lock.date == "2026-01-02T03:04:05Z"
    assert lock.archive == Archive("demo-1.0.tar.gz", offered.sha256, len(offered.data))
    assert set(lock.files) == {"docker/Dockerfile", "requirements/app.txt"}
    assert lock.files["docker/Dockerfile"] == blob_id(b"FROM ubuntu:22.04\n")
    dockerfile = snapshot.source("docker/Dockerfile")
    assert dockerfile.text == "FROM ubuntu:22.04\n"
    assert snapshot.source("docker/Dockerfile") is dockerfile  # read once
    assert snapshot.label == "demo 1.0"
    assert "requirements/app.txt" in snapshot


def test_the_newest_release_is_taken_where_none_is_named(
    index: IndexDouble, tmp_path: Path
) -> None:
    for version in ("0.9", "0.10", "1.0rc1"):
        index.offer("demo", version, FILES)
    assert tracker(tmp_path).release(None).lock.release == "0.10"


@pytest.mark.parametrize(
    ("text", "commit"),
    [
        ("__commit_id__ = commit_id = 'gabc123'\n", "abc123"),
        ("commit_id: str | None\n__commit_id__: str | None\ncommit_id = 'gabc123'\n", "abc123"),
        ("__commit_id__ = commit_id = None\n", ""),
        ("version = '1.0'\n", ""),
    ],
)
def test_the_commit_is_read_from_the_version_file(
    index: IndexDouble, tmp_path: Path, text: str, commit: str
) -> None:
    index.offer("demo", "1.0", {**FILES, "demo/_version.py": text})
    assert tracker(tmp_path).release("1.0").lock.commit == commit


def test_a_warm_cache_needs_no_network(index: IndexDouble, tmp_path: Path) -> None:
    index.offer("demo", "1.0", FILES)
    first = tracker(tmp_path).release("1.0")
    index.stop()
    assert tracker(tmp_path).release("1.0") == first
    assert tracker(tmp_path).locked(first.lock).read("docker/Dockerfile") == b"FROM ubuntu:22.04\n"


def test_the_newest_release_is_asked_for_and_not_fetched_twice(
    index: IndexDouble, tmp_path: Path
) -> None:
    index.offer("demo", "1.0", FILES)
    tracker(tmp_path).release(None)
    tracker(tmp_path).release(None)
    assert index.asked == ["/simple/demo/", "/files/demo-1.0.tar.gz", "/simple/demo/"]


def test_what_is_watched_anew_is_fetched(index: IndexDouble, tmp_path: Path) -> None:
    index.offer("demo", "1.0", FILES)
    tracker(tmp_path).release("1.0")
    for project in (
        PROJECT.replace("[requirements/**]", "[requirements/**, demo/big.py]"),
        PROJECT.replace("docker/Dockerfile", "{path: docker/Dockerfile, was: [demo/big.py]}"),
    ):
        assert "demo/big.py" in tracker(tmp_path, project).release("1.0")


def test_a_damaged_memory_of_a_release_is_made_again(index: IndexDouble, tmp_path: Path) -> None:
    index.offer("demo", "1.0", FILES)
    first = tracker(tmp_path).release("1.0")
    (memory,) = tmp_path.glob("releases/demo/*/1.0.json")
    memory.write_bytes(memory.read_bytes()[:50])
    assert tracker(tmp_path).release("1.0") == first
    assert index.asked.count("/files/demo-1.0.tar.gz") == 2


def test_a_memory_whose_files_are_gone_is_no_memory(index: IndexDouble, tmp_path: Path) -> None:
    index.offer("demo", "1.0", FILES)
    first = tracker(tmp_path).release("1.0")
    blob = first.lock.files["docker/Dockerfile"]
    (tmp_path / "blobs" / blob[:2] / blob[2:]).unlink()
    assert tracker(tmp_path).release("1.0").read("docker/Dockerfile") == b"FROM ubuntu:22.04\n"


def test_a_locked_release_is_fetched_where_the_cache_is_cold(
    index: IndexDouble, tmp_path: Path
) -> None:
    index.offer("demo", "1.0", FILES)
    lock = tracker(tmp_path / "one").release("1.0").lock
    again = tracker(tmp_path / "two").locked(lock)
    assert again.read("requirements/app.txt") == b"torch==2.8.0\n"


def test_an_archive_that_the_index_changed_since_is_refused(
    index: IndexDouble, tmp_path: Path
) -> None:
    index.offer("demo", "1.0", FILES)
    lock = tracker(tmp_path / "one").release("1.0").lock
    index.offer("demo", "1.0", {**FILES, "docker/Dockerfile": "FROM evil\n"})
    with pytest.raises(WrongArchive, match="now offers another archive") as caught:
        tracker(tmp_path / "two").locked(lock)
    assert caught.value.exit_code is Exit.INTEGRITY
    assert not (tmp_path / "two").exists(), "nothing of it is kept"


def test_files_that_are_not_the_locked_ones_are_refused_whatever_the_archive(
    index: IndexDouble, tmp_path: Path
) -> None:
    index.offer("demo", "1.0", FILES)
    lock = tracker(tmp_path / "one").release("1.0").lock
    edited = replace(lock, files={**lock.files, "docker/Dockerfile": "0" * 40}, archive=None)
    with pytest.raises(WrongArchive, match=r"`docker/Dockerfile` of demo 1\.0") as caught:
        tracker(tmp_path / "two").locked(edited)
    assert caught.value.help is not None
    assert "midstream track --release 1.0" in caught.value.help


def test_a_damaged_file_of_the_cache_is_refused_when_it_is_read(
    index: IndexDouble, tmp_path: Path
) -> None:
    index.offer("demo", "1.0", FILES)
    snapshot = tracker(tmp_path).release("1.0")
    blob = snapshot.lock.files["docker/Dockerfile"]
    path = tmp_path / "blobs" / blob[:2] / blob[2:]
    path.write_bytes(b"FROM evil\n")
    with pytest.raises(WrongBytes) as caught:
        tracker(tmp_path).locked(snapshot.lock).source("docker/Dockerfile")
    assert str(path) in (caught.value.help or "")


@pytest.mark.parametrize("part", [0.0, 0.5])
def test_nothing_of_half_an_archive_is_kept(
    index: IndexDouble, tmp_path: Path, part: float
) -> None:
    index.offer("demo", "1.0", FILES)
    index.faults["/files/demo-1.0.tar.gz"] = Fault(part=part)
    with pytest.raises(IndexDown):
        tracker(tmp_path).release("1.0")
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_a_wrong_archive_is_kept(index: IndexDouble, tmp_path: Path) -> None:
    index.offer("demo", "1.0", FILES).sha256 = "0" * 64
    with pytest.raises(WrongArchive):
        tracker(tmp_path).release("1.0")
    assert list(tmp_path.iterdir()) == []


def test_a_version_that_is_not_there_shows_the_newest_ones(
    index: IndexDouble, tmp_path: Path
) -> None:
    for version in ("0.8", "0.9", "0.10", "1.0"):
        index.offer("demo", version, FILES)
    with pytest.raises(NoSuchRelease, match=r"no source release 2\.0 of `demo`") as caught:
        tracker(tmp_path).release("2.0")
    assert caught.value.help == "newest: 0.9, 0.10, 1.0"


def test_a_version_never_names_a_file_outside_the_cache(index: IndexDouble, tmp_path: Path) -> None:
    index.offer("demo", "1.0", FILES)
    (tmp_path / "outside.json").write_bytes(tracker(tmp_path / "c").release("1.0").lock.as_bytes())
    with pytest.raises(NoSuchRelease):
        tracker(tmp_path / "c").release("../../../../outside")


def test_a_project_without_releases_says_so(index: IndexDouble, tmp_path: Path) -> None:
    index.offer("demo", "1.0rc1", FILES)
    with pytest.raises(NoSuchRelease, match="no source release of `demo`"):
        tracker(tmp_path).release(None)


def test_a_project_without_an_index_can_not_be_tracked_from_one(tmp_path: Path) -> None:
    project = "project: demo\ngit: {url: x}\ndockerfiles: {app: docker/Dockerfile}\n"
    with pytest.raises(UsageError, match="no `index:`"):
        tracker(tmp_path, project).release(None)


def test_a_release_without_a_version_file_has_no_commit(index: IndexDouble, tmp_path: Path) -> None:
    index.offer("demo", "1.0", FILES)
    project = PROJECT.replace(", version_file: demo/_version.py", "")
    assert tracker(tmp_path, project).release("1.0").lock.commit == ""


def test_a_file_that_is_not_watched_is_asked_for_in_vain(
    index: IndexDouble, tmp_path: Path
) -> None:
    index.offer("demo", "1.0", FILES)
    with pytest.raises(NotInRelease, match=r"no `demo/big\.py`") as caught:
        tracker(tmp_path).release("1.0").read("demo/big.py")
    assert "watch:" in (caught.value.help or "")


def test_an_index_that_forbids_is_no_index_without_releases(
    index: IndexDouble, tmp_path: Path
) -> None:
    index.faults["/simple/demo/"] = Fault(status=403)
    with pytest.raises(IndexForbids):
        tracker(tmp_path).release(None)


def test_a_download_is_announced_with_its_name_and_size(index: IndexDouble, tmp_path: Path) -> None:
    announced = []

    def arriving(title: str, size: int) -> Callable[[int], None]:
        announced.append((title, size))
        return announced_bytes.append

    announced_bytes: list[int] = []
    offered = index.offer("demo", "1.0", FILES)
    replace(tracker(tmp_path), arriving=arriving).release("1.0")
    assert announced == [("demo-1.0.tar.gz", len(offered.data))]
    assert sum(announced_bytes) == len(offered.data)


def test_a_cache_that_can_not_be_written_says_so(index: IndexDouble, tmp_path: Path) -> None:
    index.offer("demo", "1.0", FILES)
    (tmp_path / "cache").write_text("a file in the way")
    with pytest.raises(MidstreamError, match="can't write") as caught:
        tracker(tmp_path / "cache").release("1.0")
    assert caught.value.exit_code is Exit.OUTSIDE


def test_a_release_knows_what_upstreams_own_pipeline_builds(
    index: IndexDouble, tmp_path: Path
) -> None:
    pipeline = "steps:\n  - command: source ci.sh && docker build --build-arg A=$$A .\n"
    index.offer(
        "demo", "1.0", {**FILES, ".buildkite/release-pipeline.yaml": pipeline, "ci.sh": "A=1\n"}
    )
    watching = PROJECT.replace("[requirements/**]", "[.buildkite/*, '*.sh']")
    (build,) = tracker(tmp_path, watching).release("1.0").release_builds
    assert [(each.name, each.value) for each in build.arguments] == [("A", "1")]
    assert tracker(tmp_path).release("1.0").release_builds == ()
