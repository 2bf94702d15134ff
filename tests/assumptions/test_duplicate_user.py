from __future__ import annotations

import pytest

from assumptions.looking import UBI, look, on_ubi, sibling, told
from midstream.assumptions.duplicate_user import check, users_at_end


def test_a_number_or_name_given_twice_in_one_stage_is_found() -> None:
    text = on_ubi(
        "RUN useradd --uid 2000 --gid 0 vllm", "RUN useradd -u 2000 app", "RUN useradd vllm"
    )
    found = list(check(look(text)))
    assert told(found) == [
        ("MS308", 3, "useradd -u 2000 app"),
        ("MS308", 4, "useradd vllm"),
    ]
    assert "`2000`" in found[0].message


def test_a_user_of_what_a_stage_is_from_is_there_already() -> None:
    text = f"FROM {UBI} AS a\nRUN useradd app\nFROM a\nFROM a AS c\nRUN adduser app\n"
    assert told(check(look(text))) == [("MS308", 5, "adduser app")]


def test_stages_side_by_side_have_users_of_their_own() -> None:
    text = f"FROM {UBI} AS a\nRUN useradd app\nFROM {UBI} AS b\nRUN useradd app\n"
    assert told(check(look(text))) == []


def test_a_sibling_brings_its_users_along() -> None:
    text = on_ubi("RUN useradd --uid=2000 other", base="ours:1")
    found = check(look(text, siblings=sibling("ours:1", users=frozenset(("vllm", "2000")))))
    assert told(found) == [("MS308", 2, "useradd --uid=2000 other")]


@pytest.mark.parametrize("line", ["RUN useradd -m -u 1001 app", "RUN useradd default"])
def test_the_user_that_an_image_runs_as_is_there_already(line: str) -> None:
    text = on_ubi(line, base="registry.access.redhat.com/ubi9/python-312:9.8")
    (found,) = check(look(text))
    assert found.message.endswith("is there already in the image")
    assert "choose another number" in (found.help or "")
    assert told(check(look(on_ubi(line)))) == []


def test_the_two_branches_of_an_if_create_one_user() -> None:
    text = on_ubi("RUN if [ -f a ]; then useradd app; else useradd -m app; fi")
    assert told(check(look(text))) == []


@pytest.mark.parametrize(
    "line",
    [
        "RUN id app || useradd app",
        "RUN useradd app || true",
        "RUN if ! getent passwd app; then useradd app; fi",
        "RUN case $A in a) useradd last;; b) useradd last;; esac",
    ],
)
def test_a_user_that_the_text_reckons_with_is_no_duplicate(line: str) -> None:
    assert told(check(look(on_ubi("RUN useradd app", line)))) == []


def test_a_user_of_before_is_a_duplicate_in_a_branch_too() -> None:
    text = on_ubi("RUN useradd app", "RUN if [ -f a ]; then useradd app; fi")
    assert told(check(look(text))) == [("MS308", 3, "useradd app")]


@pytest.mark.parametrize("line", ["RUN useradd", "RUN useradd -D", "RUN useradd $USER -u"])
def test_a_user_without_a_plain_name_is_nobody(line: str) -> None:
    subject = look(on_ubi(line, line))
    assert told(check(subject)) == []
    assert users_at_end(subject, 0) == frozenset()


def test_the_users_at_the_end_are_those_of_the_whole_lineage() -> None:
    text = f"FROM {UBI} AS a\nRUN useradd -u 1 one\nFROM a\nRUN useradd --uid 2 two\n"
    assert users_at_end(look(text), 1) == {"one", "1", "two", "2"}
