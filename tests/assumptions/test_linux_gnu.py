from __future__ import annotations

import pytest

from assumptions.looking import look, on_ubi, told
from midstream.assumptions.linux_gnu import check


@pytest.mark.parametrize(
    ("line", "folder"),
    [
        ("ENV LD_PRELOAD=/usr/lib/x86_64-linux-gnu/a.so", "x86_64-linux-gnu"),
        ("RUN cp /x/lib/aarch64-linux-gnu/a.so /lib64", "aarch64-linux-gnu"),
        ('RUN echo "${HOME}/lib/$(uname -m)-linux-gnu"', "$(uname -m)-linux-gnu"),
        ("RUN ls /usr/lib/${ARCH}-linux-gnu/", "${ARCH}-linux-gnu"),
        ("RUN ls /usr/lib/$ARCH-linux-gnu/", "$ARCH-linux-gnu"),
        ("RUN ls /usr/lib/*-linux-gnu/", "*-linux-gnu"),
        ("RUN find / -path '*x86_64-linux-gnu*' -delete", "x86_64-linux-gnu"),
        ("RUN ls /usr/lib/$(gcc -print-multiarch)", "-print-multiarch"),
        ("RUN ls /usr/lib/$(gcc -dumpmachine)/libx.so", "$(gcc -dumpmachine)"),
        ("COPY --from=final /lib/s390x-linux-gnu /l", "s390x-linux-gnu"),
        ("RUN cp /usr/lib/*/libcudnn.so* /opt/", "*"),
    ],
)
def test_a_multiarch_folder_is_found(line: str, folder: str) -> None:
    (found,) = check(look(on_ubi(line)))
    assert told([found]) == [("MS304", 2, folder)]
    assert f'swap: ["lib/{folder}", lib64]' in (found.help or "")


@pytest.mark.parametrize(
    "line",
    [
        "RUN rustup target add x86_64-unknown-linux-gnu",
        "RUN curl -LO https://a/tool-x86_64-linux-gnu.tar.gz",
        "ENV CC=x86_64-linux-gnu-gcc",
        "RUN ls /usr/lib64",
        "RUN cp /opt/a/lib/*/x.py /usr/lib/*/y /",
    ],
)
def test_a_compilers_triple_or_a_file_name_is_no_folder(line: str) -> None:
    assert told(check(look(on_ubi(line)))) == []
