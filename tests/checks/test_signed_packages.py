from __future__ import annotations

import pytest

from assumptions.looking import on_ubi, told, view
from midstream.checks.signed_packages import check


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("RUN dnf install -y --nogpgcheck a", "--nogpgcheck"),
        ("RUN rpm -i --nosignature a.rpm", "--nosignature"),
        ("RUN zypper --no-gpg-checks in a", "--no-gpg-checks"),
        ("RUN dnf --setopt=gpgcheck=0 install a", "--setopt=gpgcheck=0"),
        ("RUN dnf --setopt=*.gpgcheck=false install a", "--setopt=*.gpgcheck=false"),
        ("RUN printf '[a]\\ngpgcheck = 0\\n' > /etc/yum.repos.d/a.repo",
         "'[a]\\ngpgcheck = 0\\n'"),
        ("RUN apt-get install --allow-unauthenticated a", "--allow-unauthenticated"),
    ],
)  # fmt: skip
def test_a_check_that_is_turned_off_is_found(line: str, word: str) -> None:
    assert told(check(view(on_ubi(line)))) == [("MS358", 2, word)]


@pytest.mark.parametrize(
    "line",
    [
        "RUN dnf install -y a",
        "RUN echo gpgcheck=1 repo_gpgcheck=1",
        "RUN dnf --setopt=gpgcheck=1 install a",
        "LABEL a=--nogpgcheck",
    ],
)
def test_a_check_that_stays_on_is_fine(line: str) -> None:
    assert told(check(view(on_ubi(line)))) == []


@pytest.mark.parametrize(
    "line",
    [
        "RUN cat <<EOF > /etc/yum.repos.d/a.repo\n[a]\ngpgcheck=0\nEOF",
        "COPY <<EOF /etc/yum.repos.d/a.repo\n[a]\ngpgcheck=0\nEOF",
    ],
)
def test_a_repository_that_is_written_as_a_heredoc_is_looked_at(line: str) -> None:
    assert told(check(view(on_ubi(line)))) == [("MS358", 4, "gpgcheck=0")]
