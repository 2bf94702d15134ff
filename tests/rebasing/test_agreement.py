from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo import HEAD, make, places

if TYPE_CHECKING:
    from pathlib import Path

DOCKERFILE = """\
ARG FLASHINFER_VERSION=0.6.1
FROM ubuntu:22.04 AS final
ARG FLASHINFER_VERSION
RUN echo ${FLASHINFER_VERSION}
"""


def found(
    folder: Path, upstream: dict[str, str], dockerfile: str = DOCKERFILE
) -> list[tuple[int, str]]:
    rebased = make(folder, dockerfile, upstream=upstream).rebase()
    return [(line, text) for code, _, line, text in places(rebased.findings) if code == "MS244"]


NAMES = {
    "flashinfer-python==0.6.2": "flashinfer-python",
    "FlashInfer_Python == 0.6.2 ; x": "FlashInfer_Python",
    "flashinfer==0.6.2": "flashinfer",
    "flashinfer-cubin==0.6.2": "flashinfer-cubin",
}


@pytest.mark.parametrize("pin", NAMES)
def test_a_pin_that_contradicts_an_argument_is_found(tmp_path: Path, pin: str) -> None:
    assert found(tmp_path, {"requirements/cuda.txt": f"torch\n{pin}\n"}) == [
        (
            1,
            f"`FLASHINFER_VERSION` is 0.6.1 here, and `{NAMES[pin]}` 0.6.2 in "
            "requirements/cuda.txt",
        )
    ]


def test_an_argument_in_quotes_is_compared_without_them(tmp_path: Path) -> None:
    text = DOCKERFILE.replace("0.6.1", '"0.6.1"')
    ((_, said),) = found(tmp_path, {"requirements/cuda.txt": "flashinfer==0.6.2\n"}, text)
    assert said.startswith("`FLASHINFER_VERSION` is 0.6.1 here")


@pytest.mark.parametrize(
    "pin", ["flashinfer-python==0.6.1", "flashinfer-python>=0.6.2", "flash==0.6.2", ""]
)
def test_pins_that_agree_or_are_about_something_else_are_not(tmp_path: Path, pin: str) -> None:
    assert found(tmp_path, {"requirements/cuda.txt": f"{pin}\n"}) == []


def test_versions_json_is_compared_with_the_file_that_it_is_made_from(tmp_path: Path) -> None:
    text = '{"variable": {"FLASHINFER_VERSION": {"default": "0.7"}}}'
    assert [line for line, _ in found(tmp_path, {"docker/versions.json": text})] == [1]


def test_what_versions_json_gives_to_other_arguments_is_no_matter(tmp_path: Path) -> None:
    text = '{"variable": {"FLASHINFER_VERSION": {"default": "0.6.1"}, "X": {"default": "0.7"}}}'
    assert found(tmp_path, {"docker/versions.json": text}) == []


def test_a_shorter_version_of_the_same_release_agrees(tmp_path: Path) -> None:
    text = '{"variable": {"FLASHINFER_VERSION": {"default": "v0.6"}}}'
    assert found(tmp_path, {"docker/versions.json": text}) == []


def test_what_is_no_json_says_nothing(tmp_path: Path) -> None:
    assert found(tmp_path, {"docker/versions.json": "{"}) == []


PINNED = """\
FROM ubuntu:22.04 AS final
COPY requirements/ /tmp/
RUN pip install flashinfer-cubin==0.5.2 torch==2.8.0+cpu ninja==1 \\
    && pip install -r /tmp/requirements/cuda.txt
RUN pip install -r requirements/build/cuda.txt -r requirements/test/cuda.txt
"""


def disagreements(
    folder: Path, dockerfile: str, upstream: dict[str, str], body: str = ""
) -> list[str]:
    rebased = make(folder, dockerfile, body, upstream=upstream).rebase()
    return [
        f"{each.severity}: {each.message}\n{each.help}"
        for each in rebased.findings
        if each.rule.code == "MS244"
    ]


