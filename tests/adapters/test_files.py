from __future__ import annotations

import os
import resource
import signal
from typing import TYPE_CHECKING

import pytest

from midstream.adapters.files import (
    CannotRead,
    CannotWrite,
    Tree,
    cache_root,
    exists,
    read,
    state_root,
    write,
    write_all,
)
from midstream.errors import Exit

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_written_is_read_back_in_folders_that_were_not_there(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "f", b"\0\r\n")
    assert read(tmp_path / "a" / "b" / "f") == b"\0\r\n"
    assert [each.name for each in (tmp_path / "a" / "b").iterdir()] == ["f"]


def test_a_file_keeps_its_mode_when_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    path.chmod(0o751)
    write(path, b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o751)


def test_a_new_file_has_the_mode_that_the_person_wants_for_files(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        for name in ("one", "two"):
            write(tmp_path / name, b"x")
    finally:
        left = os.umask(before)
    assert [each.stat().st_mode & 0o777 for each in tmp_path.iterdir()] == [0o640, 0o640]
    assert left == 0o027


def test_all_is_on_the_disk_before_any_file_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    written: list[int] = []
    really = os.fsync

    def noted(handle: int) -> None:
        assert not any(path.exists() for path in paths)
        written.append(os.fstat(handle).st_ino)
        really(handle)

    monkeypatch.setattr(os, "fsync", noted)
    write_all(dict.fromkeys(paths, b"x"))
    assert written == [path.stat().st_ino for path in paths]


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(CannotWrite, match="file too large") as caught:
            write(path, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.exit_code == Exit.OUTSIDE
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["f"]


def test_a_folder_where_a_file_should_go_can_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="is a directory"):
        write(tmp_path, b"x")
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(CannotWrite):
        write(tmp_path / "f" / "g", b"x")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotRead, match="gone`: no such file") as caught:
        read(tmp_path / "gone")
    assert caught.value.exit_code == Exit.USAGE
    assert not exists(tmp_path / "gone")
    assert exists(tmp_path)


def test_a_tree_reads_files_and_names_and_knows_what_is_not_there(tmp_path: Path) -> None:
    write(tmp_path / "d" / "b", b"1")
    write(tmp_path / "d" / "a", b"2")
    tree = Tree(tmp_path)
    assert (tree.read("d/b"), tree.read("d"), tree.read("x/y")) == (b"1", None, None)
    assert (tree.names("d"), tree.names("x")) == (("a", "b"), ())
    with pytest.raises(CannotRead):
        tree.read("n" * 300)


def test_roots_follow_xdg_where_it_is_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/h")
    for name, root, default in (
        ("XDG_CACHE_HOME", cache_root, "/h/.cache/midstream"),
        ("XDG_STATE_HOME", state_root, "/h/.local/state/midstream"),
    ):
        monkeypatch.setenv(name, "/x")
        assert str(root()) == "/x/midstream"
        monkeypatch.setenv(name, "relative")
        assert str(root()) == default
