from __future__ import annotations

import pytest

from assumptions.looking import MANYLINUX, UBI, look, on_ubi, told
from midstream.assumptions.linker_folder import check
from midstream.diagnostic import Severity


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


@pytest.mark.parametrize(
    ("line", "marked"),
    [
        ("COPY libfoo.so /usr/lib/", "/usr/lib/"),
        ("COPY --from=final /x/libfoo*.so /usr/lib/", "/usr/lib/"),
        ("ADD a /usr/lib/libfoo.so.1.2", "/usr/lib/libfoo.so.1.2"),
        ("RUN cp -a build/libfoo.so* /lib", "/lib"),
        ("RUN ldconfig && install -m 755 libfoo.so /usr/lib/", "/usr/lib/"),
    ],
)
def test_a_library_in_a_folder_that_els_loader_knows_by_ldconfig_alone(
    line: str, marked: str
) -> None:
    (found,) = check(look(on_ubi(line)))
    assert told([found]) == [("MS314", 2, marked)]
    assert found.severity is Severity.WARNING


@pytest.mark.parametrize(
    "lines",
    [
        ["COPY libfoo.so /usr/lib/", "RUN ldconfig"],
        ["COPY libfoo.so /usr/lib/", "RUN dnf install -y gcc"],
        ["COPY libfoo.so /usr/lib/", "ENV LD_LIBRARY_PATH=/a:/usr/lib"],
        ["COPY libfoo.so /usr/lib64/"],
        ["COPY a.py b.sock /usr/lib/", "RUN cp foo.so /usr/lib/python3.12/"],
        ["RUN ln -s libfoo.so.1 /usr/lib/libfoo.so", "RUN cp libfoo.so"],
    ],
)
def test_a_library_that_the_loader_finds_is_fine(lines: list[str]) -> None:
    assert told(check(look(on_ubi(*lines)))) == []


def test_what_is_made_from_a_stage_may_call_ldconfig_for_it() -> None:
    text = on_ubi("COPY libfoo.so /usr/lib/") + "FROM final\nRUN ldconfig\n"
    assert told(check(look(text))) == []
    asked = text.replace("ldconfig", "ldconfig -p")
    assert [line for _, line, _ in told(check(look(asked)))] == [2]
