"""`midstream replay`: back-test the overlays over a line of upstream releases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from midstream import report
from midstream.commands import upstreams
from midstream.commands import workspace as at
from midstream.commands.moving import fact_as_json
from midstream.diagnostic import Diagnostic, Rule, Severity, counted
from midstream.errors import Exit, UsageError
from midstream.history.movement import Answer
from midstream.history.past import IDENTITY
from midstream.overlay.choosing import targets as overlaid
from midstream.replaying import Step, Walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from midstream.cli import Workspace
    from midstream.rebasing.flow import Rebaser
    from midstream.upstream.origin import Origin
    from midstream.upstream.snapshot import Snapshot
    from midstream.upstream.sources import Sources


UNUSED = Rule(
    "MS246",
    "unused-mapping",
    """\
**What it says.** `replay --unused` went over these releases, and no target's conversion looked up a
row of `overlays/_shared/packages.yaml`.

**Why it matters.** Nothing proves such a row any more: the package may be gone upstream, or its
name may be wrong.

**The way out.** Take it out, unless `midstream convert` needs it for other Dockerfiles.
""",
)
RULES = (UNUSED,)


@click.command("replay")
@click.option("--target", "targets", multiple=True, metavar="T", help="May be given several times.")
@click.option("--all", "every", is_flag=True, help="Every target that has an overlay.")
@click.option("--releases", metavar="A..B", help="From release A to B; the last ten by default.")
@click.option("--revisions", metavar="A..B",
              help="Over upstream's commits instead: those that touch a Dockerfile.")  # fmt: skip
@click.option("--last", type=click.IntRange(1), help="The last N releases.")
@click.option("--unused", is_flag=True,
              help="List the rows of packages.yaml that none of these rebases needed.")  # fmt: skip
@click.option("--project", metavar="NAME", help="Of upstream/NAME.yaml, where there are several.")
@click.pass_obj
def command(
    workspace: Workspace,
    targets: tuple[str, ...],
    every: bool,
    releases: str | None,
    revisions: str | None,
    last: int | None,
    unused: bool,
    project: str | None,
) -> int:
    """Rebase over releases or commits, each from where the one before left; write nothing."""
    if every == bool(targets):
        raise UsageError("name targets with --target, or take all with --all")
    if revisions and (releases or last):
        raise UsageError("--revisions goes over commits, the others over releases")
    followed = at.project(workspace, project)
    tracker = at.tracker(followed)
    known = overlaid(at.tree(workspace))
    wanted = tuple(t for t in followed.dockerfiles if t in (targets or known) and t in known)
    rebaser, origins = upstreams.rebaser(workspace)

    def origin_of(target: str) -> Origin | None:
        return origins(target) if origins.has(target) else None

    walk = Walk(rebaser, origin_of)
    steps: list[Step] = []
    if revisions:
        for snapshot in _commits(tracker, wanted, revisions):
            origins.use(snapshot)
            steps += walk.steps(snapshot.lock.name, wanted)
    else:
        for name in _chosen([each.version for each in tracker.releases()], releases, last):
            origins.at(name)
            steps += walk.steps(name, wanted)
    found = list(_unneeded(rebaser)) if unused else []
    if workspace.json:
        content = _as_json(steps)
        report.document("replay", {**content, "findings": [*map(report.finding_as_json, found)]})
    else:
        _show(steps)
        report.show_findings(found)
    has_errors = any(step.errors for step in steps) or (workspace.strict and found)
    return Exit.FINDINGS if has_errors else Exit.OK


def _unneeded(rebaser: Rebaser) -> Iterator[Diagnostic]:
    """A finding for each stretch of rows that no target needed on any platform."""
    by_platform = list(rebaser.unused_packages().values())
    named = [{row.debian for row in rows} for rows in by_platform]
    everywhere = set.intersection(*named) if named else set()
    rows = [row for row in by_platform[0] if row.debian in everywhere] if by_platform else []
    for row in rows:
        yield Diagnostic(
            rule=UNUSED,
            severity=Severity.WARNING,
            message=f"no target needed the row of `{row.debian}` at any of these releases",
            source=row.place.source,
            span=row.place.span,
            help="take it out, if nobody converts other Dockerfiles with this table",
        )


def _commits(sources: Sources, targets: Sequence[str], said: str) -> tuple[Snapshot, ...]:
    first, dots, final = said.partition("..")
    if not (first and dots):
        raise UsageError(f"`{said}` is no line of commits", help="older..newer, by tag or whole id")
    tracked = sources.project.dockerfiles
    paths = sorted({path for target in targets for path in tracked[target].paths})
    return sources.git.line(first, final or sources.git.ref(None), paths)


def _chosen(known: Sequence[str], releases: str | None, last: int | None) -> list[str]:
    if releases is None:
        return list(known[-(last or 10) :])
    first, dots, final = releases.partition("..")
    for name in (first, final):
        if name and name not in known:
            raise UsageError(f"no release {name}", help=f"newest: {', '.join(known[-3:])}")
    if not dots:
        return [first]
    start = known.index(first) if first else 0
    end = known.index(final) + 1 if final else len(known)
    if start >= end:
        raise UsageError(f"`{releases}` holds no release", help="older..newer")
    return list(known[start:end])


def _show(steps: list[Step]) -> None:
    header = ("RELEASE", "TARGET", "TAKEN", "FACTS", "ASIDE", "ASKED", "ERRORS", "")
    rows = [_row(step) for step in steps]
    total = {answer: sum(step.counts.get(answer, 0) for step in steps) for answer in Answer}
    questions = sum(len(step.questions) for step in steps)
    errors = sum(step.errors for step in steps)
    rows.append(
        (
            "total", counted(len(steps), "rebase"),
            str(total[Answer.TAKEN]), str(total[Answer.FACT]),
            str(total[Answer.SET_ASIDE]), str(questions), str(errors), "",
        )
    )  # fmt: skip
    report.table(header, rows)


def _row(step: Step) -> tuple[str, ...]:
    def count(answer: Answer) -> str:
        return str(step.counts.get(answer, 0)) if step.counts else "-"

    # That the file is another one now is why so much changed: it stands where it is seen.
    questions = sorted(step.questions, key=lambda name: name != IDENTITY)
    said = step.problem or ", ".join(_with_commits(step, each) for each in questions)
    return (
        step.revision, step.target, count(Answer.TAKEN), count(Answer.FACT),
        count(Answer.SET_ASIDE), str(len(step.questions)), str(step.errors),
        said if len(said) <= 100 else f"{said[:99]}…",
    )  # fmt: skip


def _with_commits(step: Step, question: str) -> str:
    """A question, and the commits behind it but the one that the step is at."""
    ids = [each.id[:12] for each in step.commits.get(question, ())]
    others = [name for name in ids if name != step.revision]
    was = f"was {step.predecessor}" if question == IDENTITY and step.predecessor else ""
    by = f"by {', '.join(others)}" if others else ""
    more = ", ".join(filter(None, (was, by)))
    return f"{question} ({more})" if more else question


def _as_json(steps: list[Step]) -> dict[str, object]:
    return {
        "steps": [
            {
                "revision": step.revision,
                "target": step.target,
                "counts": {str(answer): n for answer, n in step.counts.items()},
                "facts": [fact_as_json(each) for each in step.facts],
                "questions": list(step.questions),
                "errors": step.errors,
                "problem": step.problem,
                "commits": {
                    name: [report.commit_as_json(each) for each in commits]
                    for name, commits in step.commits.items()
                },
            }
            for step in steps
        ],
        "asked": sum(len(step.questions) for step in steps),
        "errors": sum(step.errors for step in steps),
    }
