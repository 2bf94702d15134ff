from __future__ import annotations

import pytest

from assumptions.looking import UBI, on_ubi, told, view
from midstream.checks.non_root import check


@pytest.mark.parametrize("user", ["2000", "2000:0", "1", '"2000"', "${U}", "$U:0"])
def test_a_number_above_zero_is_fine(user: str) -> None:
    assert told(check(view(on_ubi("ENV U=7", f"USER {user}")))) == []


@pytest.mark.parametrize("user", ["0", "root", "vllm", "0:2000", "${UID}", "00", "${A:?}"])
def test_root_and_names_are_found(user: str) -> None:
    (found,) = check(view(on_ubi("USER 2000", f"USER {user}")))
    assert told([found]) == [("MS356", 3, user)]


def test_a_shipped_lineage_without_user_runs_as_its_base_says() -> None:
    (found,) = check(view(on_ubi("RUN a")))
    assert told([found]) == [("MS356", 1, "FROM")]
    assert "root" in found.message


def test_the_last_user_of_the_lineage_counts() -> None:
    assert told(check(view(f"FROM {UBI} AS a\nUSER 7\nFROM a\nRUN b\n"))) == []
    text = f"FROM {UBI} AS a\nUSER 7\nFROM {UBI}\nCOPY --from=a /a /a\n"
    assert told(check(view(text))) == [("MS356", 3, "FROM")]
