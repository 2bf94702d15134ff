from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from midstream.source import Source
from midstream.upstream.changes import Change, Kind, compare
from midstream.upstream.config import read_project
from midstream.upstream.lock import Lock

PROJECT = read_project(
    Source(
        "upstream/demo.yaml",
        """\
project: demo
index: demo
dockerfiles:
  app: {path: docker/Dockerfile, was: [Dockerfile]}
  tool: docker/Dockerfile.tool
""",
    )
)


def locked(files: dict[str, str]) -> Lock:
    return Lock("demo", "1.0", "", "", None, files)


def test_what_came_went_and_changed_is_told_with_its_target() -> None:
    old = locked({"docker/Dockerfile": "1", "docker/Dockerfile.tool": "2", "a": "3", "same": "4"})
    new = locked({"docker/Dockerfile": "9", "b": "5", "same": "4"})
    assert compare(PROJECT, old, new) == (
        Change(Kind.REMOVED, "a"),
        Change(Kind.ADDED, "b"),
        Change(Kind.CHANGED, "docker/Dockerfile", target="app"),
        Change(Kind.REMOVED, "docker/Dockerfile.tool", target="tool"),
    )


def test_a_target_at_another_of_its_paths_has_moved_even_if_it_changed_too() -> None:
    old, new = locked({"Dockerfile": "1"}), locked({"docker/Dockerfile": "2"})
    assert compare(PROJECT, old, new) == (
        Change(Kind.MOVED, "docker/Dockerfile", was="Dockerfile", target="app"),
    )


def test_a_file_with_the_very_same_bytes_elsewhere_has_moved() -> None:
    old, new = locked({"tools/a.sh": "1"}), locked({"tools/x/a.sh": "1"})
    assert compare(PROJECT, old, new) == (Change(Kind.MOVED, "tools/x/a.sh", was="tools/a.sh"),)


def test_a_copy_is_no_move() -> None:
    old, new = locked({"a": "1"}), locked({"a": "1", "b": "1"})
    assert compare(PROJECT, old, new) == (Change(Kind.ADDED, "b"),)


def test_an_older_path_that_stays_beside_the_new_one_is_told_as_it_is() -> None:
    old = locked({"Dockerfile": "1"})
    new = locked({"Dockerfile": "2", "docker/Dockerfile": "1"})
    assert compare(PROJECT, old, new) == (
        Change(Kind.CHANGED, "Dockerfile", target="app"),
        Change(Kind.MOVED, "docker/Dockerfile", was="Dockerfile", target="app"),
    )


def test_two_files_made_of_one_both_say_where_they_are_from() -> None:
    old, new = locked({"a": "1"}), locked({"b": "1", "c": "1"})
    assert [(each.path, each.was) for each in compare(PROJECT, old, new)] == [
        ("b", "a"),
        ("c", "a"),
    ]


paths = st.sampled_from(["Dockerfile", "docker/Dockerfile", "docker/Dockerfile.tool", "a", "b"])
trees = st.dictionaries(paths, st.sampled_from("123"))


@given(trees, trees)
def test_every_path_that_differs_is_in_exactly_one_change(
    before: dict[str, str], after: dict[str, str]
) -> None:
    found = compare(PROJECT, locked(before), locked(after))
    told = [path for each in found for path in (each.path, each.was) if path]
    differ = {p for p in {*before, *after} if before.get(p) != after.get(p)}
    assert differ <= set(told)
    assert len({each.path for each in found}) == len(found)
    # An older path of a target may stay; everything else that is told went or came.
    assert set(told) - differ <= {"Dockerfile", "docker/Dockerfile"}


@given(trees)
def test_nothing_differs_from_itself(files: dict[str, str]) -> None:
    assert compare(PROJECT, locked(files), locked(files)) == ()


def test_a_target_that_falls_back_to_an_older_path_lost_its_newest() -> None:
    old = locked({"Dockerfile": "1", "docker/Dockerfile": "2"})
    assert compare(PROJECT, old, locked({"Dockerfile": "1"})) == (
        Change(Kind.REMOVED, "docker/Dockerfile", target="app"),
    )
