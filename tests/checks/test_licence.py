from __future__ import annotations

import pytest

from assumptions.looking import UBI, on_ubi, told, view
from midstream.checks.licence import check


@pytest.mark.parametrize(
    "line",
    [
        "COPY LICENSE /licenses/",
        'COPY ["LICENSE", "/licenses/a.md"]',
        "ADD LICENSE /licenses",
        'COPY LICENSE "/licenses/"',
        "COPY <<EOF /licenses/a\ntext\nEOF",
    ],
)
def test_a_copy_below_licenses_is_enough(line: str) -> None:
    assert told(check(view(on_ubi(line)))) == []


@pytest.mark.parametrize(
    "line", ["RUN a", "COPY /licenses /x", "COPY a /licensesx", "COPY a /opt/licenses"]
)
def test_without_one_it_is_found(line: str) -> None:
    assert told(check(view(on_ubi(line)))) == [("MS357", 1, "FROM")]


def test_the_stage_it_is_from_counts_and_others_do_not() -> None:
    copy = "COPY LICENSE /licenses/\n"
    assert told(check(view(f"FROM {UBI} AS a\n{copy}FROM a\n"))) == []
    assert told(check(view(f"FROM {UBI} AS a\n{copy}FROM {UBI}\n"))) == [("MS357", 3, "FROM")]