def test_pins_of_two_places_are_compared_and_two_files_are_one_finding(tmp_path: Path) -> None:
    files = {
        "requirements/cuda.txt": "-r common.txt\nflashinfer-python==0.5.3\ntorch==2.9.0\n",
        "requirements/common.txt": "ninja==1.0\n",
        "requirements/build/cuda.txt": "torch==2.9.0\n",
        "requirements/test/cuda.txt": "torch==1\n",
    }
    assert disagreements(tmp_path, PINNED, files) == [
        "warning: `flashinfer-cubin` is 0.5.2 here, and `flashinfer-python` 0.5.3 in "
        "requirements/cuda.txt\nask upstream\napart too: torch 2.8.0 and 2.9.0",
        "warning: `torch` is 2.8.0 here, and 2.9.0 in requirements/build/cuda.txt\nask upstream",
    ]


@pytest.mark.parametrize(("version", "findings"), [("2.8.0", 0), ("2.9.1", 1)])
def test_a_pin_that_is_one_of_several_by_platform_agrees(
    tmp_path: Path, version: str, findings: int
) -> None:
    here = "platform_machine == 's390x'"
    pins = f"torch==2.9.0; {here}\ntorch=={version}; {here.replace('==', '!=')}\n"
    files = {"requirements/build/cuda.txt": pins}
    assert len(disagreements(tmp_path, PINNED, files)) == findings


def test_what_is_built_with_and_what_is_run_with_are_compared(tmp_path: Path) -> None:
    files = {
        "requirements/cuda.txt": "torch==2.8.0+cpu; a\ntorch==2.8.0; b\n",
        "requirements/build/cuda.txt": "torch==2.9.0\n",
        "requirements/test/cuda.txt": "torch==1\n",
    }
    dockerfile = PINNED.replace("torch==2.8.0+cpu", "").replace("flashinfer-cubin==0.5.2", "")
    (found,) = disagreements(tmp_path, dockerfile, files)
    assert "`torch` is 2.8.0 here, and 2.9.0 in requirements/build/cuda.txt" in found


WHEEL = "https://x.example/flashinfer_python-0.5.2+cu128-cp39-abi3-linux_x86_64.whl"
INSTALLED = {
    f"RUN uv pip install --system {WHEEL}": "flashinfer_python",
    f"RUN curl -LO {WHEEL.replace('+', '%2B')}": "flashinfer_python",
    f"RUN wheel={WHEEL}; install $wheel": "flashinfer_python",
    "RUN pip3 install flashinfer@https://x.example/flashinfer-0.5.2.tar.gz": "flashinfer",
    "RUN pip install git+https://x.example/flashinfer@v0.5.2": "flashinfer",
    "RUN git clone -b v0.5.2 https://x/flashinfer.git && cd x && pip wheel .": "flashinfer",
    "RUN git clone https://x/flashinfer && git checkout tags/v0.5.2 && uv build": "flashinfer",
    "RUN git clone https://x/flashinfer -b v0.5.2 && python3 -m build": "flashinfer",
    "RUN git clone https://x/flashinfer -b v0.5.2 && python setup.py install": "flashinfer",
    f"ADD {WHEEL} /tmp/": "flashinfer_python",
    f"ENV WHEEL={WHEEL}": "flashinfer_python",
}
OTHERWISE = (
    f"RUN pip install {WHEEL.replace('0.5.2', '0.5.3')}",
    f"RUN V=$(v) && pip install {WHEEL.replace('0.5.2', '${V}')}",
    "RUN curl -LO https://x.example/flashinfer-0.5.2.tar.gz && make",
    "RUN git clone -b v0.5.2 https://x.example/flashinfer && cmake . && pip install cython",
    "RUN git clone https://x.example/flashinfer && git checkout 5c2ab1e && pip install .",
)


@pytest.mark.parametrize("line", INSTALLED)
def test_the_version_of_a_wheel_an_archive_or_a_tag_is_compared(tmp_path: Path, line: str) -> None:
    name = INSTALLED[line]
    files = {"requirements/cuda.txt": "flashinfer-python==0.5.3\n"}
    dockerfile = f"FROM ubuntu:22.04 AS final\n{line}\n"
    assert disagreements(tmp_path, dockerfile, files) == [
        f"warning: `{name}` is 0.5.2 here, and `flashinfer-python` 0.5.3 in requirements/cuda.txt\n"
        "ask upstream"
    ]


