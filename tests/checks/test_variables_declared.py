from __future__ import annotations

import pytest

from assumptions.looking import UBI, on_ubi, told, view
from midstream.checks.variables_declared import check
from midstream.diagnostic import Severity


def test_a_variable_that_nothing_declares_is_found_once_in_a_stage() -> None:
    (found,) = check(view(on_ubi("RUN rm -rf $WORK/a && ls $WORK", "RUN ls ${WORK}")))
    assert told([found]) == [("MS352", 2, "$WORK")]
    assert found.severity is Severity.WARNING


def test_one_that_upstream_declares_and_got_lost_is_an_error() -> None:
    (found,) = check(view(on_ubi("RUN ls $WORK"), upstream=["WORK"]))
    assert found.severity is Severity.ERROR


@pytest.mark.parametrize(
    "lines",
    [
        ["ARG WORK", "RUN ls $WORK"],
        ["ENV WORK=/a", "RUN ls $WORK"],
        ["RUN WORK=/a && ls $WORK"],
        ["RUN export WORK=/a && ls $WORK"],
        ["RUN for WORK in a b; do ls $WORK; done"],
        ["RUN read WORK < a && ls $WORK"],
        ["RUN ls ${WORK:-/a} ${WORK:+x}"],
        ["RUN ls $HOME $PATH $? $1 $@ $http_proxy"],
        ["RUN . /etc/environment && ls $WORK"],
        ["ARG TARGETARCH", "RUN ls $TARGETARCH"],
        ["RUN echo '$WORK'"],
        ["COPY $WORK /a"],
    ],
)
def test_what_is_declared_assigned_or_known_is_fine(lines: list[str]) -> None:
    assert told(check(view(on_ubi(*lines)))) == []


def test_a_declaration_afterwards_or_in_another_stage_does_not_count() -> None:
    text = f"ARG WORK=1\nFROM {UBI} AS a\nENV A=1\nFROM {UBI}\nRUN ls $WORK $A $B\nARG B\n"
    assert [name for _, _, name in told(check(view(text)))] == ["$WORK", "$A", "$B"]


def test_the_env_of_what_a_stage_is_from_counts() -> None:
    text = f"FROM {UBI} AS a\nENV A=1\nARG B\nFROM a\nRUN ls $A\n"
    assert told(check(view(text))) == []


def test_what_buildkit_gives_has_to_be_declared_before_a_run_reads_it() -> None:
    assert told(check(view(on_ubi("RUN ls $TARGETARCH")))) == [("MS352", 2, "$TARGETARCH")]


def test_one_that_got_lost_is_an_error_behind_a_sourced_file_too() -> None:
    text = on_ubi("RUN source env.sh && ls $WORK $OTHER")
    assert told(check(view(text, upstream=["WORK"]))) == [("MS352", 2, "$WORK")]
