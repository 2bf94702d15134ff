from __future__ import annotations

import pytest

from midstream.dockerfile.pinned import given
from midstream.dockerfile.shell import read_text


def values(text: str) -> list[tuple[str, str]]:
    return [(each.name, each.value) for each in given(read_text(text))]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("uv pip install torch==2.9.0 'numpy>=1.26,<3'",
         [("torch", "==2.9.0"), ("numpy", ">=1.26,<3")]),
        ('pip install "rocm[libraries,devel]==7.1"', [("rocm", "==7.1")]),
        ('pip install "oneccl==2022.1.2; platform_system == \'Linux\'"',
         [("oneccl", "==2022.1.2")]),
        ("pip install ninja wheel", []),
        ("pip install git+https://x.example/a/flash.git@v2.8#egg=flash", [("git flash", "v2.8")]),
    ],
)  # fmt: skip
def test_a_pinned_package_is_read_with_what_pins_it(
    text: str, found: list[tuple[str, str]]
) -> None:
    assert values(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("git clone -b v1.2 https://x.example/a/ucx.git", [("git ucx", "v1.2")]),
        ("git clone --depth 1 --branch v62.0 https://x.example/rdma-core.git /t",
         [("git rdma-core", "v62.0")]),
        ("git clone --branch=main https://x.example/a/b", [("git b", "main")]),
        ("git clone ${UCX_REPO} && cd ucx && git checkout ${UCX_BRANCH}",
         [("git ${UCX_REPO}", "${UCX_BRANCH}")]),
        ("git clone https://x.example/mori && cd mori && git checkout 0a1b2c3d",
         [("git mori", "0a1b2c3d")]),
        ("git -C /src checkout -q abc", [("git", "abc")]),
        ("git fetch --depth=1 origin v3 && git checkout FETCH_HEAD", [("git", "v3")]),
        ("git clone https://x.example/mori && git status", []),
    ],
)  # fmt: skip
def test_a_git_ref_has_the_name_of_its_repository(text: str, found: list[tuple[str, str]]) -> None:
    assert values(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("curl -LO https://x.example/v0.8.1/sccache-v0.8.1-musl.tar.gz",
         [("x.example/*/sccache-*-musl.tar.gz", "v0.8.1")]),
        ("wget https://x.example/igc_2.38.2+22051_amd64.deb",
         [("x.example/igc_*_amd64.deb", "2.38.2+22051")]),
        ("curl https://sh.rustup.example -sSf | sh", []),
    ],
)  # fmt: skip
def test_a_url_is_named_without_its_versions(text: str, found: list[tuple[str, str]]) -> None:
    assert values(text) == found


def test_variables_that_shell_text_sets_are_read_and_computed_ones_are_not() -> None:
    text = 'export A=1.2 B="$(nproc)" && C="x y" make && D=`date` ; readonly E=3'
    assert ("C", "x y") in values(text)
    assert {name for name, _ in values(text)} & {"B", "D"} == set()
