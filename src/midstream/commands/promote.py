"""`midstream promote`: give tested images their names, by digest, and prove it.

Every import that a subcommand needs is its own: a finished plan that is applied again should cost
little more than starting.
"""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from midstream import report
from midstream.diagnostic import counted
from midstream.errors import Exit, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from midstream.adapters.endpoint import Endpoint
    from midstream.adapters.skopeo import Skopeo
    from midstream.cli import Workspace
    from midstream.promotion.apply import Event, Report
    from midstream.promotion.outside import Registries
    from midstream.promotion.plan import Pacing, Plan
    from midstream.promotion.planning import Order
    from midstream.promotion.policy import Policy
    from midstream.promotion.record import Record
    from midstream.promotion.runs import Runs

_F = TypeVar("_F", bound="Callable[..., Any]")
_FILE = click.Path(path_type=Path, dir_okay=False)


def _with(*options: Callable[[_F], _F]) -> Callable[[_F], _F]:
    def add(function: _F) -> _F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


_registries = click.option(
    "--registries", type=_FILE, help="Where registries really are: name -> address, CA, authfile."
)
_jobs = click.option("--jobs", type=click.IntRange(1, 64), default=4, show_default=True)
_runs = click.option(
    "--runs",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where runs are kept. By default $XDG_STATE_HOME/midstream/runs.",
)
_metrics = click.option("--metrics", type=_FILE, help="Write figures for Prometheus to this file.")
_choice = _with(
    click.option("--only", "names", multiple=True, metavar="NAME", help="Only this image."),
    click.option("--group", metavar="G", help="All images of this group."),
    click.option("--digest", "digests", multiple=True, metavar="[NAME=]sha256:…",
                 help="This digest, in place of the source's tag."),
    click.option("--set", "values", multiple=True, metavar="NAME=VALUE",
                 help="A value for the templates of tags and labels."),
    click.option("--allow", "allowed", multiple=True, metavar="CODE=REASON",
                 help="Let a finding pass; the reason goes into plan and record."),
)  # fmt: skip
_carrying = _with(
    _runs,
    _metrics,
    click.option("--settle", type=float, default=10.0, show_default=True, metavar="SECONDS",
                 help="How long a registry may take to show what it took."),
    click.option("--timeout", type=click.FloatRange(1), default=600.0, show_default=True,
                 metavar="SECONDS", help="For how long a copy may move no byte."),
    click.option("--attempts", type=click.IntRange(1, 50), default=5, show_default=True,
                 help="How often what may pass is tried."),
    click.option("--policy", type=_FILE, help="containers-policy.json(5), for signatures."),
    click.option("--attach-record", is_flag=True, help="Attach the record to each digest."),
)  # fmt: skip


@click.group("promote")
def command() -> None:
    """Copy tested images to their registry, by digest, and prove that they arrived."""


@command.command("plan")
@_with(_choice, _registries, _jobs, _runs)
@click.option("--out", type=_FILE, help="Write the plan, for `apply`.")
@click.pass_obj
def plan(
    workspace: Workspace,
    /,
    registries: Path | None,
    jobs: int,
    runs: Path | None,
    out: Path | None,
    **choice: Any,
) -> int:
    """Look at sources and destinations, and say what a promotion would do. Only reads."""
    from midstream.commands import promote_shown as shown

    order = _order(workspace, runs, choice)
    with _outside(registries, order.policy.registries) as outside:
        made = _make(order, outside, jobs)
    shown.show_plan(workspace, made)
    if not made.failures and made.units:
        if out is not None:
            _write(out, made.data)
        if not workspace.json:
            shown.say_what_next(made, out, registries)
    warned = any(each.severity != "error" for unit in made.units for each in unit.findings)
    return made.exit_code or (Exit.FINDINGS if warned and workspace.strict else Exit.OK)


