from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo import make, places

if TYPE_CHECKING:
    from pathlib import Path

DOCKERFILE = """\
ARG FLASHINFER_VERSION=0.6.1
FROM ubuntu:22.04 AS final
ARG FLASHINFER_VERSION
RUN echo ${FLASHINFER_VERSION}
"""


def found(folder: Path, upstream: dict[str, str], body: str = "") -> list[tuple[int, str]]:
    rebased = make(folder, DOCKERFILE, body, upstream=upstream).rebase()
    return [(line, text) for code, _, line, text in places(rebased.findings) if code == "MS244"]


@pytest.mark.parametrize(
    "pin", ["flashinfer-python==0.6.2", "FlashInfer_Python == 0.6.2 ; x", "flashinfer==0.6.2"]
)
def test_a_pin_that_contradicts_an_argument_is_found(tmp_path: Path, pin: str) -> None:
    assert found(tmp_path, {"requirements/cuda.txt": f"torch\n{pin}\n"}) == [
        (1, "`FLASHINFER_VERSION` is 0.6.1 here, and 0.6.2 in requirements/cuda.txt")
    ]


@pytest.mark.parametrize(
    "pin", ["flashinfer-python==0.6.1", "flashinfer-python>=0.6.2", "flashinfer-cubin==0.6.2", ""]
)
def test_pins_that_agree_or_are_about_something_else_are_not(tmp_path: Path, pin: str) -> None:
    assert found(tmp_path, {"requirements/cuda.txt": f"{pin}\n"}) == []


def test_versions_json_is_compared_with_the_file_that_it_is_made_from(tmp_path: Path) -> None:
    text = '{"variable": {"FLASHINFER_VERSION": {"default": "0.7"}}}'
    assert [line for line, _ in found(tmp_path, {"docker/versions.json": text})] == [1]


def test_a_shorter_version_of_the_same_release_agrees(tmp_path: Path) -> None:
    text = '{"variable": {"FLASHINFER_VERSION": {"default": "v0.6"}}}'
    assert found(tmp_path, {"docker/versions.json": text}) == []


def test_what_is_no_json_says_nothing(tmp_path: Path) -> None:
    assert found(tmp_path, {"docker/versions.json": "{"}) == []
