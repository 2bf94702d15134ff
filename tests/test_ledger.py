from __future__ import annotations

import json

from midstream.diagnostic import Diagnostic, Rule, Severity
from midstream.dockerfile.scan import parse
from midstream.edit import Edit
from midstream.ledger import Claim, Fate, Ledger, Reason, write_ledger
from midstream.source import Source, Span

READ = parse(
    Source("Dockerfile", "ARG V\nFROM a AS x\nRUN one\nRUN two\nRUN three\nFROM b AS y\nRUN four\n")
)
ARG, FROM_A, ONE, TWO, THREE, FROM_B, FOUR = READ.instructions


def ledger(
    claims: tuple[Claim, ...] = (),
    edits: tuple[Edit, ...] = (),
    findings: tuple[Diagnostic, ...] = (),
    live: frozenset[int] = frozenset((0, 1)),
) -> Ledger:
    return write_ledger(READ, live, claims, edits, findings)


def error(at: int, source: Source = READ.source, severity: Severity = Severity.ERROR) -> Diagnostic:
    return Diagnostic(
        rule=Rule("MS203", "r"), severity=severity, message="why", source=source, span=Span(at, at)
    )


def test_every_instruction_has_one_fate_in_the_order_of_the_file() -> None:
    found = ledger(
        claims=(Claim(TWO, Fate.EDITED, "mine", "since"), Claim(TWO, Fate.DROPPED, "gone", "so")),
        edits=(Edit(Span(ONE.span.start, ONE.span.end), "x", "a-rule", "faster"),),
        findings=(error(THREE.span.start),),
        live=frozenset((0,)),
    )
    assert [(each.keyword, each.stage, each.fate) for each in found.entries] == [
        ("ARG", None, Fate.CARRIED),
        ("FROM", "x", Fate.CARRIED),
        ("RUN", "x", Fate.CONVERTED),
        ("RUN", "x", Fate.DROPPED),
        ("RUN", "x", Fate.UNDECIDED),
        ("FROM", "y", Fate.UNREACHABLE),
        ("RUN", "y", Fate.UNREACHABLE),
    ]
    assert found.entries[2].reasons == (Reason("a-rule", "faster"),)
    assert found.entries[3].reasons == (Reason("mine", "since"), Reason("gone", "so"))
    assert found.entries[4].reasons == (Reason("MS203", "why"),)
    assert found.summary() == (
        "7 upstream instructions: 2 unreachable, 2 carried, 1 converted, 1 dropped, 1 undecided"
    )


def test_an_error_leaves_an_instruction_undecided_whatever_was_decided() -> None:
    found = ledger(claims=(Claim(ONE, Fate.REPLACED, "a", "b"),), findings=(error(ONE.span.start),))
    assert found.by_start()[ONE.span.start].fate is Fate.UNDECIDED


def test_warnings_and_findings_about_other_files_decide_nothing() -> None:
    others = (
        error(ONE.span.start, severity=Severity.WARNING),
        error(20, Source("overlay.yaml", "x")),
    )
    assert ledger(findings=others).counts()[Fate.UNDECIDED] == 0


def test_the_ledger_is_written_as_json_with_a_line_for_each_instruction() -> None:
    data = ledger().as_bytes()
    content = json.loads(data)
    assert content["counts"]["carried"] == 7
    assert content["instructions"][2] == {
        "keyword": "RUN", "stage": "x", "lines": [3, 3], "fate": "carried", "reasons": [],
    }  # fmt: skip
    assert data.count(b'"keyword"') == sum(b'"keyword"' in line for line in data.splitlines()) == 7