@command.command("apply")
@click.argument("plan_file", required=False, metavar="[PLAN]", type=_FILE)
@click.option("--confirm", is_flag=True, help="Without a plan file: plan, and apply that at once.")
@_with(_choice, _registries, _jobs, _carrying)
@click.pass_obj
def apply(
    workspace: Workspace,
    /,
    plan_file: Path | None,
    confirm: bool,
    registries: Path | None,
    jobs: int,
    names: tuple[str, ...],
    group: str | None,
    digests: tuple[str, ...],
    values: tuple[str, ...],
    allowed: tuple[str, ...],
    **how: Any,
) -> int:
    """Carry a plan out. A tag that isn't as it was when the plan was made is refused."""
    from midstream.commands import promote_shown as shown

    choice = {
        "names": names, "group": group, "digests": digests, "values": values, "allowed": allowed
    }  # fmt: skip
    if (plan_file is None) is not confirm:
        raise UsageError(
            "name a plan to apply, or say `--confirm` to plan and apply at once",
            help="midstream promote plan --out plan.json, then midstream promote apply plan.json",
        )
    if plan_file is not None:
        if any(choice.values()):
            raise UsageError("a plan file says all; other choices go with `--confirm`")
        made = _read_plan(plan_file)
        how["registries"] = registries
        with _outside(registries, made.pacing, how) as outside:
            return _carry_out(workspace, made, outside, jobs, how)
    order = _order(workspace, how["runs"], choice)
    with _outside(registries, order.policy.registries, how) as outside:
        how |= {"planned": time.monotonic(), "registries": registries}
        made = _make(order, outside, jobs)
        if made.failures or not workspace.json:
            shown.show_plan(workspace, made)
        return made.exit_code if made.failures else _carry_out(workspace, made, outside, jobs, how)


@command.command("resume")
@click.argument("run")
@_with(_registries, _jobs, _carrying)
@click.pass_obj
def resume(
    workspace: Workspace, /, run: str, registries: Path | None, jobs: int, **how: Any
) -> int:
    """Go on with a run that was cut off. The registry says what is done, and not the journal."""
    kept = _runs_in(how["runs"])
    made, entries = kept.plan(run), kept.journal(run)
    doubtful = _unfinished(entries)
    report.note(
        f"{made.run}: {counted(len(entries), 'step')} in the journal, {len(doubtful)} not finished"
    )
    for each in doubtful:
        report.note(f"  begun and not seen to end: {each}")
    how["registries"] = registries
    with _outside(registries, made.pacing, how) as outside:
        return _carry_out(workspace, made, outside, jobs, how)


@command.command("verify")
@click.argument("run")
@_with(_registries, _jobs, _runs, _metrics)
@click.pass_obj
def verify(
    workspace: Workspace,
    run: str,
    registries: Path | None,
    jobs: int,
    runs: Path | None,
    metrics: Path | None,
) -> int:
    """Whether the destinations still hold what a run's record says."""
    from midstream.commands import promote_shown as shown
    from midstream.promotion import verify as verifying

    record = _runs_in(runs).record(run)
    with _outside(registries, {}) as outside:
        verdict = verifying.verify(record, outside, jobs=jobs)
    if metrics is not None:
        from midstream.promotion import metrics as figures

        _write(metrics, figures.of_verdict(verdict).encode())
    shown.show_verdict(workspace, verdict)
    return verdict.exit_code


@command.command("rollback")
@click.argument("run")
@click.option("--tag", "tags", multiple=True, metavar="T", help="Only this floating tag.")
@_with(_registries, _jobs, _carrying)
@click.pass_obj
def rollback(
    workspace: Workspace,
    /,
    run: str,
    tags: tuple[str, ...],
    registries: Path | None,
    jobs: int,
    **how: Any,
) -> int:
    """Point a run's floating tags back to what they held before, by copying that digest."""
    from midstream.commands import promote_shown as shown
    from midstream.promotion import rollback as rolling

    record = _runs_in(how["runs"]).record(run)
    how["registries"] = registries
    with _outside(registries, {}, how) as outside:
        made = rolling.plan(record, outside, tags=tags)
        for each in rolling.stays(record, tags=tags):
            report.note(f"{each} stays: the run made it, so there is nothing to go back to")
        if not made.units:
            report.note("nothing to roll back")
            return Exit.OK
        if not workspace.json:
            shown.show_plan(workspace, made)
        return _carry_out(workspace, made, outside, jobs, how)


