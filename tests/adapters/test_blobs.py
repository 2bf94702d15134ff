from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.adapters import process
from midstream.adapters.blobs import Blobs, WrongBytes, blob_id
from midstream.adapters.files import CannotRead
from midstream.errors import Exit

if TYPE_CHECKING:
    from pathlib import Path

ABSENT = "0" * 40


@given(st.binary())
def test_an_id_is_the_one_that_git_gives(data: bytes) -> None:
    done = process.run("git", "hash-object", "--stdin", input=data, timeout=30)
    assert blob_id(data) == done.stdout.decode().strip()


def test_what_was_put_is_got(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "new" / "folder")
    name = blobs.put(b"FROM scratch\r\n\xff")
    assert blobs.get(name) == b"FROM scratch\r\n\xff"
    assert blobs.missing([name, ABSENT]) == (ABSENT,)


def test_what_is_there_is_not_written_again(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    name = blobs.put(b"x")
    path = tmp_path / name[:2] / name[2:]
    before = path.stat().st_ino
    assert blobs.put(b"x") == name
    assert path.stat().st_ino == before


def test_damaged_bytes_are_refused_with_the_file_to_remove(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    name = blobs.put(b"FROM scratch\n")
    path = tmp_path / name[:2] / name[2:]
    path.write_bytes(b"FROM evil\n")
    with pytest.raises(WrongBytes) as caught:
        blobs.get(name)
    assert caught.value.exit_code is Exit.INTEGRITY
    assert caught.value.help == f"remove the damaged file, and run again: rm '{path}'"


def test_what_is_not_there_can_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(CannotRead):
        Blobs(tmp_path).get(ABSENT)
