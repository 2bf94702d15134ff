from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.errors import Exit
from midstream.source import Source
from midstream.upstream.lock import Archive, Lock, UnreadableLock, read_json, read_lock

BLOB = "0123456789abcdef0123456789abcdef01234567"
LOCK = Lock(
    project="demo",
    release="1.0",
    commit="0123abc",
    date="2026-01-02T03:04:05Z",
    archive=Archive("demo-1.0.tar.gz", "f" * 64, 47),
    files={"b": BLOB, "a": BLOB[::-1]},
)


def read(data: bytes) -> Lock:
    return read_lock(Source.from_bytes("upstream/demo.lock.json", data))


def refused(data: bytes) -> UnreadableLock:
    with pytest.raises(UnreadableLock) as caught:
        read(data)
    assert caught.value.exit_code is Exit.USAGE
    return caught.value


def changed(**values: Any) -> bytes:
    return json.dumps({**json.loads(LOCK.as_bytes()), **values}).encode()


blobs = st.text("0123456789abcdef", min_size=40, max_size=40)
archives = st.tuples(st.text(), st.text(), st.integers(0, 2**40)).map(lambda each: Archive(*each))
locks = st.tuples(
    st.text(), st.text(), st.text(), st.text(), st.none() | archives,
    st.dictionaries(st.text(min_size=1), blobs),
).map(lambda each: Lock(*each))  # fmt: skip


@given(locks)
def test_a_lock_is_read_as_it_was_written(lock: Lock) -> None:
    assert read(lock.as_bytes()) == lock


def test_the_same_lock_gives_the_same_bytes_whatever_the_order_of_its_files() -> None:
    assert list(json.loads(LOCK.as_bytes())["files"]) == ["a", "b"]
    assert LOCK.as_bytes().endswith(b"}\n")
    assert read(LOCK.as_bytes()).as_bytes() == LOCK.as_bytes()


def test_a_lock_without_an_archive_has_none() -> None:
    content = json.loads(LOCK.as_bytes())
    del content["archive"]
    assert read(json.dumps(content).encode()).archive is None


@pytest.mark.parametrize(
    ("name", "data", "way_out"),
    [
        ("overlays/app/lock.json", b"<<<<<<< a\n", "midstream decide --target app --merge"),
        ("overlays/app/1/lock.json", b"<<<<<<< a\n", "midstream decide --target app --merge"),
        ("upstream/demo.lock.json", b"<<<<<<< a\n", "and run: midstream track"),
        ("overlays/app/lock.json", b'{"midstream": 9}', "use the midstream that wrote it"),
        ("overlays/app/lock.json", b'{"midstream": 1,', "git checkout -- overlays/app/lock.json"),
    ],
)
def test_each_kind_of_bad_lock_has_its_way_out(name: str, data: bytes, way_out: str) -> None:
    with pytest.raises(UnreadableLock) as caught:
        read_json(Source.from_bytes(name, data))
    (found,) = caught.value.diagnostics
    assert way_out in (found.help or "")


def test_conflict_markers_are_shown_at_their_line() -> None:
    lines = LOCK.as_bytes().decode().splitlines(keepends=True)
    lines[3:4] = ["<<<<<<< HEAD\n", lines[3], "=======\n", ' "release": "2",\n', ">>>>>>> b\n"]
    error = refused("".join(lines).encode())
    (found,) = error.diagnostics
    assert (found.rule.code, found.source.position(found.span.start).line) == ("MS550", 4)
    assert found.message == "git's conflict markers are in it"
    assert "git checkout -- upstream/demo.lock.json" in (found.help or "")


@pytest.mark.parametrize("keep", [0, 1, 20, 200, -2])
def test_a_truncated_lock_is_refused_where_it_ends(keep: int) -> None:
    (found,) = refused(LOCK.as_bytes()[:keep]).diagnostics
    assert found.message.startswith("not JSON")


def test_a_name_that_stands_in_a_lock_twice_is_refused() -> None:
    text = LOCK.as_bytes().replace(b' "release"', b' "release": "9",\n "release"')
    (found,) = refused(text).diagnostics
    assert found.message == "not a lock: `release` stands in it twice"


def test_a_lock_of_another_version_is_refused() -> None:
    (found,) = refused(changed(midstream=2)).diagnostics
    assert found.message == "made for version 2 of the format, not 1"
    assert "version None" in refused(b"{}").diagnostics[0].message
    assert "version None" in refused(b"[]").diagnostics[0].message


@pytest.mark.parametrize(
    "data",
    [
        changed(release=3),
        changed(files=[]),
        changed(files=None),
        changed(files="abc"),
        changed(files={"a": 3}),
        changed(archive=[]),
        changed(archive={}),
        changed(archive="demo.tar.gz"),
        changed(archive={"name": "x", "sha256": "y"}),
        changed(archive={"name": "x", "sha256": "y", "size": "big"}),
        changed(archive={"name": "x", "sha256": "y", "size": float("inf")}),
        changed(archive={"name": "x", "sha256": "y", "size": float("nan")}),
        changed(commit=None),
        b'{"midstream": 1}',
        b'{"midstream": 1, "size": ' + b"1" * 5000 + b"}",
        b'{"midstream": ' + b"[" * 100_000,
        b"\xff\xfe{}",
    ],
)
def test_what_is_no_lock_is_refused_with_its_finding(data: bytes) -> None:
    assert [each.rule.code for each in refused(data).diagnostics] == ["MS550"]


@pytest.mark.parametrize("name", ["", "abc", "../../../etc/passwd", BLOB.upper(), BLOB + "\n"])
def test_an_id_that_git_would_not_give_is_refused(name: str) -> None:
    (found,) = refused(changed(files={"docker/Dockerfile": name})).diagnostics
    assert "`docker/Dockerfile`" in found.message
