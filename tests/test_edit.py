from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.edit import Edit, EditConflict, apply_edits
from midstream.errors import Exit
from midstream.source import Span


def edit(start: int, end: int, text: str, rule: str = "r") -> Edit:
    return Edit(Span(start, end), text, rule)


def test_edits_are_addressed_in_the_text_as_it_was() -> None:
    assert apply_edits("abcdef", [edit(4, 5, ""), edit(0, 1, "XYZ"), edit(2, 2, "-")]) == "XYZb-cdf"


def test_no_edit_leaves_the_text() -> None:
    assert apply_edits("abc", []) == "abc"


def test_edits_that_touch_are_no_conflict() -> None:
    assert apply_edits("abcd", [edit(0, 2, "x"), edit(2, 4, "y")]) == "xy"


@pytest.mark.parametrize(
    ("first", "second"),
    [((0, 3), (2, 4)), ((0, 4), (1, 2)), ((1, 2), (1, 2)), ((1, 1), (1, 1)), ((1, 1), (1, 3))],
)
def test_two_rules_that_want_the_same_text_are_named(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    with pytest.raises(EditConflict, match="both change the same text") as caught:
        apply_edits("abcdef", [edit(*first, "x", "one"), edit(*second, "y", "two")])
    assert caught.value.exit_code == Exit.USAGE
    assert {caught.value.first.rule, caught.value.second.rule} == {"one", "two"}


@given(st.permutations([edit(0, 1, "x"), edit(1, 3, ""), edit(3, 3, "yy"), edit(4, 6, "z")]))
def test_the_order_of_the_edits_does_not_matter(edits: list[Edit]) -> None:
    assert apply_edits("abcdef", edits) == "xyydz"
