"""What a run was, as Prometheus reads it from a file: one value each, written whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.errors import Exit
from midstream.promotion.apply import State
from midstream.promotion.verify import Holds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from midstream.promotion.apply import Report
    from midstream.promotion.verify import Verdict


def of_report(report: Report) -> str:
    counts = {each: sum(tag.state is each for tag in report.tags) for each in State}
    refusals = sum(error.exit_code == Exit.REFUSED for _, error in report.errors)
    return "".join([
        _metric("midstream_promotion_tags", "Tags of the last run, by what is known of them.",
                [({"state": str(state)}, number) for state, number in counts.items()]),
        _metric("midstream_promotion_copies", "Tags that the last run wrote.",
                [({}, sum(tag.copied for tag in report.tags))]),
        _metric("midstream_promotion_attachments", "Attachments that the last run wrote.",
                [({}, report.attached)]),
        _metric("midstream_promotion_retries", "What the last run tried again.",
                [({}, report.retries)]),
        _metric("midstream_promotion_refusals", "Images that the last run refused.",
                [({}, refusals)]),
        _metric("midstream_promotion_failures", "Images that failed in the last run.",
                [({}, len(report.errors))]),
        _metric("midstream_promotion_bytes", "Bytes of the images that the last run copied.",
                [({}, report.bytes)]),
        _metric("midstream_promotion_seconds", "How long the last run took.",
                [({}, round(report.seconds, 3))]),
        _metric("midstream_promotion_exit_code", "How the last run ended.",
                [({}, int(report.exit_code))]),
    ])  # fmt: skip


def of_verdict(verdict: Verdict) -> str:
    counts = {each: sum(tag.holds is each for tag in verdict.tags) for each in Holds}
    return "".join([
        _metric("midstream_verify_tags", "Recorded tags, by what they hold now.",
                [({"holds": str(holds)}, number) for holds, number in counts.items()]),
        _metric("midstream_verify_lost_attachments", "Recorded attachments that are gone.",
                [({}, len(verdict.lost))]),
        _metric("midstream_verify_exit_code", "How the last check ended.",
                [({}, int(verdict.exit_code))]),
    ])  # fmt: skip


def _metric(name: str, about: str, values: Iterable[tuple[Mapping[str, str], float]]) -> str:
    lines = [f"# HELP {name} {about}", f"# TYPE {name} gauge"]
    for labels, value in values:
        shown = ",".join(f'{key}="{text}"' for key, text in labels.items())
        lines.append(f"{name}{{{shown}}} {value}" if shown else f"{name} {value}")
    return "\n".join(lines) + "\n"
