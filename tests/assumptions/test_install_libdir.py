from __future__ import annotations

import pytest

from assumptions.looking import MANYLINUX, look, on_ubi, told
from midstream.assumptions.install_libdir import check


@pytest.mark.parametrize(
    "configuring",
    [
        "cmake -B b -DCMAKE_INSTALL_PREFIX=/opt/x",
        "cmake -B b -DCMAKE_INSTALL_PREFIX:PATH=/opt/x/ .",
        "meson setup b --prefix=/opt/x",
        "meson setup b --prefix /opt/x",
    ],
)
def test_a_read_from_lib_after_an_install_that_chose_lib64_is_found(configuring: str) -> None:
    text = on_ubi(f"RUN {configuring} && ninja install", "RUN cp -a /opt/x/lib/a.so /dist")
    (found,) = check(look(text))
    assert told([found]) == [("MS310", 3, "/opt/x/lib/a.so")]
    assert "/opt/x/lib64" in found.message


def test_an_install_step_gives_the_prefix_too() -> None:
    text = on_ubi("RUN cmake -B b && cmake --install b --prefix /opt/x && ls /opt/x/lib")
    assert told(check(look(text))) == [("MS310", 2, "/opt/x/lib")]


@pytest.mark.parametrize(
    ("copied", "found"),
    [
        ("/staging/ /opt/sdk/", [("MS310", 5, "/staging/")]),
        ("/staging /staging", []),
        ("/staging/lib64 /opt/sdk/lib", []),
    ],
)
def test_a_prefix_that_goes_over_another_tree_is_found(
    copied: str, found: list[tuple[str, int, str]]
) -> None:
    install = "RUN cmake -B b && cmake --install b --prefix /staging"
    text = on_ubi(install, "", "FROM ubuntu:22.04", f"COPY --from=0 {copied}")
    assert told(check(look(text))) == found


def test_it_is_told_once_in_a_stage() -> None:
    text = on_ubi("RUN cmake -DCMAKE_INSTALL_PREFIX=/x . && ls /x/lib && ls /x/lib/b")
    assert len(told(check(look(text)))) == 1


@pytest.mark.parametrize(
    "lines",
    [
        ["RUN cmake -DCMAKE_INSTALL_PREFIX=/x -DCMAKE_INSTALL_LIBDIR=lib . && ls /x/lib"],
        ["RUN meson setup b --prefix=/x --libdir=lib && ls /x/lib"],
        ["RUN meson setup b --prefix=/x -Dlibdir=lib && ls /x/lib"],
        ["RUN cmake -DCMAKE_INSTALL_PREFIX=/x . && ls /x/lib64 /x/library /y/lib"],
        ["RUN ls /x/lib && cmake -DCMAKE_INSTALL_PREFIX=/x ."],
        ["RUN ./configure --prefix=/x && make install && ls /x/lib"],
        ["RUN meson install && cmake -E echo --prefix /x && ls /x/lib"],
        ["RUN cmake --prefix && ls lib"],
        ["RUN cmake -DCMAKE_INSTALL_PREFIX=/x . && ninja -C /x/lib"],
    ],
)
def test_what_reads_where_it_was_put_is_fine(lines: list[str]) -> None:
    assert told(check(look(on_ubi(*lines)))) == []


def test_a_base_that_is_kept_is_nobodys_business() -> None:
    text = on_ubi("RUN cmake -DCMAKE_INSTALL_PREFIX=/x . && ls /x/lib", base=MANYLINUX)
    assert told(check(look(text))) == []
