from __future__ import annotations

import pytest

from assumptions.looking import MANYLINUX, VENV, converted, look, on_ubi, told
from midstream.assumptions.system_flag import check, convert
from midstream.source import Span


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("RUN uv pip install --system -r a.txt", "RUN uv pip install -r a.txt"),
        ("RUN a && uv pip uninstall b --system && c", "RUN a && uv pip uninstall b && c"),
        ("RUN uv pip install \\\n    --system \\\n    a", "RUN uv pip install \\\n    a"),
        ("RUN bash -c 'uv pip install --system a'", "RUN bash -c 'uv pip install a'"),
        ("ENV A=1 UV_SYSTEM_PYTHON=1 B=2", "ENV A=1 B=2"),
        ("ENV UV_SYSTEM_PYTHON=1 B=2", "ENV B=2"),
        ("ENV A=1 UV_SYSTEM_PYTHON=1", "ENV A=1"),
        ("ENV UV_SYSTEM_PYTHON=1\nRUN a", "RUN a"),
        ("ARG UV_SYSTEM_PYTHON=1\nRUN a", "RUN a"),
    ],
)
def test_the_flag_and_the_variable_are_taken_out(before: str, after: str) -> None:
    text = converted(convert, on_ubi(before), python=VENV)
    assert text == on_ubi(after)
    assert told(check(look(text, python=VENV))) == []


@pytest.mark.parametrize(
    "line",
    [
        "RUN uv python install --system",
        "RUN pip install --system a",
        "RUN useradd --system app",
        "ENV OTHER=UV_SYSTEM_PYTHON",
    ],
)
def test_others_flags_are_left(line: str) -> None:
    assert converted(convert, on_ubi(line), python=VENV) == on_ubi(line)
    assert told(check(look(on_ubi(line), python=VENV))) == []


def test_without_a_virtual_environment_the_flag_is_right() -> None:
    text = on_ubi("RUN uv pip install --system a", "ENV UV_SYSTEM_PYTHON=1")
    assert converted(convert, text) == text
    assert told(check(look(text))) == []


def test_a_stage_on_another_base_keeps_its_own_python() -> None:
    text = on_ubi("RUN uv pip install --system a", base=MANYLINUX)
    assert converted(convert, text, python=VENV) == text
    assert told(check(look(text, python=VENV))) == []


def test_what_an_edit_owns_stays_and_is_found() -> None:
    text = on_ubi("ENV UV_SYSTEM_PYTHON=1", "RUN uv pip install --system a")
    claimed = (Span(text.index("ENV"), len(text)),)
    assert converted(convert, text, python=VENV, claimed=claimed) == text
    assert told(check(look(text, python=VENV))) == [
        ("MS302", 2, "UV_SYSTEM_PYTHON=1"),
        ("MS302", 3, "--system"),
    ]


def test_the_flag_right_behind_pip_is_seen() -> None:
    text = on_ubi("RUN uv pip --system install a")
    assert converted(convert, text, python=VENV) == on_ubi("RUN uv pip install a")


@pytest.mark.parametrize(
    "line",
    ['ENV UV_SYSTEM_PYTHON="0"', "ARG UV_SYSTEM_PYTHON", "RUN UV_SYSTEM_PYTHON= uv pip list"],
)
def test_a_variable_that_says_no_is_fine(line: str) -> None:
    assert told(check(look(on_ubi(line), python=VENV))) == []


@pytest.mark.parametrize("line", ["RUN UV_SYSTEM_PYTHON=1 uv x", "RUN export UV_SYSTEM_PYTHON=1"])
def test_a_run_that_sets_the_variable_is_found(line: str) -> None:
    found = told(check(look(on_ubi(line), python=VENV)))
    assert found == [("MS302", 2, "UV_SYSTEM_PYTHON=1")]
