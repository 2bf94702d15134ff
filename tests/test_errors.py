from __future__ import annotations

import pytest

from midstream.errors import Exit, IntegrityError, MidstreamError, Refused, UsageError


@pytest.mark.parametrize(
    ("codes", "worst"),
    [
        ([], Exit.OK),
        ([Exit.OK, Exit.FINDINGS], Exit.FINDINGS),
        ([Exit.FINDINGS, Exit.USAGE], Exit.USAGE),
        ([Exit.TRANSIENT, Exit.OUTSIDE, Exit.USAGE], Exit.OUTSIDE),
        ([Exit.REFUSED, Exit.AUTHENTICATION], Exit.AUTHENTICATION),
        ([Exit.AUTHENTICATION, Exit.INTEGRITY], Exit.INTEGRITY),
        ([Exit.INTEGRITY, Exit.BUG], Exit.BUG),
    ],
)
def test_the_worst_code_of_several_is_what_the_program_exits_with(
    codes: list[Exit], worst: Exit
) -> None:
    assert Exit.worst(codes) is worst
    assert Exit.worst(reversed(codes)) is worst


def test_every_code_but_success_has_a_rank() -> None:
    assert all(Exit.worst([Exit.OK, code]) is code for code in Exit)


def test_an_error_carries_its_code_its_help_and_its_findings() -> None:
    error = UsageError("wrong", help="type this")
    assert (str(error), error.help, error.diagnostics) == ("wrong", "type this", ())
    kinds = (MidstreamError, UsageError, Refused, IntegrityError)
    assert [each("x").exit_code for each in kinds] == [
        Exit.OUTSIDE, Exit.USAGE, Exit.REFUSED, Exit.INTEGRITY,
    ]  # fmt: skip
