from __future__ import annotations

import pytest

from assumptions.looking import MANYLINUX, on_ubi, told, view
from midstream.checks.debian_left import check


@pytest.mark.parametrize(
    ("line", "marked"),
    [
        ("RUN apt-get install -y a", "apt-get install -y a"),
        ("RUN a && sudo apt update", "apt update"),
        ("RUN if x; then dpkg -i a.deb; fi", "dpkg -i a.deb"),
        ("RUN bash -c 'apt-mark hold a'", "apt-mark hold a"),
        ("RUN lsb_release -cs", "lsb_release -cs"),
        ("RUN rm -rf /var/lib/apt/lists/*", "rm -rf /var/lib/apt/lists/*"),
        ("RUN echo deb > /etc/apt/sources.list.d/a.list", "echo deb"),
        ("RUN cat /var/lib/dpkg/status", "cat /var/lib/dpkg/status"),
    ],
)
def test_what_is_left_of_debian_is_found_on_ubi(line: str, marked: str) -> None:
    assert told(check(view(on_ubi(line)))) == [("MS350", 2, marked)]


@pytest.mark.parametrize(
    "line",
    [
        "RUN dnf install -y apt-tools",
        "RUN echo apt-get install a",
        "RUN grep apt /etc/aptitude",
        "RUN bash -c 'dnf clean all'",
        "COPY apt-get /usr/bin/apt-get",
        "RUN a < input",
    ],
)
def test_what_only_sounds_like_it_is_fine(line: str) -> None:
    assert told(check(view(on_ubi(line)))) == []


def test_a_kept_base_may_have_its_own_package_manager() -> None:
    assert told(check(view(on_ubi("RUN apt-get update", base=MANYLINUX)))) == []
