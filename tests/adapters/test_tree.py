from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from commands.running import shut
from midstream.adapters.files import CannotRead, Tree, exists

if TYPE_CHECKING:
    from pathlib import Path


def test_a_tree_gives_bytes_and_sorted_names(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "y").write_bytes(b"\xff")
    (tmp_path / "b" / "x").write_bytes(b"")
    tree = Tree(tmp_path)
    assert tree.read("b/y") == b"\xff"
    assert tree.names("b") == ("x", "y")


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    tree = Tree(tmp_path)
    assert (tree.read("a"), tree.read("file/a"), tree.read(".")) == (None, None, None)
    assert (tree.names("a"), tree.names("file")) == ((), ())


def test_what_may_not_be_looked_at_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_bytes(b"")
    with shut(folder, 0):
        assert not exists(folder / "a")
        with pytest.raises(CannotRead, match="permission denied"):
            Tree(tmp_path).read("folder/a")
        with pytest.raises(CannotRead, match="permission denied"):
            Tree(tmp_path).names("folder")
    assert exists(folder / "a")
