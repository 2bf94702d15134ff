"""`midstream status`: what each target carries, how far behind it is, and what is published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from midstream import report
from midstream.commands import workspace as at
from midstream.commands.sync import Duration, job, one_run, wanted_targets
from midstream.diagnostic import counted
from midstream.errors import Exit, MidstreamError
from midstream.overlay.load import load_overlay
from midstream.sync.status import Status, status, without_upstream

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from midstream.adapters.endpoint import Endpoint
    from midstream.cli import Workspace
    from midstream.overlay.model import Overlay
    from midstream.sync.running import Sync
    from midstream.upstream.lock import Lock

_LABEL = "io.midstream.upstream"


class Published(Struct, frozen=True):
    """What a tag holds. `upstream` is what its label says; None where the tag isn't there."""

    tag: str
    digest: str | None
    upstream: str | None
    problem: str = ""


@click.command("status")
@click.option("--target", "targets", multiple=True, metavar="T", help="May be given several times.")
@click.option("--repo", metavar="DIR|URL", help="The midstream's repository; this one by default.")
@click.option("--base", metavar="BRANCH", help="What changes are made on; the default branch.")
@click.option("--remote", is_flag=True, help="Look at the branches of the remote, not here.")
@click.option("--to", "ref", metavar="REF", help="A branch, tag, tag pattern or commit to compare.")
@click.option("--max-age", "most", type=Duration(), metavar="26h",
              help="Exit with 1 where a change waits longer and nobody was asked.")  # fmt: skip
@click.option("--images/--no-images", default=True, help="Whether to read what is published.")
@click.option("--registries", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Where registries really are, as for promote.")  # fmt: skip
@click.option("--project", metavar="NAME", help="Of upstream/NAME.yaml, where there are several.")
@click.pass_obj
def command(
    workspace: Workspace,
    targets: tuple[str, ...],
    repo: str | None,
    base: str | None,
    remote: bool,
    ref: str | None,
    most: float | None,
    images: bool,
    registries: Path | None,
    project: str | None,
) -> int:
    """Say what each target carries, what upstream has by now, and whether a sync goes on."""
    followed = at.project(workspace, project)
    made = job(
        workspace, followed, repo or str(workspace.root), base, ref, pushes=remote, dry_run=True
    )
    wanted = wanted_targets(workspace, followed, targets)
    problem: MidstreamError | None = None
    with one_run(made, wait=60):
        try:
            results = made.run(wanted)
            found = [status(made, each) for each in results]
        except MidstreamError as error:
            if error.exit_code not in (Exit.OUTSIDE, Exit.TRANSIENT, Exit.AUTHENTICATION):
                raise
            results, found, problem = [], without_upstream(made, wanted), error
    published: Mapping[str, list[Published]] = {}
    if images:
        published = _published(workspace, followed.name, found, at.endpoints(registries))
    forgotten = [each for each in found if most is not None and each.is_forgotten(most)]
    if workspace.json:
        report.document("status", _as_json(made, found, published, forgotten))
    else:
        _show(found, published)
    for each in forgotten:
        report.note(f"{each.target}: {_hours(each.waiting)} behind, and no sync took care of it")
    failed = [each.exit for each in results if each.error is not None]
    if problem is not None:
        report.show_error(problem)
        failed.append(Exit(problem.exit_code))
    return Exit.worst([*failed, *([Exit.FINDINGS] if forgotten else [])])


def _published(
    workspace: Workspace,
    project: str,
    found: Iterable[Status],
    endpoints: Mapping[str, Endpoint],
) -> dict[str, list[Published]]:
    """What the registry holds under the tags of each target's overlay, and under its release."""
    from midstream.adapters.skopeo import Skopeo
    from midstream.upstream.image import image

    def read(repository: str, tag: str) -> Published:
        try:
            held = skopeo.inspect(image(f"{repository}:{tag}", endpoints))
        except MidstreamError as error:
            return Published(tag, None, None, error.message)
        if held is None:
            return Published(tag, None, None, "not there")
        return Published(tag, held.digest, held.labels.get(_LABEL))

    with Skopeo(timeout=30) as skopeo:
        return {
            each.target: [read(repository, tag) for tag in tags]
            for each in found
            for repository, tags in [_where(workspace, project, each)]
            if repository
        }


def _where(workspace: Workspace, project: str, each: Status) -> tuple[str, list[str]]:
    lock = at.lock(workspace, project) or each.carried
    try:
        version = lock.counts_as if lock else None
        overlay = load_overlay(at.tree(workspace), each.target, version)
    except MidstreamError:
        return "", []
    if overlay.promote is None:
        return "", []
    return overlay.promote.repository.text, _tags(overlay, lock)


def _tags(overlay: Overlay, lock: Lock | None) -> list[str]:
    """The plain tags of the overlay, and the release that is locked; templates aren't filled in."""
    promote = overlay.promote
    said = [value.text for values in promote.tags.values() for value in values] if promote else []
    plain = [text for text in said if "{{" not in text]
    return list(dict.fromkeys([*plain, *([lock.release] if lock and lock.release else [])]))


# --- showing ---


def _show(found: list[Status], published: Mapping[str, list[Published]]) -> None:
    newest = {each.newest.label: each.newest.date for each in found if each.newest}
    for label, date in newest.items():
        report.line(f"upstream: {label} of {date[:10]}")
    header = ("TARGET", "CARRIES", "OF", "BEHIND BY", "QUESTIONS", "PUBLISHED")
    rows = [
        (
            each.target,
            each.carried.label if each.carried else "nothing",
            each.carried.date[:10] if each.carried else "-",
            _behind(each),
            str(len(each.questions)) if each.questions else "-",
            "; ".join(_held(tag) for tag in published.get(each.target, ())) or "-",
        )
        for each in found
    ]
    report.table(header, [tuple(report.visible(cell) for cell in row) for row in rows])


def _behind(each: Status) -> str:
    if each.newest is None:
        return each.said
    if each.said and each.outcome in ("failed", "stopped", "held back"):
        return f"{each.outcome}: {each.said}"
    if not each.is_behind:
        return "-"
    return f"{counted(each.changes, 'change')}, {each.days:.1f} days"


def _held(tag: Published) -> str:
    said = tag.upstream or "an image that doesn't say its upstream" if tag.digest else tag.problem
    return f"{tag.tag}: {said}"


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours"


def _as_json(
    made: Sync,
    found: list[Status],
    published: Mapping[str, list[Published]],
    forgotten: list[Status],
) -> dict[str, object]:
    return {
        "project": made.project.name,
        "newest": _lock_as_json(next((each.newest for each in found), None)),
        "targets": [
            {
                "target": each.target,
                "outcome": str(each.outcome),
                "carried": _lock_as_json(each.carried),
                "changes": each.changes,
                "days": round(each.days, 3),
                "waiting_seconds": round(each.waiting),
                "questions": list(each.questions),
                "forgotten": each in forgotten,
                "said": each.said or None,
                "published": [
                    {
                        "tag": tag.tag,
                        "digest": tag.digest,
                        "upstream": tag.upstream,
                        "problem": tag.problem or None,
                    }
                    for tag in published.get(each.target, ())
                ],
            }
            for each in found
        ],
    }


def _lock_as_json(lock: Lock | None) -> dict[str, object] | None:
    if lock is None:
        return None
    return {"release": lock.release or None, "commit": lock.commit, "date": lock.date}
