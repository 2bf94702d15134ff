from __future__ import annotations

import pytest

from assumptions.looking import MANYLINUX, look, on_ubi, told
from midstream.assumptions.manylinux_python import check


@pytest.mark.parametrize(
    ("line", "folder"),
    [
        ("ENV PATH=/opt/python/cp312-cp312/bin:$PATH", "/opt/python/cp312-cp312"),
        ("RUN ln -s /opt/python/cp312-cp312 /x", "/opt/python/cp312-cp312"),
        ("RUN /opt/python/cp3*/bin/pip wheel .", "/opt/python/cp3*"),
    ],
)
def test_the_folder_is_found_on_ubi(line: str, folder: str) -> None:
    assert told(check(look(on_ubi(line)))) == [("MS306", 2, folder)]


def test_a_builder_that_has_it_may_name_it() -> None:
    text = on_ubi("RUN /opt/python/cp312-cp312/bin/pip wheel .", base=MANYLINUX)
    assert told(check(look(text))) == []


def test_a_global_argument_belongs_to_whoever_uses_it() -> None:
    text = f"ARG PY=/opt/python/cp312-cp312\n{on_ubi('RUN a')}"
    assert told(check(look(text))) == []
