from __future__ import annotations

from assumptions.looking import UBI, on_ubi, told, view
from midstream.checks.sources_exist import check


def test_what_is_named_and_is_not_there_is_found() -> None:
    text = f"FROM {UBI} AS a\nCOPY --from=7 /a /a\n"
    assert [code for code, _, _ in told(check(view(text)))] == ["MS121"]


def test_stages_that_need_each_other_in_a_circle_are_found() -> None:
    text = f"FROM {UBI} AS a\nCOPY --from=b /a /a\nFROM {UBI} AS b\nCOPY --from=a /a /a\n"
    assert "MS120" in [code for code, _, _ in told(check(view(text)))]


def test_what_is_there_is_fine() -> None:
    assert told(check(view(on_ubi("COPY a b")))) == []
