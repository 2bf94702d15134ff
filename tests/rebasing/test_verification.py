from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo import make, places
from midstream.adapters.process import ProgramMissing
from midstream.diagnostic import Diagnostic, Rule, Severity
from midstream.dockerfile.scan import parse
from midstream.edit import Edit
from midstream.overlay.verbs import Insertion
from midstream.rebasing.assembly import assemble
from midstream.rebasing.verification import (
    at_source,
    changed_runs,
    settled,
    shell_holds,
    stages_are_there,
    unclear_runs,
)
from midstream.source import Source, Span
from overlay.edits import subject_of

if TYPE_CHECKING:
    from pathlib import Path

    from midstream.rebasing.assembly import Assembled

RULE = Rule("MS999", "a-rule", "page")


def found_in(source: Source, text: str) -> Diagnostic:
    at = source.text.index(text)
    return Diagnostic(rule=RULE, severity=Severity.ERROR, message="m", source=source,
                      span=Span(at, at + len(text)), context="stage final")  # fmt: skip


# --- where a finding is shown ---

TEXT = "FROM a\nRUN one\nRUN two\n"


def shown(assembled: Assembled, text: str) -> tuple[str, str, str]:
    upstream = Source("Dockerfile", TEXT)
    (each,) = at_source([found_in(assembled.source, text)], assembled, upstream, "demo 2.1")
    return each.source.name, each.source[each.span], each.context


def test_a_finding_is_shown_where_upstream_wrote_the_text() -> None:
    made = assemble("result", TEXT, [Edit(Span(0, 7), "", "gone")], [Insertion(7, "#\n", "o", "")])
    assert shown(made, "RUN two") == ("Dockerfile", "RUN two", "demo 2.1, stage final")


def test_a_finding_about_a_changed_text_is_shown_at_what_it_changed() -> None:
    made = assemble("result", TEXT, [Edit(Span(11, 14), "three", "swap")])
    assert shown(made, "three") == ("Dockerfile", "one", "as `swap` has it, stage final")


def test_a_finding_about_a_text_of_ours_is_shown_in_the_result() -> None:
    made = assemble("result", TEXT, [], [Insertion(7, "RUN ours\n", "mine", "")])
    assert shown(made, "ours") == ("result", "ours", "written by `mine`, stage final")


def test_a_finding_that_ends_in_a_changed_text_covers_what_stood_there() -> None:
    made = assemble("result", TEXT, [Edit(Span(11, 14), "three", "swap")])
    assert shown(made, "RUN three")[1] == "RUN one"


def test_a_finding_about_another_file_stays_where_it_is() -> None:
    other = found_in(Source("overlay.yaml", "x: y\n"), "x")
    made = assemble("result", TEXT, [])
    assert list(at_source([other], made, Source("Dockerfile", TEXT), "demo 2.1")) == [other]


# --- what is proved ---


def test_only_runs_that_are_not_upstreams_are_changed() -> None:
    text = 'FROM a\nRUN one\nRUN two\nRUN ["three"]\nENV A=1\nRUN four'
    at = text.index
    edits = [Edit(Span(at("two"), at("two") + 3), "", "e"),
             Edit(Span(at("three"), at("three") + 5), "3", "e"),
             Edit(Span(at("A=1"), at("A=1") + 3), "B=1", "e")]  # fmt: skip
    made = assemble("r", text, edits, [Insertion(at("RUN two"), "RUN ours\n", "o", "")])
    result = parse(made.source)
    changed = [result.text(each.span).rstrip() for each in changed_runs(result, made)]
    assert changed == ["RUN ours", "RUN"]


def test_a_result_that_a_second_pass_would_change_is_not_settled() -> None:
    subject, _ = subject_of("FROM ubuntu:22.04 AS final\nRUN apt-get install -y git\n")
    found = places(list(settled(subject)))
    assert {(code, line) for code, _, line, _ in found} == {("MS260", 1), ("MS260", 2)}
    subject, _ = subject_of("FROM registry.access.redhat.com/ubi9/ubi:9.8 AS final\n"
                            "RUN dnf install -y git\n")  # fmt: skip
    assert list(settled(subject)) == []


def test_shell_that_bash_refuses_is_found_and_what_it_took_is_remembered(tmp_path: Path) -> None:
    text = "FROM a AS final\nRUN echo 'open\nRUN if true; then echo; fi\nRUN <<E\nfor\nE\n"
    dockerfile = parse(Source("Dockerfile", text))
    runs = dockerfile.instructions[1:]
    found = list(shell_holds(dockerfile, runs, tmp_path))
    assert [(code, line) for code, _, line, _ in places(found)] == [("MS261", 2), ("MS261", 4)]
    assert "looking for matching" in found[0].message
    assert len(list((tmp_path / "proofs").iterdir())) == 1


def test_what_is_remembered_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dockerfile = parse(Source("Dockerfile", "FROM a\nRUN echo 1\nRUN echo 2\n"))
    first, second = dockerfile.instructions[1:]
    assert list(shell_holds(dockerfile, [first], tmp_path)) == []
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert list(shell_holds(dockerfile, [first], tmp_path)) == []
    with pytest.raises(ProgramMissing):
        list(shell_holds(dockerfile, [second], tmp_path))


def test_runs_that_can_not_be_read_are_asked_about_though_nothing_changed_them() -> None:
    subject, _ = subject_of("FROM a AS final\nRUN echo 'open\nRUN echo fine\nENV A=b\n")
    assert [each.first_line for each in unclear_runs(subject)] == [2]


def test_a_stage_that_is_gone_is_not_taken_for_an_image() -> None:
    upstream, _ = subject_of(
        "FROM a AS Tools\nFROM b AS c\nFROM c AS final\nCOPY --from=tools /x /x\n"
    )
    result, _ = subject_of("FROM b AS c\nFROM c AS final\nCOPY --from=tools /x /x\n"
                           "COPY --from=alpine /y /y\n")  # fmt: skip
    assert places(list(stages_are_there(result, upstream))) == [
        ("MS262", "Dockerfile", 3, "the stage `tools` isn't in the result")
    ]
    assert list(stages_are_there(upstream, upstream)) == []


@pytest.mark.parametrize(
    ("body", "codes"),
    [("", ["MS140"]), ("edits: [{id: x, at: final / RUN, replace: RUN make, why: w}]\n", [])],
)
def test_shell_that_can_not_be_read_for_certain_is_said_unless_it_is_replaced(
    tmp_path: Path, body: str, codes: list[str]
) -> None:
    text = 'FROM ubuntu:22.04 AS final\nRUN eval "$PATH"\n'
    rebased = make(tmp_path, text, body).rebase()
    assert [each.rule.code for each in rebased.findings if each.rule.code == "MS140"] == codes
