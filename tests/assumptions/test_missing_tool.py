from __future__ import annotations

import pytest

from assumptions.looking import MANYLINUX, MINIMAL, UBI, look, on_ubi, sibling, told
from midstream.assumptions.missing_tool import check, tools_at_end
from midstream.diagnostic import Severity


@pytest.mark.parametrize("tool", ["tar", "find", "xargs", "gzip", "useradd", "ps", "diff", "which"])
def test_ubi_minimal_lacks_what_debian_has(tool: str) -> None:
    (found,) = check(look(on_ubi(f"RUN {tool} x", base=MINIMAL)))
    assert told([found]) == [("MS307", 2, tool)]
    assert found.severity is Severity.WARNING
    assert "install `" in (found.help or "")


@pytest.mark.parametrize("tool", ["tar", "find", "useradd", "ps", "gzip", "awk"])
def test_the_full_ubi_has_most_of_it(tool: str) -> None:
    assert told(check(look(on_ubi(f"RUN {tool} x")))) == []
    assert told(check(look(on_ubi("RUN which x")))) == [("MS307", 2, "which")]


@pytest.mark.parametrize(
    ("install", "used"),
    [
        ("microdnf install -y which tar", "which a && tar b"),
        ("dnf -y install findutils", "find . | xargs ls"),
        ("microdnf install -y gcc", "gcc a.c && make"),
        ("microdnf install -y gcc-c++", "g++ a.c && gcc b.c && make"),
        ("microdnf install -y g++ gcc-fortran", "g++ a && make"),
        ("microdnf install -y gcc-toolset-14", "make && useradd a && diff a b"),
        ("microdnf install -y gcc-toolset-14-gcc-c++", "make"),
        ("microdnf install -y libtool", "gcc a.c && make && tar x && find ."),
        ("microdnf install -y git", "git a | less"),
        ("yum install -y vim", "vim"),
        ("rpm -ivh https://a/b.rpm && microdnf install -y tar", "tar x"),
        ("pip install 'cmake<4' ninja==1.11", "cmake . && ninja"),
        ("uv pip install cmake>=3", "cmake ."),
        ("python3 -m pip install -U cmake", "cmake ."),
    ],
)
def test_what_was_installed_before_is_there(install: str, used: str) -> None:
    assert told(check(look(on_ubi(f"RUN {install}", f"RUN {used}", base=MINIMAL)))) == []


def test_what_is_installed_afterwards_is_not_there_yet() -> None:
    text = on_ubi("RUN tar x && microdnf install -y tar", base=MINIMAL)
    assert told(check(look(text))) == [("MS307", 2, "tar")]


def test_what_a_script_of_the_build_context_installs_is_there() -> None:
    text = on_ubi("RUN sh docker/build_$(uname -m).sh && find .", "RUN tar x", base=MINIMAL)
    scripts = {"docker/build_s390x.sh": "microdnf install -y findutils tar\n"}
    assert told(check(look(text, scripts=scripts))) == []


def test_a_program_is_told_once_in_a_lineage() -> None:
    text = f"FROM {MINIMAL} AS a\nRUN tar x && tar y\nFROM a\nRUN tar z && find .\n"
    assert told(check(look(text))) == [("MS307", 2, "tar"), ("MS307", 4, "find")]


def test_what_a_parent_installed_is_there() -> None:
    text = f"FROM {MINIMAL} AS a\nRUN microdnf install -y tar\nFROM a\nRUN tar z\n"
    assert told(check(look(text))) == []


def test_what_a_sibling_has_is_there() -> None:
    text = on_ubi("RUN tar x && which y", base="ours:1")
    found = check(look(text, siblings=sibling("ours:1", tools=frozenset(("tar",)))))
    assert told(found) == [("MS307", 2, "which")]


@pytest.mark.parametrize(
    "line",
    [
        "RUN which() { :; } && which a",
        "RUN /opt/tools/make",
        "RUN command -v which",
        "COPY tar /tar",
    ],
)
def test_what_is_no_use_of_the_systems_program_is_left(line: str) -> None:
    assert told(check(look(on_ubi(line, base=MINIMAL)))) == []


def test_a_program_that_was_looked_for_first_is_no_surprise() -> None:
    line = "RUN if command -v which > /dev/null; then which a; fi"
    assert told(check(look(on_ubi(line)))) == []


def test_a_stage_on_another_base_has_what_it_has() -> None:
    assert told(check(look(on_ubi("RUN which a", base=MANYLINUX)))) == []


def test_the_programs_at_the_end_are_the_bases_and_the_installed_ones() -> None:
    text = f"FROM {MINIMAL} AS a\nRUN microdnf install -y tar\nFROM {UBI}\nRUN a\nFROM a\n"
    subject = look(text)
    assert {"tar", "bash"} <= tools_at_end(subject, 2)
    assert "find" not in tools_at_end(subject, 2)
    assert "find" in tools_at_end(subject, 1)


def test_the_shell_that_reads_every_run_has_to_be_there() -> None:
    text = on_ubi('SHELL ["/bin/dash", "-c"]', "RUN a")
    assert told(check(look(text))) == [("MS307", 2, '["/bin/dash", "-c"]')]
    assert told(check(look(on_ubi('SHELL ["/bin/bash", "-c"]')))) == []


@pytest.mark.parametrize("package", ["perl", "git", "autoconf"])
def test_perl_is_essential_on_debian_alone(package: str) -> None:
    assert told(check(look(on_ubi("RUN perl -e 1")))) == [("MS307", 2, "perl")]
    assert told(check(look(on_ubi(f"RUN dnf install -y {package} && perl -e 1")))) == []
