from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from demo import make

if TYPE_CHECKING:
    from pathlib import Path

    from demo import Demo

TEXT = """\
ARG KIND=a
FROM alpine AS one
FROM one AS two
COPY --from=one /x /x
COPY --from=one /y /y
RUN --mount=type=bind,from=tools:${KIND},target=/t true
"""


@pytest.fixture
def file(tmp_path: Path) -> tuple[Demo, str]:
    demo = make(tmp_path)
    return demo, str(demo.write("Dockerfile", TEXT))


def test_dot_draws_each_need_once_with_its_count(file: tuple[Demo, str]) -> None:
    lines = file[0].run("graph", file[1]).stdout.splitlines()
    assert '  s0 [label="one"];' in lines
    assert "  i0 -> s0 [style=solid];" in lines
    assert "  s0 -> s1 [style=solid];" in lines
    assert '  s0 -> s1 [style=dashed, label="2"];' in lines
    assert lines[-1] == "}"


def test_mermaid_says_the_same(file: tuple[Demo, str]) -> None:
    lines = file[0].run("graph", file[1], "--format", "mermaid").stdout.splitlines()
    assert lines[0] == "flowchart LR"
    assert "  s0 --> s1" in lines
    assert "  s0 -.-> s1" in lines


def test_json_has_every_reference_with_its_line(file: tuple[Demo, str]) -> None:
    content = json.loads(file[0].run("graph", file[1], "--format", "json").stdout)
    assert [each["name"] for each in content["stages"]] == ["one", "two"]
    assert [(each["need"], each["line"]) for each in content["needs"] if each["stage"] == 1] == [
        ("from", 3), ("copy", 4), ("copy", 5), ("mount", 6),
    ]  # fmt: skip


def test_a_picture_is_made_by_graphviz(file: tuple[Demo, str]) -> None:
    ran = file[0].run("graph", file[1], "--format", "svg")
    assert "<svg" in ran.stdout
    assert ">two<" in ran.stdout


def test_the_result_of_a_target_can_be_drawn(tmp_path: Path) -> None:
    said = make(tmp_path).run("graph", "--target", "app").stdout
    assert '[label="build"]' in said
    assert "unused" not in said


def test_build_arguments_decide_what_is_needed(tmp_path: Path) -> None:
    demo = make(tmp_path)
    path = demo.write("Dockerfile", "ARG B=x\nFROM a AS x\nFROM b AS y\nFROM ${B}\n")
    assert "s0 -> s2" in demo.run("graph", str(path)).stdout
    assert "s1 -> s2" in demo.run("graph", str(path), "--build-arg", "B=y").stdout
    assert demo.run("graph", str(path), "--build-arg", "B").exit_code == 2
    assert demo.run("graph").exit_code == 2