@command.command("snapshot")
@click.argument("repository")
@click.option("--compare", type=_FILE, help="An earlier snapshot: show what changed since.")
@click.option("--out", type=_FILE, help="Write it to this file, to compare with later.")
@_with(_registries, _jobs)
@click.pass_obj
def snapshot(
    workspace: Workspace,
    repository: str,
    compare: Path | None,
    out: Path | None,
    registries: Path | None,
    jobs: int,
) -> int:
    """What every tag of a repository holds now, and what changed since an earlier time."""
    import json

    from midstream.adapters import files
    from midstream.promotion import snapshot as taking
    from midstream.promotion.reference import Repository

    with _outside(registries, {}) as outside:
        taken = taking.take(outside.side(Repository.parse(repository)), jobs=jobs)
    if out is not None:
        _write(out, f"{json.dumps(taken.as_json(), indent=1)}\n".encode())
    if compare is None:
        if workspace.json:
            report.document("snapshot", taken.as_json())
        else:
            report.table(("tag", "digest"), sorted(taken.tags.items()))
        return Exit.OK
    found = taking.difference(taking.parse(files.read(compare), str(compare)), taken)
    if workspace.json:
        report.document("snapshot-difference", found.as_json())
    else:
        for tag, digest in sorted(found.added.items()):
            report.line(f"+ {tag}  {digest}")
        for tag, digest in sorted(found.removed.items()):
            report.line(f"- {tag}  {digest}")
        for tag, (old, new) in sorted(found.moved.items()):
            report.line(f"~ {tag}  {old} -> {new}")
    return Exit.FINDINGS if found else Exit.OK


@command.command("doctor")
@click.option("--write", is_flag=True, help="Begin an upload in each destination, and cancel it.")
@click.option("--policy", type=_FILE, help="containers-policy.json(5), for signatures.")
@_registries
@click.pass_obj
def doctor(workspace: Workspace, write: bool, policy: Path | None, registries: Path | None) -> int:
    """Whether a promotion could be done from here: skopeo, logins, TLS, clocks, repositories."""
    from midstream.commands import promote_shown as shown
    from midstream.promotion import doctor as looking

    read = _read_policy(workspace)
    checks: list[looking.Check] = []
    with _outside(registries, read.registries) as outside:
        checks.append(looking.check_skopeo(outside.skopeo.version_text))
        if policy is not None:
            checks.append(looking.check_policy(policy))
        sources = {each.origin.repository for each in read.images.values()}
        targets = {each.destination for each in read.images.values()}
        hosts = sorted({each.host for each in sources | targets})
        logins: dict[Path | None, list[tuple[str, str]]] = {}
        for each in sorted(sources | targets):
            endpoint = outside.endpoint(each.host)
            asked_for = (endpoint.address or endpoint.host, each.path)
            logins.setdefault(endpoint.authfile, []).append(asked_for)
        checks += [looking.check_authfile(path, logins[path]) for path in sorted(logins, key=str)]
        for host in hosts:
            registry = outside.registry(host)
            checks += looking.check_registry(registry, time.time())
        checks += [
            looking.check_readable(outside.side(each), must_exist=each in sources)
            for each in sorted(sources | targets)
        ]
        if write:
            checks += [looking.check_writable(outside.side(each)) for each in sorted(targets)]
    shown.show_checks(workspace, checks)
    return looking.exit_code(checks)


# --- what they share -------------------------------------------------------------------------


def _order(workspace: Workspace, runs: Path | None, choice: Mapping[str, Any]) -> Order:
    from midstream.commands import ordering

    policy = _read_policy(workspace)
    seen = _runs_in(runs).seen
    return ordering.order(workspace, policy, now=datetime.now(UTC), seen_before=seen, **choice)


def _make(order: Order, outside: Registries, jobs: int) -> Plan:
    from midstream.promotion import planning

    return planning.make(order, outside, jobs=jobs)


