"""`midstream check`: what the platform's assumptions and the policy say about a result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from midstream import report
from midstream.adapters import files
from midstream.adapters.sandbox import NoSandbox
from midstream.assumptions import shelf as assumptions
from midstream.checks import shelf as checks
from midstream.checks.view import COMMUNITY, REDHAT, View
from midstream.commands import upstreams
from midstream.commands import workspace as at
from midstream.diagnostic import counted
from midstream.dockerfile.graph import build_graph
from midstream.dockerfile.scan import parse
from midstream.dockerfile.second_reader import read_again
from midstream.errors import Exit, UsageError
from midstream.overlay.select import ship_stage
from midstream.overlay.tables import load_tables
from midstream.sarif import as_sarif
from midstream.source import Source
from midstream.tracing.proving import NO_SANDBOX, no_sandbox
from midstream.tracing.proving import trace as trace_runs
from midstream.ubi.subject import Subject

if TYPE_CHECKING:
    from midstream.cli import Workspace
    from midstream.diagnostic import Diagnostic
    from midstream.rebasing.flow import Rebased


@click.command("check")
@click.argument("path", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--target", "targets", multiple=True, metavar="T", help="A target's result.")
@click.option("--all", "every", is_flag=True, help="Every target's result.")
@click.option("--platform", default="ubi9", show_default=True, help="Of FILE.")
@click.option("--stage", metavar="NAME", help="What FILE ships; its last stage by default.")
@click.option("--profile", type=click.Choice([COMMUNITY, REDHAT]), default=COMMUNITY)
@click.option("--release", metavar="V", help="Of upstream; the locked one by default.")
@click.option("--trace", is_flag=True, help="Run each changed RUN's commands in a sandbox.")
@click.option(
    "--sarif",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the findings as SARIF 2.1.0, for a code scanner's page.",
)
@click.pass_obj
def command(
    workspace: Workspace,
    path: Path | None,
    targets: tuple[str, ...],
    every: bool,
    platform: str,
    stage: str | None,
    profile: str,
    release: str | None,
    trace: bool,
    sarif: Path | None,
) -> int:
    """Check a Dockerfile, or targets' results, against the platform and the policy."""
    if bool(path) + bool(targets) + every != 1:
        raise UsageError("check what?", help="a FILE, --target T, or --all")
    if path is not None and trace:
        raise UsageError(
            "--trace compares a result with upstream, and a file is alone",
            help="name targets, or run: midstream convert --trace FILE",
        )
    if path is not None:
        found = _check_file(workspace, path, platform, stage, profile)
    else:
        found = _check_targets(workspace, targets, profile, release, trace=trace)
    if sarif is not None:
        files.write(sarif, as_sarif(found))
    if workspace.json:
        report.document("check", {"findings": [report.finding_as_json(each) for each in found]})
    else:
        report.show_findings(found)
        report.note(_counted(found))
    if any(each.rule is NO_SANDBOX for each in found):
        return Exit.OUTSIDE
    errors = any(each.is_error or (workspace.strict and each.wants_something) for each in found)
    return Exit.FINDINGS if errors else Exit.OK


def _counted(found: list[Diagnostic]) -> str:
    errors = sum(each.is_error for each in found)
    return f"{counted(errors, 'error')}, {counted(len(found) - errors, 'warning')}"


def _check_file(
    workspace: Workspace, path: Path, platform: str, stage: str | None, profile: str
) -> list[Diagnostic]:
    source = Source.from_bytes(str(path), files.read(path))
    dockerfile = parse(source)
    found = list(dockerfile.diagnostics)
    if any(each.is_error for each in found):
        return found
    tables = load_tables(at.shared_tree(workspace), platform)
    graph = build_graph(dockerfile, {})
    shipped = ship_stage(dockerfile.stages, stage) if stage else dockerfile.stages[-1]
    if shipped is None:
        labels = ", ".join(each.label for each in dockerfile.stages)
        raise UsageError(f"{path} has no stage `{stage}`", help=f"it has {labels}")
    subject = Subject(
        dockerfile=dockerfile,
        graph=graph,
        platform=tables.platform,
        packages=tables.packages,
        images=tables.images,
        live=graph.closure(shipped.index),
    )
    found += assumptions.check_all(subject)
    found += checks.check_all(View(subject, shipped, profile))
    return [*found, *read_again(dockerfile)]


def _check_targets(
    workspace: Workspace,
    targets: tuple[str, ...],
    profile: str,
    release: str | None,
    *,
    trace: bool,
) -> list[Diagnostic]:
    rebaser, origins = upstreams.rebaser(workspace, release, profile=profile)
    wanted = targets or origins.targets()
    found: list[Diagnostic] = []
    done = [rebaser.rebase(target) for target in wanted]
    for rebased in done:
        found += rebased.findings
        found += [question.finding for question in rebased.questions]
    return [*found, *_traced(done, files.cache_root())] if trace else found


def _traced(done: list[Rebased], cache: Path) -> list[Diagnostic]:
    """What the sandbox finds; the first target for which there can't be one ends it."""
    found: list[Diagnostic] = []
    for rebased in done:
        try:
            traced = trace_runs(rebased.subject, parse(rebased.result), rebased.assembled, cache)
        except NoSandbox as error:
            return [*found, no_sandbox(error, rebased.subject)]
        found += traced.findings
        report.note(
            f"{rebased.overlay.target}: {counted(traced.runs, 'changed RUN')} traced, "
            f"{traced.remembered} of them earlier"
        )
    return found
