from __future__ import annotations

import pytest

from assumptions.looking import MANYLINUX, look, on_ubi, told
from midstream.assumptions.debian_layout import check
from midstream.diagnostic import Severity


@pytest.mark.parametrize(
    ("line", "marked"),
    [
        ("COPY site.conf /etc/nginx/sites-enabled/default", "/etc/nginx/sites-enabled"),
        ("RUN rm -f /etc/nginx/sites-available/default", "/etc/nginx/sites-available"),
        ("ENV APACHE_CONFDIR=/etc/apache2", "/etc/apache2"),
        ("COPY a.conf /etc/supervisor/conf.d/a.conf", "/etc/supervisor"),
        ("ENV PATH=/usr/lib/postgresql/15/bin:$PATH", "/usr/lib/postgresql"),
        ("RUN echo memory_limit=1G > /etc/php/8.3/cli/php.ini", "/etc/php/8.3"),
        ("RUN echo a >> /var/spool/cron/crontabs/root", "/var/spool/cron/crontabs"),
        ("RUN sed -i s/a/b/ /etc/pam.d/common-session", "/etc/pam.d/common-session"),
        ("ENV GOROOT=/usr/lib/go-1.22", "/usr/lib/go-1.22"),
        ("ENV OPENSSL_ROOT_DIR=/usr/lib/ssl", "/usr/lib/ssl"),
    ],
)
def test_a_folder_that_el_does_not_read_is_found(line: str, marked: str) -> None:
    assert told(check(look(on_ubi(line)))) == [("MS325", 2, marked)]


def test_what_el_reads_is_said_once_in_a_stage() -> None:
    lines = ("COPY a /etc/nginx/sites-available/a", "RUN ln -s a /etc/nginx/sites-enabled/a")
    (found,) = check(look(on_ubi(*lines)))
    assert found.severity is Severity.WARNING
    assert found.message.endswith("is Debian's: on EL nginx reads /etc/nginx/conf.d/*.conf")
    two = on_ubi(lines[0]) + f"FROM final\n{lines[1]}\n"
    assert [line for _, line, _ in told(check(look(two)))] == [2, 4]


@pytest.mark.parametrize(
    "line",
    [
        "COPY site.conf /etc/nginx/conf.d/default.conf",
        "RUN ls /opt/etc/apache2 /etc/apache2-mine /etc/mysqlrouter /etc/php.d",
        "RUN ls /usr/lib/ssl/openssl.cnf /usr/lib/golang /usr/lib64/R",
        "RUN a \\\n# /etc/apache2\n && b",
        "COPY --from=debian:12 /etc/apache2 /a",
    ],
)
def test_what_only_looks_like_it_is_left(line: str) -> None:
    assert told(check(look(on_ubi(line)))) == []


def test_a_kept_base_has_its_own_folders() -> None:
    assert told(check(look(on_ubi("RUN ls /etc/apache2", base=MANYLINUX)))) == []
