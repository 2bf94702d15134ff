from __future__ import annotations

import pytest

from assumptions.looking import MANYLINUX, UBI, look, on_ubi, told
from midstream.assumptions.linker_folder import check


@pytest.mark.parametrize(
    "lines",
    [
        ["RUN cp -a /x/libfoo* /usr/local/lib/; ldconfig"],
        ["RUN install -m 755 libfoo.so /usr/local/lib64/libfoo.so.1 && ldconfig -v"],
        ["COPY --from=final /x/libfoo.so /usr/local/lib/", "RUN ldconfig"],
        ["RUN ./configure && make && make install && /sbin/ldconfig"],
        ["RUN cmake -DCMAKE_INSTALL_PREFIX=/usr/local . && ninja install && ldconfig"],
        ["RUN cmake . && cmake --install . ", "RUN ldconfig"],
    ],
)
def test_a_library_that_ldconfig_does_not_look_for_is_found(lines: list[str]) -> None:
    found = told(check(look(on_ubi(*lines))))
    assert [(code, line) for code, line, _ in found] == [("MS314", len(lines) + 1)]
    assert found[0][2].endswith(("ldconfig", "ldconfig -v"))


@pytest.mark.parametrize(
    "lines",
    [
        ["RUN cp libfoo.so /usr/local/lib/ && ldconfig /usr/local/lib"],
        ["RUN cp libfoo.so /usr/local/lib/ && ldconfig -p"],
        ["RUN ldconfig && cp libfoo.so /usr/local/lib/"],
        ["RUN cp libfoo.so /usr/lib64/ && ldconfig"],
        ["RUN cp a.py /usr/local/lib/python3.12/ && ldconfig"],
        ["RUN cp /usr/local/lib/libfoo.so && ldconfig"],
        ["COPY a.txt /etc/a.txt", "RUN ldconfig"],
        ["RUN ./configure --prefix=/usr && make install && ldconfig"],
        ["RUN meson setup b --prefix /opt/x && ninja install && ldconfig"],
        ["RUN cmake . && make && ldconfig"],
        ["RUN make -C /x install && ldconfig"],
        ["RUN cp libfoo.so /usr/local/lib/", "ENV LD_LIBRARY_PATH=/usr/local/lib", "RUN ldconfig"],
        ["RUN echo /a > /etc/ld.so.conf.d/a.conf && cp a.so /usr/local/lib && ldconfig"],
    ],
)
def test_what_is_found_anyway_or_not_there_is_fine(lines: list[str]) -> None:
    assert told(check(look(on_ubi(*lines)))) == []


def test_a_parents_library_path_counts() -> None:
    path = "ENV LD_LIBRARY_PATH=/a:/usr/local/lib64"
    text = f"FROM {UBI} AS a\n{path}\nFROM a\nRUN cp a.so /usr/local/lib && ldconfig\n"
    assert told(check(look(text))) == []


def test_a_base_that_is_kept_is_nobodys_business() -> None:
    text = on_ubi("RUN cp a.so /usr/local/lib && ldconfig", base=MANYLINUX)
    assert told(check(look(text))) == []