def _carry_out(
    workspace: Workspace, made: Plan, outside: Registries, jobs: int, how: Mapping[str, Any]
) -> int:
    from midstream.commands import promote_shown as shown
    from midstream.promotion import apply as applying
    from midstream.promotion import plan as plans
    from midstream.promotion.journal import Journal

    applying.refuse_if_it_refuses(made)
    kept = _runs_in(how["runs"])
    folder = kept.keep(made)
    rows = {
        each.name: f"{plans.size(each.size)}, {counted(each.layers, 'layer')}"
        for each in made.units
    }
    with Journal(folder, now=_now) as held, report.Following(rows.items()) as following:
        if not held.entries and any(each.until for each in made.units):  # begun in time, it may end
            from midstream.promotion import gates

            gates.refuse_what_became_too_old(made, datetime.now(UTC))

        def observe(event: Event) -> None:
            # A retry is told by the registry's gate, with the time until then.
            if event.what != "retry" and (workspace.verbose or event.what != "unchanged"):
                following.say(event.image, shown.told(event))

        way = applying.Way(jobs, how["settle"], observe, how.get("planned", -math.inf))
        found = applying.carry_out(made, outside, held, way)
        if found.is_done:
            _record(made, found, kept, outside, attach=how["attach_record"])
    if how["metrics"] is not None:
        from midstream.promotion import metrics as figures

        _write(how["metrics"], figures.of_report(found).encode())
    shown.show_report(workspace, made, found)
    if found.stopped is not None:
        command = shown.again("resume", made.run, registries=how["registries"], runs=how["runs"])
        report.note(f"interrupted; go on with: {command}")
    return found.exit_code


def _record(made: Plan, found: Report, kept: Runs, outside: Registries, *, attach: bool) -> None:
    def record() -> Record:
        from midstream.promotion import record as recording

        return recording.make(made, found, finished=_now("s"), skopeo=outside.skopeo_used)

    kept.keep_record(made, record)
    if attach:
        from midstream.promotion import record as recording

        for each in recording.attach(kept.record(made.run), outside):
            report.note(f"record attached to {each.subject} as {each.digest}")


def _now(precision: str = "ms") -> str:
    """As RFC 3339 writes it."""
    now = time.time()
    part = f".{int(now * 1000) % 1000:03}" if precision == "ms" else ""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}{part}Z"


def _outside(
    registries: Path | None, pacing: Mapping[str, Pacing], how: Mapping[str, Any] | None = None
) -> Registries:
    from midstream.promotion.outside import Registries
    from midstream.promotion.pace import Gates, Patience

    how = how or {}
    gates = Gates(
        pacing,
        patience=Patience(attempts=how.get("attempts", 5)),
        on_retry=lambda host, error, pause: report.note(
            f"{host}: {error.message}; again in {pause:.1f} s"
        ),
    )

    def skopeo() -> Skopeo:
        from midstream.adapters.skopeo import Skopeo

        return Skopeo(how.get("policy"), timeout=how.get("timeout", 600.0))

    return Registries(_endpoints(registries), gates, skopeo)


def _endpoints(path: Path | None) -> Mapping[str, Endpoint]:
    if path is None:
        return {}
    from midstream.adapters import files
    from midstream.promotion import registries
    from midstream.source import Source

    return registries.read(Source.from_bytes(str(path), files.read(path)), path.parent)


def _read_policy(workspace: Workspace) -> Policy:
    from midstream.commands import ordering

    return ordering.policy(workspace)


def _read_plan(path: Path) -> Plan:
    from midstream.adapters import files
    from midstream.promotion import plan as plans

    return plans.parse(files.read(path), str(path))


def _runs_in(folder: Path | None) -> Runs:
    from midstream.adapters import files
    from midstream.promotion.runs import Runs

    return Runs(folder or files.state_root() / "runs")


def _unfinished(entries: list[Any]) -> list[str]:
    """The tags that were begun, and of which nobody saw the end."""
    open_: dict[str, None] = {}
    for each in entries:
        name = f"{each.fields.get('image')} {each.fields.get('tag') or 'attachments'}"
        if each.step == "intent":
            open_[name] = None
        elif each.step == "verified":
            open_.pop(name, None)
    return list(open_)


def _write(path: Path, data: bytes) -> None:
    from midstream.adapters import files

    files.write(path, data)
