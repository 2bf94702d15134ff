from __future__ import annotations

import json
from typing import TYPE_CHECKING

from midstream import report
from midstream.diagnostic import Diagnostic, Place, Rule, Severity
from midstream.errors import UsageError
from midstream.source import Source, Span

if TYPE_CHECKING:
    import pytest

TEXT = Source("docker/Dockerfile", "FROM a\nRUN apt-get install x\n")


def finding(
    start: int = 11,
    end: int = 18,
    source: Source = TEXT,
    message: str = "no `apt-get`",
    **more: object,
) -> Diagnostic:
    return Diagnostic(
        rule=Rule("MS203", "a-rule"), severity=Severity.ERROR, message=message, source=source,
        span=Span(start, end), **more,  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_finding_is_laid_out_with_its_line_a_mark_and_the_way_out() -> None:
    also = Place(TEXT, Span(5, 6), "the base")
    found = finding(help="do this\nor that", context="stage 0", also=also)
    assert report.format_finding(found) == (
        "error[MS203]: no `apt-get`\n"
        " --> docker/Dockerfile:2:5  (stage 0)\n"
        "  |\n"
        "2 | RUN apt-get install x\n"
        "  |     ^^^^^^^\n"
        "  = the base: docker/Dockerfile:1:6\n"
        "  = help: do this\n"
        "          or that"
    )


def test_a_line_of_ten_megabytes_is_cut_around_the_place() -> None:
    source = Source("f", "x" * 5_000_000 + "HERE" + "y" * 5_000_000)
    shown = report.format_finding(finding(5_000_000, 5_000_004, source)).split("\n")
    assert max(map(len, shown)) < 400
    assert shown[3].index("HERE") == shown[4].index("^")


def test_nothing_from_a_file_reaches_the_terminal_raw() -> None:
    evil = "\x1b[2J\u202e\udcff"
    source = Source(evil, f"RUN {evil}\n")
    found = finding(
        4, 5, source, evil, help=evil, context=evil, also=Place(source, Span(0, 1), evil)
    )
    shown = report.format_finding(found)
    assert not {"\x1b", "\u202e", "\udcff"} & set(shown)
    assert shown.count("\\x1b[2J") == 7


def test_findings_are_shown_in_the_order_of_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    report.show_findings([finding(12, 13, message="second"), finding(1, 2, message="first")])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.index("first") < err.index("second")


def test_an_error_shows_its_findings_and_each_line_of_its_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report.show_error(UsageError("it is wrong", help="a\nb", diagnostics=[finding()]))
    err = capsys.readouterr().err
    assert err.index("MS203") < err.index("error: it is wrong\n  help: a\n        b\n")


def test_a_finding_as_json_has_its_place_at_both_ends() -> None:
    found = report.finding_as_json(finding())
    assert (found["line"], found["column"], found["end_line"], found["end_column"]) == (2, 5, 2, 12)
    assert (found["code"], found["rule"], found["severity"]) == ("MS203", "a-rule", "error")


def test_results_go_to_stdout_and_progress_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    report.line("a")
    report.document("k", {"b": 1})
    report.table(("x", "long"), [("wide", "y")])
    report.raw(b"c\n")
    report.note("d\x1b")
    report.arriving("e", 2_000_000)(5)
    with report.Following([("f", "g")]) as rows:
        rows.say("f", "h")
    out, err = capfd.readouterr()
    assert json.loads(out[out.index("{") : out.index("}") + 1]) == {
        "midstream": 1,
        "kind": "k",
        "b": 1,
    }
    assert "x     long\nwide  y\n" in out
    assert err == "d\\x1b\nfetching e (2.0 MB)\nf: h\n"
