from __future__ import annotations

import pytest

from assumptions.looking import MANYLINUX, look, on_ubi, told
from midstream.assumptions.debian_program import check
from midstream.diagnostic import Severity


@pytest.mark.parametrize(
    ("line", "marked"),
    [
        ("RUN a2enmod rewrite || true", "a2enmod rewrite"),
        ("RUN /usr/sbin/update-ccache-symlinks", "/usr/sbin/update-ccache-symlinks"),
        ("RUN yes | unminimize", "unminimize"),
        ("RUN /etc/init.d/postgresql start && psql", "/etc/init.d/postgresql start"),
        ("RUN sudo service ssh start", "service ssh start"),
        ('CMD ["cron", "-f"]', 'cron", "-f'),
        ("CMD service nginx start && tail -f /dev/null", "service nginx start"),
        ("ENTRYPOINT apache2ctl -D FOREGROUND", "apache2ctl -D FOREGROUND"),
        ("HEALTHCHECK CMD pg_lsclusters", "pg_lsclusters"),
        ("ONBUILD RUN phpenmod gd", "phpenmod gd"),
        ("RUN apk add --no-cache bash", "apk add --no-cache bash"),
    ],
)
def test_a_program_that_el_has_not_is_found(line: str, marked: str) -> None:
    assert told(check(look(on_ubi(line)))) == [("MS324", 2, marked)]


def test_what_to_do_instead_is_said() -> None:
    cron, service = check(look(on_ubi("RUN cron", "RUN service ssh start")))
    assert cron.message == "`cron` is Debian's, and EL's packages bring no such program"
    assert cron.help == "call `crond -n`, with an edit"
    assert service.message.startswith("`service` starts nothing here")
    assert "start the daemon itself" in (service.help or "")


@pytest.mark.parametrize(
    "line",
    [
        "RUN echo cron a2enmod > /etc/cron.d/a",
        "RUN /opt/app/cron && ./service",
        "RUN cron() { :; }; cron",
        "RUN command -v unminimize && unminimize || true",
        "RUN systemctl enable sshd && crond -n",
    ],
)
def test_what_only_looks_like_it_is_left(line: str) -> None:
    assert told(check(look(on_ubi(line)))) == []


def test_a_kept_base_has_its_own_programs() -> None:
    assert told(check(look(on_ubi("RUN cron", base=MANYLINUX)))) == []


def test_a_server_of_ssh_needs_keys_that_something_makes() -> None:
    text = (
        on_ubi("RUN dnf install -y openssh-server") + 'FROM final\nCMD ["/usr/sbin/sshd", "-D"]\n'
    )
    (found,) = check(look(text))
    assert found.severity is Severity.WARNING
    assert "RUN ssh-keygen -A" in (found.help or "")
    for line in ("RUN ssh-keygen -A", "COPY ssh_host_rsa_key /etc/ssh/"):
        assert told(check(look(text.replace("FROM final", f"{line}\nFROM final")))) == []
