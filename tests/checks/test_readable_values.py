from __future__ import annotations

import pytest

from midstream.checks import readable_values
from midstream.checks.view import View
from overlay.edits import subject_of


def found(instruction: str) -> list[tuple[str, int]]:
    subject, ship = subject_of(f"FROM a AS final\n{instruction}\nFROM b AS other\nENV A='\n")
    checked = readable_values.check(View(subject, ship))
    return [(each.message, subject.dockerfile.source.position(each.span.start).column)
            for each in checked]  # fmt: skip


@pytest.mark.parametrize(
    ("instruction", "column"),
    [
        ('ENV A=1 B="x', 9),
        ("ARG A='x", 5),
        ("LABEL a=${B", 7),
        ("COPY a ${B:-/x", 8),
        ("USER ${", 6),
        ("ONBUILD ENV A='", 13),
    ],
)
def test_a_value_that_buildkit_can_not_read_is_an_error_at_its_place(
    instruction: str, column: int
) -> None:
    ((message, at),) = found(instruction)
    assert message.startswith("BuildKit can't read this: ")
    assert at == column


@pytest.mark.parametrize(
    "instruction",
    [
        "ENV A=${B:?missing} C=${D%%-*} E='$' F=\"a 'b'\" G=a\\'b",
        "RUN echo 'open",
        "COPY <<'EOF' /x\n'\nEOF",
        "ARG A",
    ],
)
def test_what_buildkit_reads_or_hands_over_as_it_is_has_no_finding(instruction: str) -> None:
    assert found(instruction) == []
