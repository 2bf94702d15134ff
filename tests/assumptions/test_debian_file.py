from __future__ import annotations

import pytest

from assumptions.looking import MANYLINUX, UBI, converted, look, on_ubi, told
from midstream.assumptions.debian_file import check, convert
from midstream.source import Span

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"ENV SSL_CERT_FILE={BUNDLE}", "ENV SSL_CERT_FILE=/etc/pki/tls/certs/ca-bundle.crt"),
        ("COPY ours.crt /usr/local/share/ca-certificates/\nRUN update-ca-certificates",
         "COPY ours.crt /etc/pki/ca-trust/source/anchors/\nRUN update-ca-trust"),
        ("RUN bash -c 'a && update-ca-certificates'", "RUN bash -c 'a && update-ca-trust'"),
        ("RUN echo 'ulimit -c 0' >> /etc/bash.bashrc", "RUN echo 'ulimit -c 0' >> /etc/bashrc"),
        ("ENV PATH=/usr/lib/ccache:$PATH", "ENV PATH=/usr/lib64/ccache:$PATH"),
        ("RUN ls /usr/lib/git-core", "RUN ls /usr/libexec/git-core"),
        ("RUN echo Subsystem sftp /usr/lib/openssh/sftp-server >> a",
         "RUN echo Subsystem sftp /usr/libexec/openssh/sftp-server >> a"),
        ("ENV CHROME_BIN=/usr/bin/chromium", "ENV CHROME_BIN=/usr/bin/chromium-browser"),
        ("ENV TESSDATA_PREFIX=/usr/share/tesseract-ocr/4.00/tessdata",
         "ENV TESSDATA_PREFIX=/usr/share/tesseract/tessdata"),
        ("RUN rm /usr/lib/python3.12/EXTERNALLY-MANAGED && a",
         "RUN rm -f /usr/lib/python3.12/EXTERNALLY-MANAGED && a"),
        ('RUN ["rm", "/usr/lib/python3/EXTERNALLY-MANAGED"]',
         'RUN ["rm", "-f", "/usr/lib/python3/EXTERNALLY-MANAGED"]'),
        ("RUN . /etc/default/locale", "RUN . /etc/locale.conf"),
        (f"ONBUILD RUN cat {BUNDLE}", "ONBUILD RUN cat /etc/pki/tls/certs/ca-bundle.crt"),
    ],
)  # fmt: skip
def test_els_name_takes_the_place_of_debians(before: str, after: str) -> None:
    assert converted(convert, on_ubi(before)) == on_ubi(after)
    assert told(check(look(on_ubi(after)))) == []


@pytest.mark.parametrize(
    ("line", "marked"),
    [
        ("RUN update-ca-certificates --fresh", "update-ca-certificates --fresh"),
        (f"COPY --from=final {BUNDLE} /certs/", BUNDLE),
        (
            "COPY a.crt /usr/local/share/ca-certificates/extra/a.crt",
            "/usr/local/share/ca-certificates",
        ),
        ("COPY a.crt /usr/share/ca-certificates/", "/usr/share/ca-certificates"),
        ("RUN echo a.crt >> /etc/ca-certificates.conf", "/etc/ca-certificates.conf"),
        ("ENV NODE_EXTRA_CA_CERTS=/usr/share/ca-certificates/a.crt", "/usr/share/ca-certificates"),
        ("RUN sed -i s/SECLEVEL=2/SECLEVEL=1/ /etc/ssl/openssl.cnf", "/etc/ssl/openssl.cnf"),
        ("COPY openssl.cnf /usr/lib/ssl/openssl.cnf", "/usr/lib/ssl/openssl.cnf"),
        (
            "RUN mv /usr/lib/python3.12/EXTERNALLY-MANAGED /tmp",
            "mv /usr/lib/python3.12/EXTERNALLY-MANAGED /tmp",
        ),
    ],
)
def test_what_takes_more_than_a_name_is_left_and_found(line: str, marked: str) -> None:
    text = f"FROM {UBI} AS final\nFROM {UBI}\n{line}\n"
    assert converted(convert, text) == text
    assert told(check(look(text))) == [("MS316", 3, marked)]


@pytest.mark.parametrize(
    "line",
    [
        f"COPY --from=alpine:3 {BUNDLE} /certs/",
        f"RUN ls /opt{BUNDLE}",
        f"RUN ls {BUNDLE}.old /etc/bash.bashrc.d",
        f"# {BUNDLE}",
        "RUN echo update-ca-certificates",
        "ENV OPENSSL_CONF=/etc/ssl/openssl.cnf",
        "RUN rm -rf /usr/lib/python3.12/EXTERNALLY-MANAGED",
        "RUN rm a /usr/lib/python3.12/EXTERNALLY-MANAGED",
        "RUN ls /usr/bin/chromium-browser /usr/lib/git-core-2",
    ],
)
def test_what_only_looks_like_it_is_left(line: str) -> None:
    assert converted(convert, on_ubi(line)) == on_ubi(line)
    assert told(check(look(on_ubi(line)))) == []


def test_what_an_edit_owns_and_a_kept_base_are_left() -> None:
    text = on_ubi(f"ENV A={BUNDLE}", "RUN update-ca-certificates")
    claimed = (Span(text.index("ENV"), len(text)),)
    assert converted(convert, text, claimed=claimed) == text
    kept = on_ubi(f"ENV A={BUNDLE}", "RUN update-ca-certificates", base=MANYLINUX)
    assert converted(convert, kept) == kept
    assert told(check(look(kept))) == []


def test_a_global_argument_belongs_to_whoever_uses_it() -> None:
    text = f"ARG BUNDLE={BUNDLE}\n{on_ubi('RUN a')}"
    assert converted(convert, text) == text
