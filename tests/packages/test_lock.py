from __future__ import annotations

import json

import pytest

from midstream.packages.answers import Answers, Sighting, State
from midstream.packages.lock import Moved, UnreadableLock, moved, read_lock, write_lock

GIT = Sighting("ubi/baseos", "git", "2.43.5-1.el9")
VIM = Sighting("ubi/appstream", "vim-enhanced", "9-1", "provides")
NODE = Sighting("ubi/appstream", "nodejs", "1:20-1", streams=("nodejs:20",))


def answers(arch: str = "x86_64", **packages: tuple[Sighting, ...]) -> Answers:
    states = {"ubi/baseos": State("b" * 64, "2"), "ubi/appstream": State("a" * 64, "1")}
    return Answers("ubi9", arch, states, packages)


def test_a_lock_comes_back_as_it_was_written() -> None:
    every = (answers("s390x", git=()), answers(vim=(VIM,), git=(GIT,), nodejs=(NODE,)))
    assert read_lock(write_lock(every)) == every


def test_the_order_of_what_is_written_does_not_depend_on_what_came_first() -> None:
    one = answers(git=(GIT,), vim=(VIM,))
    other = Answers(
        "ubi9", "x86_64", dict(reversed([*one.repositories.items()])),
        dict(reversed([*one.packages.items()])),
    )  # fmt: skip
    assert write_lock([one, answers("s390x")]) == write_lock([answers("s390x"), other])


def test_a_package_stands_on_a_line() -> None:
    lines = write_lock([answers(git=(GIT,), none=())]).decode().splitlines()
    assert (
        '     "git": [{"repository": "ubi/baseos", "name": "git", "evr": "2.43.5-1.el9"}],' in lines
    )
    assert '     "none": []' in lines


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<<<<<<< HEAD",
        b"[]",
        b'{"midstream": 2, "platforms": {}}',
        b'{"midstream": 1, "platforms": {}, "more": 1}',
        b'{"midstream": 1, "platforms": {"ubi9": {"x86_64": {"repositories": {}}}}}',
    ],
)
def test_a_lock_that_midstream_did_not_write_is_said(data: bytes) -> None:
    with pytest.raises(UnreadableLock) as caught:
        read_lock(data)
    assert "overlays/packages.lock.json" in caught.value.message
    assert caught.value.help == "run: midstream packages lock"


def test_what_moved_is_told() -> None:
    newer = Sighting("ubi/baseos", "git", "2.47.1-1.el9")
    before = answers(git=(GIT,), gone=(VIM,), same=(VIM,), left=())
    after = answers(git=(newer,), gone=(), same=(VIM,), new=(NODE,))
    assert list(moved([before], [after])) == [
        Moved("ubi9 x86_64 git", "git-2.43.5-1.el9 (ubi/baseos)", "git-2.47.1-1.el9 (ubi/baseos)"),
        Moved("ubi9 x86_64 gone", "vim-enhanced-9-1 (ubi/appstream)", ""),
        Moved("ubi9 x86_64 left", "", None),
        Moved("ubi9 x86_64 new", None, "nodejs-1:20-1 (ubi/appstream)"),
    ]  # fmt: skip


def test_a_lock_is_json() -> None:
    content = json.loads(write_lock([answers(git=(GIT,))]))
    assert list(content["platforms"]["ubi9"]["x86_64"]["repositories"]) == [
        "ubi/appstream", "ubi/baseos",
    ]  # fmt: skip
