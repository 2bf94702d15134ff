"""A lock as a value: its bytes, its name for people, and where a finding about it stands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from midstream.history.decisions import (
    Decisions,
    Given,
    Kind,
    expired,
    hand_edited,
    read_decisions,
    unsealed,
)
from midstream.source import Source
from midstream.upstream.lock import UnreadableLock

if TYPE_CHECKING:
    from midstream.diagnostic import Diagnostic

PATH = "overlays/app/lock.json"
UPSTREAM = {"project": "demo", "release": "2.1"}


def shown(found: Diagnostic) -> tuple[str, str]:
    return found.source.name, found.source[found.span]


def test_a_lock_is_the_same_bytes_in_whatever_order_it_was_decided() -> None:
    given = Given(Kind.DROP, "1", "why", "Ada", "2026-01-01T00:00:00Z")
    one, other = (
        Decisions(
            "app",
            UPSTREAM,
            edits=dict.fromkeys(names, "1"),
            review=dict.fromkeys(names, "2"),
            answers=dict.fromkeys(names, given),
        )
        for names in ("ab", "ba")
    )
    assert one.as_bytes() == other.as_bytes()


@pytest.mark.parametrize(
    "change", [{"edits": None}, {"edits": ["a"]}, {"upstream": "2.1"}, {"answers": {"x": {}}}]
)
def test_a_lock_with_a_value_of_another_kind_cannot_be_used(change: dict[str, Any]) -> None:
    content = json.loads(Decisions("app", UPSTREAM).as_bytes()) | change
    with pytest.raises(UnreadableLock, match="a value is missing or of another kind"):
        read_decisions(Source(PATH, json.dumps(content)))


def test_an_upstream_that_is_no_release_is_known_by_twelve_digits_of_its_commit() -> None:
    commit = {"project": "demo", "release": None, "commit": "0123456789abcdef"}
    assert Decisions("app", commit).label == "demo 0123456789ab"
    assert Decisions("app", UPSTREAM).label == "demo 2.1"


def test_a_lock_that_was_edited_by_hand_is_shown_at_its_seal() -> None:
    known = Decisions("app", UPSTREAM, edits={"one": "1"}, seal="another", path=PATH)
    (question,) = hand_edited(known, ["one", "two"])
    assert shown(question.finding) == (PATH, '"seal"')
    assert question.finding.message.endswith("don't fit its seal; `two` has no fingerprint in it")
    assert list(hand_edited(None, ["one"])) == []


def test_a_lock_without_a_seal_is_shown_at_its_result() -> None:
    (found,) = unsealed(Decisions("app", UPSTREAM, seal="none", path=PATH))
    assert shown(found) == (PATH, '"result"')


def test_an_answer_about_nothing_is_shown_among_the_answers() -> None:
    given = Given(Kind.DROP, "1", "why", "Ada", "2026-01-01T00:00:00Z")
    known = Decisions("app", UPSTREAM, review={"x": "1"}, answers={"x": given}, path=PATH)
    (found,) = expired(known, ["y"])
    assert shown(found) == (PATH, '"x"')
    assert found.span.start > found.source.text.index('"answers"')
    assert list(expired(known, ["x"])) == []
