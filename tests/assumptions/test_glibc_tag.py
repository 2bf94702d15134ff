from __future__ import annotations

from assumptions.looking import look, on_ubi, told
from conversions.subjects import subject
from midstream.assumptions.glibc_tag import check


def test_a_tag_for_a_newer_glibc_is_found() -> None:
    text = on_ubi("RUN auditwheel repair \\", "  --plat manylinux_2_35_$(uname -m) dist/*.whl")
    (found,) = check(look(text))
    assert told([found]) == [("MS300", 3, "manylinux_2_35")]
    assert "glibc 2.34" in found.message
    assert "--plat: manylinux_2_34" in (found.help or "")
    assert found.context == "stage final"


def test_the_platforms_own_glibc_and_older_ones_are_fine() -> None:
    text = on_ubi("RUN auditwheel --plat manylinux_2_34_x86_64 && pip install a-manylinux_2_17.whl")
    assert told(check(look(text))) == []


def test_a_newer_platform_takes_newer_tags() -> None:
    text = "FROM registry.access.redhat.com/ubi10/ubi:10.2\nENV PLAT=manylinux_2_35\n"
    assert told(check(subject(text, platform="ubi10"))) == []
    assert told(check(subject(text.replace("2_35", "2_40"), platform="ubi10"))) == [
        ("MS300", 2, "manylinux_2_40")
    ]


def test_a_global_argument_is_looked_at_too() -> None:
    text = f"ARG PLAT=manylinux_2_39\n{on_ubi()}"
    (found,) = check(look(text))
    assert (told([found]), found.context) == ([("MS300", 1, "manylinux_2_39")], "")


def test_comments_are_nobodys_business() -> None:
    text = on_ubi("# manylinux_2_39", "RUN a \\", "  # manylinux_2_39", "  && b")
    assert told(check(look(text))) == []


def test_stages_that_nobody_ships_are_nobodys_business() -> None:
    text = on_ubi("RUN tag manylinux_2_39") + on_ubi("RUN b").replace("final", "last")
    assert told(check(look(text, live={1}))) == []
