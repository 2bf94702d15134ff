from __future__ import annotations

import pytest

from assumptions.looking import MANYLINUX, UBI, look, on_ubi, told
from midstream.assumptions.left_out_docs import check
from midstream.diagnostic import Severity

SCHEMA = "/usr/share/doc/zabbix-sql/create.sql.gz"


@pytest.mark.parametrize(
    "line",
    [
        f"RUN zcat {SCHEMA} | mysql",
        f"RUN cp -r {SCHEMA} /opt/",
        f"RUN if [ -f {SCHEMA} ]; then a; fi",
        f"RUN mysql < {SCHEMA}",
        f'CMD ["cat", "{SCHEMA}"]',
    ],
)
def test_a_file_of_documentation_is_not_there_to_be_taken(line: str) -> None:
    (found,) = check(look(on_ubi(line)))
    assert found.severity is Severity.WARNING
    assert told([found])[0][2].strip('"') == SCHEMA


def test_one_is_said_of_each_instruction_and_of_a_copy_from_a_stage_on_ubi() -> None:
    text = on_ubi(f"RUN a {SCHEMA} {SCHEMA}", f"RUN b {SCHEMA}")
    assert [line for _, line, _ in told(check(look(text)))] == [2, 3]
    copied = f"FROM {UBI} AS b\n" + on_ubi(f"COPY --from=b {SCHEMA} /a")
    assert told(check(look(copied))) == [("MS326", 3, SCHEMA)]
    assert told(check(look(copied.replace(UBI + " AS b", MANYLINUX + " AS b")))) == []


@pytest.mark.parametrize(
    "line",
    [
        "RUN rm -rf /usr/share/doc/* /usr/share/man && find /usr/share/doc/a -delete",
        f"RUN mkdir -p {SCHEMA} && cp a {SCHEMA}",
        f"RUN echo path-exclude {SCHEMA}",
        f"COPY a {SCHEMA}",
        "RUN ls /opt/usr/share/doc/a /usr/share/docs/a /usr/share/doc",
    ],
)
def test_what_takes_nothing_from_there_is_fine(line: str) -> None:
    assert told(check(look(on_ubi(line)))) == []


def test_a_kept_base_has_its_own_files() -> None:
    assert told(check(look(on_ubi(f"RUN zcat {SCHEMA}", base=MANYLINUX)))) == []
