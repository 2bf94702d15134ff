"""`midstream sync`: look at upstream, and give each target that moved a commit on its branch."""

from __future__ import annotations

import hashlib
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from midstream import report
from midstream.adapters import files, process, repository
from midstream.adapters.locking import locked
from midstream.commands import workspace as at
from midstream.errors import Exit, UsageError
from midstream.overlay.choosing import targets as overlaid

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from midstream.adapters.forge import Forge
    from midstream.adapters.repository import Repository
    from midstream.cli import Workspace
    from midstream.commands.upstreams import Origins
    from midstream.history.decisions import Decisions
    from midstream.overlay.model import Overlay
    from midstream.rebasing.flow import Rebased, Rebaser
    from midstream.sync.reviewing import Reviewed
    from midstream.sync.running import Result, Sync
    from midstream.upstream.config import Project
    from midstream.upstream.lock import Lock
    from midstream.upstream.snapshot import Snapshot

_UNITS = {"m": 60, "h": 3600, "d": 86400}


class Duration(click.ParamType[float]):
    """`30m`, `6h`, `2d`: in seconds."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([mhd])", str(value))
        if found is None:
            self.fail(f"`{value}` is no time such as 30m, 6h or 2d", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


class Pattern(click.ParamType[re.Pattern[str]]):
    name = "regex"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> re.Pattern[str]:
        try:
            return re.compile(str(value))
        except re.error as error:
            self.fail(f"`{value}` is no regular expression: {error}", param, ctx)


@click.command("sync")
@click.option("--target", "targets", multiple=True, metavar="T", help="May be given several times.")
@click.option("--all", "every", is_flag=True, help="Every target that has an overlay.")
@click.option("--repo", metavar="DIR|URL", help="The midstream's repository; this one by default.")
@click.option("--base", metavar="BRANCH", help="What changes are made on; the default branch.")
@click.option("--to", "ref", metavar="REF", help="A branch, tag, tag pattern or commit to follow.")
@click.option("--with-image", is_flag=True,
              help="Follow the newest commit whose image upstream published.")  # fmt: skip
@click.option("--registries", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Where registries really are, as for promote.")  # fmt: skip
@click.option("--push", is_flag=True, help="Move the branches at the remote, not here.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@click.option("--quiet-period", "quiet", type=Duration(), default="0m", metavar="6h",
              help="Wait until upstream left the watched files alone for so long.")  # fmt: skip
@click.option("--skip", type=Pattern(), metavar="REGEX",
              help="Wait while all upstream commits since have such a subject.")  # fmt: skip
@click.option("--wait", type=Duration(), default="0m", metavar="10m",
              help="Wait for another run that is under way; without it, exit with 75.")  # fmt: skip
@click.option("--describe", "folder", type=click.Path(path_type=Path, file_okay=False),
              metavar="DIR", help="Write what each change is about, in Markdown.")  # fmt: skip
@click.option("--open-pr", "forge", type=click.Choice(["github", "gitlab"]),
              help="Keep one pull request open for each branch; with --push.")  # fmt: skip
@click.option("--project", metavar="NAME", help="Of upstream/NAME.yaml, where there are several.")
@click.pass_obj
def command(
    workspace: Workspace,
    targets: tuple[str, ...],
    every: bool,
    repo: str | None,
    base: str | None,
    ref: str | None,
    with_image: bool,
    registries: Path | None,
    push: bool,
    dry_run: bool,
    quiet: float,
    skip: re.Pattern[str] | None,
    wait: float,
    folder: Path | None,
    forge: str | None,
    project: str | None,
) -> int:
    """Follow upstream: rebase what moved, and commit it on `midstream/<target>`, unattended."""
    if every == bool(targets):
        raise UsageError("name targets with --target, or take all with --all")
    made = job(
        workspace, at.project(workspace, project), repo or str(workspace.root), base, ref,
        pushes=push, dry_run=dry_run, quiet=quiet, skip=skip,
    )  # fmt: skip
    if with_image:
        commit = at.commit_with_image(made.source, made.options.ref, registries)
        made.options = replace(made.options, commit=commit)
        made.upstream = partial(made.source.lock, commit)
    wanted = wanted_targets(workspace, made.project, targets)
    with _forge(forge, made) as pulls, one_run(made, wait):
        found = made.run(wanted)
        reviewed = _review(pulls, made, found) if pulls else []
        if folder is not None:
            _write_descriptions(folder, made, found)
    _show(workspace, made, found, reviewed)
    return Exit.worst([*(each.exit for each in found), *(each.exit for each in reviewed)])


def job(
    workspace: Workspace,
    project: Project,
    where: str,
    base: str | None,
    ref: str | None,
    **how: Any,
) -> Sync:
    """A run over one project, with its repository opened. Raises `UsageError`."""
    source = at.tracker(project).git
    full = source.ref(ref)
    # Upstream is asked first, and answers while everything else is looked at.
    upstream = ThreadPoolExecutor(1).submit(source.lock, full)
    try:
        newest = project.git is not None and ref == project.git.tags
        return _job(workspace, project, where, base, full, upstream.result, newest=newest, **how)
    except BaseException:
        process.end_all()
        raise


def _job(
    workspace: Workspace,
    project: Project,
    where: str,
    base: str | None,
    ref: str,
    upstream: Callable[[], Lock],
    *,
    newest: bool,
    pushes: bool,
    dry_run: bool,
    quiet: float = 0,
    skip: re.Pattern[str] | None = None,
) -> Sync:
    from midstream.sync.running import Options, Sync

    caches = files.cache_root()
    token = os.environ.get(repository.TOKEN, "")
    kept = repository.open_repository(where, caches, pushes=pushes, token=token)
    options = Options(
        ref=ref, base=_base(kept, base), newest=newest, pushes=kept.remote is not None,
        dry_run=dry_run, quiet=quiet, skip=skip, now=time.time(),
    )  # fmt: skip
    rebase, known = _rebasing(workspace)
    inside = _inside(workspace.root, kept)
    return Sync(
        project, at.tracker(project).git, kept, at.tree(workspace), options, upstream, rebase,
        known, caches / "sync",
        prefix=inside or "",
        fits=_fits(workspace.root, kept) if inside is not None else lambda _base: "",
    )  # fmt: skip


def one_run(made: Sync, wait: float) -> AbstractContextManager[None]:
    """The lock that only one run over a repository holds."""
    kept = made.repository
    name = hashlib.sha256(kept.name.encode()).hexdigest()[:16]
    return locked(made.memory / f"{name}.lock", f"syncs {kept.name}", wait)


def _forge(kind: str | None, made: Sync) -> AbstractContextManager[Forge | None]:
    """Raises `UsageError`, and `ForgeForbids` where there is no token."""
    kept = made.repository
    if kind is None or made.options.dry_run:
        return nullcontext()
    if kept.address is None:
        raise UsageError("--open-pr needs a branch at the forge", help="add --push")
    from midstream.adapters.forge import open_forge

    where = os.environ.get("MIDSTREAM_FORGE_REPOSITORY") or kept.address.url
    return open_forge(kind, where)


def _review(pulls: Forge, job: Sync, found: list[Result]) -> list[Reviewed]:
    from midstream.sync.reviewing import review

    return [review(pulls, job.options.base, each, job.is_moot, job.describe) for each in found]


def _write_descriptions(folder: Path, job: Sync, found: list[Result]) -> None:
    """A file for each target that moved or asks: the whole, and what fits where that is less."""
    from midstream.sync.running import Outcome

    for each in found:
        if each.rebased is None or each.outcome is Outcome.SAME:
            continue
        said = job.describe(each)
        files.write(folder / f"{each.target}.md", said.whole.encode("utf-8", "replace"))
        if said.is_cut:
            files.write(folder / f"{each.target}.cut.md", said.body.encode("utf-8", "replace"))


def wanted_targets(
    workspace: Workspace, project: Project, targets: tuple[str, ...]
) -> tuple[str, ...]:
    """The named ones, or all with an overlay. Raises `UsageError` for one that isn't there."""
    for target in targets:
        if target not in project.dockerfiles:
            known = ", ".join(project.dockerfiles)
            raise UsageError(f"{project.source.name} has no target `{target}`", help=known)
    there = overlaid(at.tree(workspace))
    return targets or tuple(target for target in project.dockerfiles if target in there)


