from __future__ import annotations

import pytest

from assumptions.looking import MANYLINUX, look, on_ubi, sibling, told
from midstream.assumptions.debian_account import check


@pytest.mark.parametrize(
    ("line", "marked"),
    [
        ("USER www-data", "www-data"),
        ("USER 1000:nogroup", "1000:nogroup"),
        ("COPY --chown=www-data:www-data a /a", "--chown=www-data:www-data"),
        ("ONBUILD COPY --chown=irc a /a", "--chown=irc"),
        ("RUN chown -R www-data /srv", "www-data"),
        ("RUN mkdir /a && chown app:staff /a", "app:staff"),
        ("RUN chgrp nogroup /srv", "nogroup"),
        ("RUN install -d -o www-data -g staff /srv", "www-data"),
        ("RUN usermod -aG video,sudo app", "video,sudo"),
        ("RUN useradd --groups=sudo app", "--groups=sudo"),
        ("RUN gpasswd -a app sudo", "sudo"),
        ("RUN sudo -u www-data make", "www-data"),
        ("RUN su - www-data -c make", "www-data"),
        ("RUN gosu www-data make", "www-data"),
        ("USER ubuntu", "ubuntu"),
        ("COPY --chown=ubuntu:ubuntu a /a", "--chown=ubuntu:ubuntu"),
        ("RUN userdel -r ubuntu && useradd app", "ubuntu"),
        ("RUN usermod -l app ubuntu; groupmod -n app ubuntu", "ubuntu"),
        ("RUN groupdel staff", "staff"),
        ("RUN echo '%sudo ALL=(ALL) NOPASSWD:ALL' >> /etc/sudoers", "%sudo"),
    ],
)
def test_an_account_that_el_has_not_is_found(line: str, marked: str) -> None:
    found = told(check(look(on_ubi(line))))
    assert found[0] == ("MS320", 2, marked)


def test_els_own_name_is_offered() -> None:
    (found,) = check(look(on_ubi("RUN usermod -aG sudo app")))
    assert found.message == "`sudo` is an account of Debian's; EL has `wheel`"
    assert "swap: [sudo, wheel]" in (found.help or "")


@pytest.mark.parametrize(
    "lines",
    [
        ["RUN useradd --system www-data", "USER www-data"],
        ["RUN groupadd -g 33 www-data && chgrp www-data /a"],
        ["RUN adduser --system --group www-data && chown www-data:www-data /a"],
        ["USER nobody:nobody"],
        ["RUN usermod -aG wheel,video app", "USER 33"],
        ["RUN sudo make", "RUN echo www-data staff"],
        ["RUN grep sudo /etc/group"],
        ["RUN userdel -r ubuntu || true", "RUN id ubuntu && userdel ubuntu"],
        ["RUN if id ubuntu; then userdel ubuntu; fi"],
        ["RUN useradd ubuntu", "USER ubuntu", "RUN userdel ubuntu"],
        ["RUN groupadd sudo && echo '%sudo ALL=(ALL) ALL' >> /etc/sudoers"],
        ["RUN echo '%wheel ALL=(ALL) ALL %sudoers' >> /etc/sudoers"],
    ],
)
def test_what_is_created_or_belongs_to_el_is_fine(lines: list[str]) -> None:
    assert told(check(look(on_ubi(*lines)))) == []


def test_a_rule_of_sudos_is_read_in_a_file_too_and_not_in_a_comment() -> None:
    text = on_ubi("COPY <<EOF /etc/sudoers.d/a", "%sudo ALL=(ALL) ALL", "EOF")
    assert told(check(look(text))) == [("MS320", 3, "%sudo")]
    assert told(check(look(on_ubi("RUN a \\", "# %sudo ALL=(ALL) ALL", "  && b")))) == []


def test_an_account_comes_along_by_from_and_is_said_once() -> None:
    text = on_ubi("RUN useradd www-data") + "FROM final AS two\nUSER www-data\n"
    assert told(check(look(text))) == []
    twice = on_ubi("RUN chown www-data /a", "USER www-data")
    assert told(check(look(twice))) == [("MS320", 2, "www-data")]


def test_a_siblings_users_are_there() -> None:
    ours = sibling("quay.io/a/b:1", users=frozenset(("www-data",)))
    assert told(check(look(on_ubi("USER www-data", base="quay.io/a/b:1"), siblings=ours))) == []


def test_a_base_that_is_kept_is_nobodys_business() -> None:
    assert told(check(look(on_ubi("USER www-data", base=MANYLINUX)))) == []
