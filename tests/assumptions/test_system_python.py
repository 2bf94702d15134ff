from __future__ import annotations

import pytest
from msgspec.structs import replace

from assumptions.looking import MANYLINUX, VENV, converted, look, on_ubi, told
from midstream.assumptions.system_python import check, convert
from midstream.source import Span


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("RUN update-alternatives --install /usr/bin/python3 python3 /usr/bin/python3.12 1",
         "RUN ln -sf /usr/bin/python3.12 /usr/local/bin/python3"),
        ("RUN a && update-alternatives --install /usr/bin/python3 python3 /usr/bin/python$V 1 \\\n"
         "    && update-alternatives --set python3 /usr/bin/python$V \\\n    && b",
         "RUN a && ln -sf /usr/bin/python$V /usr/local/bin/python3 \\\n    && b"),
        ("RUN update-alternatives --set python3 /usr/bin/python3.12",
         "RUN ln -sf /usr/bin/python3.12 /usr/local/bin/python3"),
        ("RUN ln -sf /opt/venv/bin/python3 /usr/bin/python3",
         "RUN ln -sf /opt/venv/bin/python3 /usr/local/bin/python3"),
        ("RUN ln -s /usr/bin/python3.12-config /usr/bin/python3-config",
         "RUN ln -s /usr/bin/python3.12-config /usr/local/bin/python3-config"),
        ("RUN ln -s /usr/local/bin/python3 /usr/bin/python3 && a", "RUN a"),
        ("RUN bash -c \"ln -s '/opt/a b' /usr/bin/pip\"",
         "RUN bash -c \"ln -s '/opt/a b' /usr/local/bin/pip\""),
    ],
)  # fmt: skip
def test_a_link_that_would_repoint_dnfs_python_goes_beside_it(before: str, after: str) -> None:
    assert converted(convert, on_ubi(before)) == on_ubi(after)
    assert told(check(look(on_ubi(after)))) == []


@pytest.mark.parametrize(
    "line",
    [
        "RUN ln -s /opt/tool/bin/tool /usr/bin/tool",
        "RUN ln -s /usr/bin/python3.12 /opt/python3",
        "RUN ln -s /usr/bin/python3.12",
        "RUN cp python3 /usr/local/bin/python3",
        "RUN echo update-alternatives --set python3 x",
    ],
)
def test_other_links_are_left(line: str) -> None:
    assert converted(convert, on_ubi(line)) == on_ubi(line)
    assert told(check(look(on_ubi(line)))) == []


@pytest.mark.parametrize(
    ("line", "marked"),
    [
        ("RUN cp /opt/python3 /usr/bin/python3", "/usr/bin/python3"),
        ("RUN mv a /usr/bin/pip3", "/usr/bin/pip3"),
        ("RUN install -m 755 a /usr/bin/python3.12", "/usr/bin/python3.12"),
        ("RUN ln -s a b /usr/bin/python", "/usr/bin/python"),
        ("RUN update-alternatives --config /usr/bin/python3",
         "update-alternatives --config /usr/bin/python3"),
        ("RUN update-alternatives --remove-all python3",
         "update-alternatives --remove-all python3"),
    ],
)  # fmt: skip
def test_what_else_repoints_it_is_found(line: str, marked: str) -> None:
    text = on_ubi(line)
    assert converted(convert, text) == text
    assert told(check(look(text))) == [("MS303", 2, marked)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("RUN rm -f /usr/bin/python3 /usr/bin/python3-config /usr/bin/pip && a",
         "RUN rm -f /usr/bin/python3-config /usr/bin/pip && a"),
        ("RUN a && rm -f /usr/bin/python3 && b", "RUN a && b"),
        ("RUN rm a /usr/bin/python3 /usr/bin/python3.9", "RUN rm a"),
        ("RUN rm -f /usr/bin/python3", "RUN :"),
    ],
)  # fmt: skip
def test_dnfs_python_is_not_removed(before: str, after: str) -> None:
    assert told(check(look(on_ubi(before))))[0][:2] == ("MS303", 2)
    assert converted(convert, on_ubi(before)) == on_ubi(after)
    assert told(check(look(on_ubi(after)))) == []


def test_a_choice_of_compilers_is_found_with_a_rule_of_its_own() -> None:
    text = on_ubi("RUN update-alternatives --install /usr/bin/gcc gcc /usr/bin/gcc-12 10")
    assert converted(convert, text) == text
    (found,) = check(look(text))
    assert (found.rule.code, found.message) == ("MS313", "EL names these programs differently")


def test_too_few_words_are_left_and_found() -> None:
    text = on_ubi("RUN update-alternatives --install /usr/bin/python3")
    assert converted(convert, text) == text
    assert [each.rule.code for each in check(look(text))] == ["MS303"]


def test_what_an_edit_owns_is_left() -> None:
    text = on_ubi("RUN ln -sf /opt/python3 /usr/bin/python3")
    claimed = (Span(text.index("ln"), len(text)),)
    assert converted(convert, text, claimed=claimed) == text


def test_a_base_that_is_kept_has_a_python_of_its_own() -> None:
    text = on_ubi("RUN ln -sf /opt/python3 /usr/bin/python3", base=MANYLINUX)
    assert converted(convert, text) == text
    assert told(check(look(text))) == []


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("RUN /usr/bin/python3 -m pip install x", "/usr/bin/python3"),
        ("RUN uv venv --python /usr/bin/python3 /opt/x", "/usr/bin/python3"),
        ("RUN a && cmake -DPython_EXECUTABLE=/usr/bin/python3 .",
         "-DPython_EXECUTABLE=/usr/bin/python3"),
    ],
)  # fmt: skip
def test_dnfs_own_python_is_found_where_the_overlay_has_another(line: str, word: str) -> None:
    assert told(check(look(on_ubi(line), python=VENV))) == [("MS319", 2, word)]
    assert told(check(look(on_ubi(line), python=replace(VENV, version="3.9")))) == []
    assert told(check(look(on_ubi(line)))) == []


@pytest.mark.parametrize(
    "line", ["RUN /usr/bin/python3.12 -m x", "RUN python3 -m x", "RUN ls -l /usr/bin/python3"]
)
def test_another_python_or_one_that_is_only_looked_at_is_fine(line: str) -> None:
    assert told(check(look(on_ubi(line), python=VENV))) == []
