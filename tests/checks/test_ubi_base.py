from __future__ import annotations

from msgspec.structs import replace

from assumptions.looking import MANYLINUX, UBI, sibling, told, view
from midstream.checks.ubi_base import check
from midstream.checks.view import COMMUNITY, REDHAT


def test_a_shipped_image_on_another_base_is_found() -> None:
    (found,) = check(view("FROM alpine:3\n"))
    assert told([found]) == [("MS353", 1, "alpine:3")]
    assert found.message == "`alpine:3` is not UBI"


def test_a_stage_in_the_shipped_lineage_is_judged_at_its_root() -> None:
    assert told(check(view("FROM alpine:3 AS a\nFROM a\n"))) == [("MS353", 1, "alpine:3")]


def test_a_kept_base_may_build_and_not_ship() -> None:
    text = f"FROM {MANYLINUX} AS a\nFROM {UBI}\nCOPY --from=a /a /a\n"
    assert told(check(view(text, profile=COMMUNITY))) == []
    assert told(check(view(text, profile=REDHAT))) == [("MS353", 1, MANYLINUX)]
    assert told(check(view(f"FROM {MANYLINUX}\n"))) == [("MS353", 1, MANYLINUX)]


def test_an_unknown_base_may_not_even_build() -> None:
    text = f"FROM alpine:3 AS a\nFROM {UBI}\nCOPY --from=a /a /a\n"
    assert told(check(view(text))) == [("MS353", 1, "alpine:3")]


def test_ubi_scratch_and_siblings_are_fine() -> None:
    assert told(check(view(f"FROM {UBI} AS a\nFROM scratch AS b\nFROM a\n"))) == []
    seen = view("FROM ours:1\n")
    seen = replace(seen, subject=replace(seen.subject, siblings=sibling("ours:1")))
    assert told(check(seen)) == []