@pytest.mark.parametrize("line", OTHERWISE)
def test_what_says_the_same_or_no_package_s_version_is_not(tmp_path: Path, line: str) -> None:
    files = {"requirements/cuda.txt": "flashinfer-python==0.5.3\n"}
    assert disagreements(tmp_path, f"FROM ubuntu:22.04 AS final\n{line}\n", files) == []


def test_a_wheel_of_a_requirements_file_is_compared(tmp_path: Path) -> None:
    pin = f"flashinfer @ {WHEEL}\n"
    assert found(tmp_path, {"requirements/cuda.txt": pin}) == [
        (1, "`FLASHINFER_VERSION` is 0.6.1 here, and `flashinfer` 0.5.2 in requirements/cuda.txt")
    ]


def test_an_argument_and_what_the_same_file_installs_are_compared(tmp_path: Path) -> None:
    dockerfile = (
        f"FROM ubuntu:22.04 AS final\nARG FLASHINFER_VERSION=0.6.1\nRUN pip install {WHEEL}"
    )
    (said,) = disagreements(tmp_path / "a", f"{dockerfile}\n", {})
    assert "`FLASHINFER_VERSION` is 0.6.1 here, and `flashinfer_python` 0.5.2 in" in said
    both = f"{dockerfile} || pip install flashinfer-cubin==0.6.1\n"
    assert disagreements(tmp_path / "b", both, {}) == []


@pytest.mark.parametrize(
    ("first", "second", "apart"),
    [
        ("0.6.1", "0.6.1.post1", True),
        ("12.9", "12.9.1", False),
        ("v1.2-rc1", "1.2rc1", False),
        ("2.9.0+cpu", "2.9.0", False),
        ("2.9.0.dev1", "2.9.0", True),
        ("1234567", "1.2", False),
    ],
)
def test_versions_are_compared_as_python_s_packages_are(
    tmp_path: Path, first: str, second: str, *, apart: bool
) -> None:
    dockerfile = f"FROM ubuntu:22.04 AS final\nARG X_VERSION={first}\nRUN pip install x=={second}\n"
    assert bool(disagreements(tmp_path, dockerfile, {})) is apart


PIPELINE = """\
steps:
  - commands:
      - docker build --build-arg CUDA=13.0.2 --build-arg NEXT=13.4 -f docker/Dockerfile .
      - docker build --build-arg CUDA=13.4 --build-arg NEXT=13.4 -f docker/Dockerfile .
"""


def released(folder: Path, default: str) -> list[str]:
    dockerfile = f"ARG CUDA={default}\nARG NEXT=13.4\nFROM ubuntu:22.04 AS final\nARG CUDA\n"
    head = HEAD.replace(
        "ship: {stage: final}",
        "ship: {stage: final, args: {CUDA: {value: '13.0.2', why: a}, "
        "NEXT: {value: '13.4', why: b}}}",
    )
    demo = make(
        folder, dockerfile, head=head, upstream={".buildkite/release-pipeline.yaml": PIPELINE}
    )
    return [each.message for each in demo.rebase().findings if each.rule.code == "MS244"]


def test_a_release_build_that_passes_another_version_is_said_though_the_overlay_answers(
    tmp_path: Path,
) -> None:
    assert released(tmp_path, "13.0.3") == [
        "`CUDA` is 13.0.3 here, and 13.0.2 in .buildkite/release-pipeline.yaml; the overlay gives "
        "13.0.2"
    ]


def test_where_one_of_several_builds_passes_the_default_nothing_is_apart(tmp_path: Path) -> None:
    assert released(tmp_path, "13.4") == []


def test_what_is_said_for_information_is_no_reason_to_be_strict(tmp_path: Path) -> None:
    dockerfile = "ARG CUDA=13.0.3\nFROM ubuntu:22.04 AS final\nARG CUDA\nRUN echo ${CUDA}\n"
    head = HEAD.replace(
        "ship: {stage: final}", "ship: {stage: final, args: {CUDA: {value: '13.4', why: a}}}"
    )
    text = '{"variable": {"CUDA": {"default": "13.4"}}}'
    demo = make(tmp_path, dockerfile, head=head, upstream={"docker/versions.json": text})
    ran = demo.run("--strict", "rebase", "--target", "app")
    assert (ran.exit_code, ran.codes) == (0, ["MS244"])
