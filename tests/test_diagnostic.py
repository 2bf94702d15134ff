"""What messages are made of."""

from __future__ import annotations

import pytest

from midstream.diagnostic import counted


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 questions"), (1, "1 question"), (2, "2 questions")]
)
def test_one_of_a_thing_is_said_in_the_singular(number: int, said: str) -> None:
    assert counted(number, "question") == said


def test_a_plural_that_is_no_noun_with_an_s_is_given() -> None:
    assert counted(2, "fact moved", "facts moved") == "2 facts moved"