def _base(kept: Repository, named: str | None) -> str:
    found = named or repository.head_branch(kept)
    if found is None:
        raise UsageError(
            f"{kept.name} has no branch checked out to make changes on",
            help="say which: --base main",
        )
    return found


def _rebasing(
    workspace: Workspace,
) -> tuple[Callable[[Snapshot, str], Rebased], Callable[[Overlay], Decisions | None]]:
    """What rebases a target, and what its lock says. Most runs find that nothing moved, and don't
    need all that a rebase imports."""

    @cache
    def made() -> tuple[Rebaser, Origins]:
        from midstream.commands import upstreams

        return upstreams.rebaser(workspace)

    def rebase(snapshot: Snapshot, target: str) -> Rebased:
        rebaser, origins = made()
        origins.use(snapshot)
        return rebaser.rebase(target)

    return rebase, lambda overlay: made()[0].known_decisions(overlay, None)


def _inside(root: Path, kept: Repository) -> str | None:
    """The tree's path in the repository, with a `/` at its end; None where it stands elsewhere."""
    try:
        path = root.absolute().resolve().relative_to(kept.folder.resolve())
    except ValueError:
        return None
    return "" if str(path) == "." else f"{path}/"


def _fits(root: Path, kept: Repository) -> Callable[[str | None], str]:
    """What says how this tree differs from the one that commits are made on."""

    def fits(base: str | None) -> str:
        changed = kept.changed_since(base, root, ("overlays", "upstream"))
        return f"`{changed[0]}` here isn't what the base branch has" if changed else ""

    return fits


