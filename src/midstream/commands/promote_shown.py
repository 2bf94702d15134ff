"""How a promotion is shown: plans, reports, verdicts and checks, for a person or as JSON."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from midstream import report
from midstream.promotion import plan as plans

if TYPE_CHECKING:
    from pathlib import Path

    from midstream.cli import Workspace
    from midstream.promotion.apply import Event, Report
    from midstream.promotion.plan import Plan
    from midstream.promotion.verify import Verdict


def show_plan(workspace: Workspace, made: Plan) -> None:
    if workspace.json:
        failures = [
            {"image": each.name, "error": each.error.message, "help": each.error.help}
            for each in made.failures
        ]
        report.document("promotion-plan", {"run": made.run, "failures": failures,
                                           "plan": json.loads(made.data)})  # fmt: skip
    else:
        for each in plans.lines(made):
            report.line(report.visible(each))
    for failure in made.failures:
        report.note(f"{failure.name} can't be planned:")
        report.show_error(failure.error)


def say_what_next(made: Plan, out: Path | None, registries: Path | None) -> None:
    if made.exit_code:
        report.line("Nothing was written, and this plan can't be applied.")
    elif out is not None:
        command = again("apply", str(out), registries=registries)
        report.line(f"Nothing was written.  Apply: {command}")
    else:
        report.line("Nothing was written.  To apply it, keep it with `--out plan.json`.")


def again(*words: str, registries: Path | None = None, runs: Path | None = None) -> str:
    """What to type next. Without the same files, other registries would be written to."""
    options = {"--registries": registries, "--runs": runs}
    given = [word for name, path in options.items() if path for word in (name, str(path))]
    return shlex.join(["midstream", "promote", *words, *given])


def told(event: Event) -> str:
    tag = f" {event.tag}" if event.tag else ""
    seconds = f" in {event.seconds:.1f} s" if event.seconds >= 0.05 else ""
    joint = " " if event.what == "waiting" else ": "
    detail = f"{joint}{event.detail}" if event.detail else ""
    return f"{event.what}{tag}{seconds}{detail}"


def show_report(workspace: Workspace, made: Plan, found: Report) -> None:
    if workspace.json:
        report.document("promotion-report", _report_as_json(made, found))
    else:
        for each in found.tags:
            how = "copied" if each.copied else each.why or "was there"
            report.line(report.visible(f"{each.state:<9}  {each.reference}  {how}"))
        counts = {
            state: sum(each.state == state for each in found.tags)
            for state in ("done", "untouched", "unknown")
        }
        summary = ", ".join(f"{number} {state}" for state, number in counts.items())
        report.line(
            f"run {made.run}: {summary}; {found.retries} tried again; "
            f"{plans.size(found.bytes)} in {found.seconds:.1f} s"
        )
    for name, error in found.errors:
        report.note(f"{name} failed:")
        report.show_error(error)


def _report_as_json(made: Plan, found: Report) -> dict[str, Any]:
    return {
        "run": made.run,
        "exit": int(found.exit_code),
        "tags": [
            {
                "image": each.image,
                "reference": each.reference,
                "kind": each.kind,
                "digest": each.digest,
                "previous": each.previous,
                "state": each.state,
                "copied": each.copied,
                "why": each.why,
            }
            for each in found.tags
        ],
        "errors": [
            {"image": name, "error": error.message, "exit": int(error.exit_code)}
            for name, error in found.errors
        ],
        "retries": found.retries,
        "attachments": found.attached,
        "bytes": found.bytes,
        "seconds": round(found.seconds, 3),
    }


def show_verdict(workspace: Workspace, verdict: Verdict) -> None:
    if workspace.json:
        report.document(
            "promotion-verify",
            {
                "exit": int(verdict.exit_code),
                "tags": [
                    {"reference": each.reference, "kind": each.kind, "digest": each.wanted,
                     "there": each.there or None, "holds": each.holds}
                    for each in verdict.tags
                ],
                "lost": [
                    {"repository": where, "attachment": each.attachment.digest, "why": each.why}
                    for where, each in verdict.lost
                ],
            },
        )  # fmt: skip
    else:
        for each in verdict.tags:
            there = f"  holds {each.there}" if each.there and each.there != each.wanted else ""
            report.line(f"{each.holds:<10}  {each.reference}  {each.kind}{there}")
        for where, lost in verdict.lost:
            report.line(f"lost        {where}  {lost.attachment.name} {lost.why}")
    for each in verdict.tags:
        if each.error is not None:
            report.show_error(each.error)
    for error in verdict.errors:
        report.show_error(error)


def show_checks(workspace: Workspace, checks: list[Any]) -> None:
    if workspace.json:
        found = [
            {"about": each.about, "message": each.message, "help": each.help,
             "severity": each.severity, "code": each.rule.code if each.rule else None}
            for each in checks
        ]  # fmt: skip
        report.document("promotion-doctor", {"checks": found})
        return
    for each in checks:
        state = "ok" if each.is_well else f"{each.severity}[{each.rule.code}]"
        report.line(report.visible(f"{state:<14}  {each.about}: {each.message}"))
        if each.help and not each.is_well:
            report.line(report.visible(f"{'':<14}  help: {each.help}"))
