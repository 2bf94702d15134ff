from __future__ import annotations

import pytest

from assumptions.looking import look, on_ubi, told
from midstream.assumptions.compiler_name import check


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("ENV CC=/usr/bin/gcc-12", "/usr/bin/gcc-12"),
        ('ENV A=b CXX="g++-15"', '"g++-15"'),
        ("ARG CC=gcc-13", "gcc-13"),
        ("RUN export CC=gcc-12 && make", "gcc-12"),
        ("RUN CXX=/usr/bin/g++-12 make", "/usr/bin/g++-12"),
        ("RUN gcc-12 --version", "gcc-12"),
        ("ENV CC=clang-18", "clang-18"),
        ("RUN llvm-config-18 --libs", "llvm-config-18"),
        ("RUN CXX=clang++-18 make", "clang++-18"),
        ("ENV PATH=/usr/lib/llvm-18/bin:$PATH", "/usr/lib/llvm-18"),
        ("RUN /usr/lib/llvm-18/bin/clang --version", "/usr/lib/llvm-18"),
    ],
)
def test_a_compiler_with_a_number_is_found(line: str, name: str) -> None:
    assert told(check(look(on_ubi(line)))) == [("MS317", 2, name)]


@pytest.mark.parametrize(
    "line",
    [
        "ENV CC=gcc CXX=/usr/bin/g++",
        "ENV CC=/opt/rh/gcc-toolset-12/root/usr/bin/gcc",
        "RUN dnf install -y gcc-toolset-12-gcc",
        "RUN echo gcc-12",
        "RUN clang --version && llvm-config --libs",
        "RUN ls /usr/lib64/llvm18/lib",
        "ENV NOTE=my-gcc-12",
    ],
)
def test_other_names_are_fine(line: str) -> None:
    assert told(check(look(on_ubi(line)))) == []


def test_debians_own_stages_may_call_it_so() -> None:
    assert told(check(look("FROM scratch\nENV CC=gcc-12\n"))) == []
