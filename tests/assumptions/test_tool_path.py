from __future__ import annotations

import pytest

from assumptions.looking import MANYLINUX, look, on_ubi, told
from midstream.assumptions.tool_path import check
from midstream.diagnostic import Severity

OPENMPI = "RUN dnf install -y gcc openmpi-devel"


def test_a_package_beside_path_is_found() -> None:
    (found,) = check(look(on_ubi(OPENMPI)))
    assert told([found]) == [("MS311", 2, "openmpi-devel")]
    assert found.severity is Severity.WARNING
    assert "ENV PATH=/usr/lib64/openmpi/bin:$PATH" in (found.help or "")


@pytest.mark.parametrize(
    "lines",
    [
        [OPENMPI, "ENV PATH=/usr/lib64/openmpi/bin:$PATH"],
        ["ENV PATH=$PATH:/usr/lib64/openmpi/bin", OPENMPI],
        ["RUN dnf install -y gcc"],
        ["RUN pip install mpich"],
    ],
)
def test_where_path_has_it_or_nothing_is_installed_all_is_fine(lines: list[str]) -> None:
    assert told(check(look(on_ubi(*lines)))) == []


def test_a_base_that_is_kept_is_nobodys_business() -> None:
    assert told(check(look(on_ubi(OPENMPI, base=MANYLINUX)))) == []
