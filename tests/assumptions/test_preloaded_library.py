from __future__ import annotations

import pytest

from assumptions.looking import MANYLINUX, UBI, look, on_ubi, told
from midstream.assumptions.preloaded_library import check

TCMALLOC = "/usr/lib64/libtcmalloc_minimal.so.4"


def test_a_library_that_nothing_installs_is_found() -> None:
    install = "RUN dnf install -y gcc && echo gperftools-libs"
    text = on_ubi(install, f'ENV A=1 LD_PRELOAD="{TCMALLOC}:/opt/venv/lib/b.so"')
    (found,) = check(look(text))
    assert told([found]) == [("MS315", 3, f'LD_PRELOAD="{TCMALLOC}:/opt/venv/lib/b.so"')]
    assert "`gperftools-libs`" in found.message


def test_a_library_in_the_folder_of_32_bits_is_found() -> None:
    text = on_ubi("RUN dnf install -y jemalloc", "ENV LD_PRELOAD=/usr/lib/libjemalloc.so.2")
    (found,) = check(look(text))
    assert found.message == "EL has `libjemalloc.so.2` in /usr/lib64"


@pytest.mark.parametrize(
    "lines",
    [
        ["RUN microdnf install -y gperftools-libs", f"ENV LD_PRELOAD={TCMALLOC}"],
        [f"ENV LD_PRELOAD={TCMALLOC}", "RUN dnf install -y gperftools"],
        ["ENV LD_PRELOAD=/usr/local/lib/libtcmalloc.so"],
        ["ENV LD_PRELOAD=/usr/lib64/libstrange.so"],
        ["ENV LD_PRELOAD="],
        [f"ENV PRELOAD={TCMALLOC}"],
        [f"LABEL LD_PRELOAD={TCMALLOC}"],
    ],
)
def test_what_is_installed_or_can_not_be_told_is_fine(lines: list[str]) -> None:
    assert told(check(look(on_ubi(*lines)))) == []


def test_a_stage_before_or_after_may_install_it() -> None:
    install, preload = "RUN dnf install -y gperftools-libs\n", f"ENV LD_PRELOAD={TCMALLOC}\n"
    assert told(check(look(f"FROM {UBI} AS a\n{install}FROM a\n{preload}"))) == []
    assert told(check(look(f"FROM {UBI} AS a\n{preload}FROM a\n{install}"))) == []
    beside = f"FROM {UBI} AS a\n{install}FROM {UBI}\n{preload}"
    assert [code for code, _, _ in told(check(look(beside)))] == ["MS315"]


def test_a_base_that_is_kept_is_nobodys_business() -> None:
    assert told(check(look(on_ubi(f"ENV LD_PRELOAD={TCMALLOC}", base=MANYLINUX)))) == []
