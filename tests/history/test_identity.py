from __future__ import annotations

from midstream.history.identity import other_predecessor
from midstream.source import Source


def text(*numbers: int) -> Source:
    return Source("f", "".join(f"RUN step {n}\n# comment\n\n" for n in numbers))


def test_a_file_that_changed_a_little_is_its_own() -> None:
    assert other_predecessor(text(1, 2, 3, 5), text(1, 2, 3, 4), {"b": text(7, 8, 9)}) is None


def test_a_file_that_took_over_the_path_is_found_out() -> None:
    others = {"b": text(7, 8, 9), "c": text(4, 5)}
    assert other_predecessor(text(7, 8, 9, 10), text(1, 2, 3), others) == "b"


def test_where_nothing_else_is_there_nothing_is_asked() -> None:
    assert other_predecessor(text(1), text(2), {}) is None


def test_a_file_that_resembles_two_about_alike_is_its_own() -> None:
    assert other_predecessor(text(1, 2, 3), text(1, 2, 4), {"b": text(1, 2, 5)}) is None


def test_a_short_file_that_has_nothing_in_common_is_no_predecessor() -> None:
    assert other_predecessor(text(1, 2, 3, 4), text(1, 2, 3, 5, 6, 7), {"b": text(9)}) is None
    assert other_predecessor(text(9), text(8), {"b": text(1, 2, 3)}) is None
