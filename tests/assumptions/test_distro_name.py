from __future__ import annotations

import pytest

from assumptions.looking import MANYLINUX, look, on_ubi, told
from midstream.assumptions.distro_name import check


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("ARG GDRCOPY_OS_VERSION=Ubuntu24_04", "Ubuntu24_04"),
        ("RUN curl -O https://a/repos/ubuntu2204/x86_64/a.rpm", "ubuntu2204"),
        ("ENV OS=ubuntu-22.04", "ubuntu-22.04"),
        ("ARG CODENAME=jammy", "jammy"),
        ("ADD https://a/debian12/b.tgz /b", "debian12"),
        ("RUN curl https://a/dists/bookworm/b", "bookworm"),
        ("ONBUILD RUN echo noble", "noble"),
        ("RUN echo b\u0131onic", "b\u0131onic"),  # a letter that `re.IGNORECASE` takes for an i
    ],
)
def test_another_systems_name_is_found(line: str, name: str) -> None:
    (found,) = check(look(on_ubi(line)))
    assert told([found]) == [("MS305", 2, name)]
    assert "EL 9" in (found.help or "")


@pytest.mark.parametrize(
    "line",
    [
        "LABEL was=ubuntu2204",
        "RUN pip install focal-loss noble-cryptography",
        "RUN echo el9 rhel9 ubuntu",
        "RUN curl https://github.com/a/focal-loss",
    ],
)
def test_what_only_sounds_like_one_is_not(line: str) -> None:
    assert told(check(look(on_ubi(line)))) == []


def test_a_base_that_is_named_for_one_is_the_base_images_affair() -> None:
    text = "FROM nvidia/cuda:13.0.2-base-ubuntu22.04\n"
    assert told(check(look(text))) == []
    text = "ARG OS=ubuntu22.04 NAME=jammy\nFROM nvidia/cuda:13.0.2-base-${OS}\n"
    assert told(check(look(text))) == [("MS305", 1, "jammy")]
    assert told(check(look(on_ubi("RUN echo manylinux", base=MANYLINUX)))) == []
