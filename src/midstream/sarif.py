"""Findings as SARIF 2.1.0, which code hosts show beside the lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from midstream import __version__
from midstream.diagnostic import Severity
from midstream.report import commit_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from midstream.diagnostic import Diagnostic, Place
    from midstream.source import Source, Span

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def as_sarif(found: Iterable[Diagnostic]) -> bytes:
    """One run of SARIF, with a rule for each code that was found."""
    every = list(found)
    rules = {each.rule.code: each.rule for each in every}
    content = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "midstream",
                        "version": __version__,
                        "rules": [
                            {
                                "id": code,
                                "name": rule.name,
                                "help": {"text": rule.page, "markdown": rule.page},
                            }
                            for code, rule in sorted(rules.items())
                        ],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(each) for each in every],
            }
        ],
    }
    return f"{json.dumps(content, indent=1)}\n".encode()


def _result(found: Diagnostic) -> dict[str, Any]:
    by = (f"by upstream's {each}" for each in commit_lines(found.commits))
    said = "\n".join([found.message, *by, *([found.help] if found.help else [])])
    result: dict[str, Any] = {
        "ruleId": found.rule.code,
        "level": _LEVELS[found.severity],
        "message": {"text": said},
        "locations": [_location(found.source, found.span)],
    }
    if found.also is not None:
        result["relatedLocations"] = [_related(found.also)]
    return result


def _related(place: Place) -> dict[str, Any]:
    return {**_location(place.source, place.span), "message": {"text": place.note or "see also"}}


def _location(source: Source, span: Span) -> dict[str, Any]:
    start, end = source.position(span.start), source.position(span.end)
    region = {
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    }
    return {"physicalLocation": {"artifactLocation": {"uri": source.name}, "region": region}}