# --- showing ---


def _show(workspace: Workspace, job: Sync, found: list[Result], reviewed: list[Reviewed]) -> None:
    from midstream.sync.running import Outcome

    if workspace.json:
        report.document("sync", _as_json(job, found, reviewed))
    for each in found:
        if each.rebased is not None and each.outcome in (Outcome.ASKED, Outcome.ERRORS):
            questions = (question.finding for question in each.rebased.questions)
            report.show_findings([*each.rebased.findings, *questions])
        if each.error is not None:
            report.show_error(each.error)
    if not workspace.json:
        lock = job.inputs.lock
        report.line(f"upstream: {lock.label} of {lock.date[:10]}")
        rows = [(each.target, str(each.outcome), _commit(each), report.visible(each.said))
                for each in found]  # fmt: skip
        report.table(("TARGET", "OUTCOME", "COMMIT", ""), rows)
    for done in reviewed:
        report.note(f"{done.target}: pull request {done.did} {done.url}".rstrip())
        if done.error is not None:
            report.show_error(done.error)


def _commit(result: Result) -> str:
    return result.new[:12] if result.new else "-"


def _as_json(job: Sync, found: list[Result], reviewed: list[Reviewed]) -> dict[str, object]:
    lock = job.inputs.lock
    pulls = {each.target: {"did": each.did, "url": each.url or None} for each in reviewed}
    return {
        "project": lock.project,
        "upstream": {"release": lock.release or None, "commit": lock.commit, "date": lock.date},
        "dry_run": job.options.dry_run,
        "targets": [
            {
                "target": each.target,
                "outcome": str(each.outcome),
                "said": each.said or None,
                "branch": each.standing.branch if each.standing else None,
                "old": each.standing.tip if each.standing else None,
                "new": each.new,
                "questions": [q.id for q in each.rebased.questions] if each.rebased else [],
                "pull_request": pulls.get(each.target),
                "exit": int(each.exit),
            }
            for each in found
        ],
    }
