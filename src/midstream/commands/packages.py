"""`midstream packages`: whether the packages of the tables and results are in the repositories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from msgspec import Struct

from midstream import report
from midstream.adapters import files
from midstream.commands import package_builds as builds
from midstream.commands import workspace as at
from midstream.errors import Exit, UsageError
from midstream.packages.answers import Answers
from midstream.packages.claims import of_drops
from midstream.packages.lock import NAME, as_json, moved, read_lock, write_lock
from midstream.packages.verifying import NOT_FOR_IT, Judgement, as_news, findings, judged, news

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from midstream.cli import Workspace
    from midstream.commands.package_builds import Build
    from midstream.diagnostic import Diagnostic
    from midstream.packages.asking import Failure
    from midstream.packages.lock import Moved

_platform = click.option(
    "--platform", "platforms", multiple=True, metavar="P",
    help="ubi9 or ubi10; those of the overlays by default.",
)  # fmt: skip
_arch = click.option(
    "--arch", "arches", multiple=True, type=click.Choice(builds.ARCHES),
    help="Those that the overlays are built for by default.",
)  # fmt: skip


class Done(Struct, frozen=True):
    """One platform and architecture: what was asked of it, what came back, and the verdicts."""

    build: Build
    answers: Answers
    judgements: tuple[Judgement, ...]
    failures: tuple[Failure, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many claims are as they should be, and how many are not. `aside` are rows whose
        repositories have nothing for the architecture."""
        verdicts = [each.verdict for each in self.judgements]
        return {
            "wanted": len(verdicts),
            "found": sum(each.found for each in verdicts),
            "wrong": sum(each.is_wrong for each in verdicts),
            "unknown": sum(each.is_unknown for each in verdicts),
            "aside": sum(each is NOT_FOR_IT for each in verdicts),
        }


@click.group("packages")
def command() -> None:
    """Look up in the repositories what the tables and the results install."""


@command.command("verify")
@_platform
@_arch
@click.option("--target", "targets", multiple=True, metavar="T", help="What its result installs.")
@click.option("--all", "every", is_flag=True, help="What every target's result installs.")
@click.option("--offline", is_flag=True, help=f"Compare with {NAME}; ask nobody.")
@click.pass_obj
def verify(
    workspace: Workspace,
    platforms: tuple[str, ...],
    arches: tuple[str, ...],
    targets: tuple[str, ...],
    every: bool,
    offline: bool,
) -> int:
    """Check that each package is in its repository, for each architecture; only reads.

    By itself it checks the rows of overlays/_shared/packages.yaml.
    """
    if platforms and (targets or every):
        raise UsageError("a target's platform is its overlay's", help="leave --platform away")
    codes: list[Exit] = []
    if targets or every:
        wanted, codes = builds.of_targets(workspace, targets, arches)
    else:
        wanted = builds.of_table(workspace, platforms, arches)
    known = _known(workspace) if offline else None
    done = [_judge(each, known) for each in wanted]
    found = _findings(done, with_news=not (targets or every))
    _show(workspace, done, found)
    codes += [each.error.exit_code for one in done for each in one.failures]
    strict = workspace.strict and any(each.wants_something for each in found)
    if strict or any(each.is_error for each in found):
        codes.append(Exit.FINDINGS)
    return Exit.worst(codes)


@command.command("lock")
@_platform
@_arch
@click.option("--target", "targets", multiple=True, metavar="T", help="What it installs as well.")
@click.option("--all", "every", is_flag=True, help="What every target installs as well.")
@click.option("--check", is_flag=True, help="Exit with 1 where it would be another; write nothing.")
@click.pass_obj
def lock(
    workspace: Workspace,
    platforms: tuple[str, ...],
    arches: tuple[str, ...],
    targets: tuple[str, ...],
    every: bool,
    check: bool,
) -> int:
    """Write down in overlays/packages.lock.json what the repositories have of each row.

    With --platform or --arch the others stay as they are. Nothing is written unless every
    repository could be read.
    """
    if not at.tree(workspace).names("overlays/_shared"):
        raise UsageError(
            f"there is no overlays/_shared in `{workspace.root}`",
            help="run midstream in the root of an overlay tree, or name it with --root",
        )
    path = workspace.root / NAME
    before = _read(workspace)
    wanted = builds.of_table(workspace, platforms, arches)
    codes: list[Exit] = []
    if targets or every:
        more, codes = builds.of_targets(workspace, targets, arches)
        wanted = builds.together(wanted, more)
    if codes:
        return Exit.worst(codes)
    done = [_judge(each, None) for each in wanted]
    failures = [each for one in done for each in one.failures]
    for failure in failures:
        report.show_error(failure.error)
    if failures:
        report.note(f"{NAME} was left as it is: not every repository could be read")
        return Exit.worst(each.error.exit_code for each in failures)
    asked = {(each.build.platform.name, each.build.arch): each.answers for each in done}
    kept = before if platforms or arches else ()
    after = [*(each for each in kept if (each.platform, each.arch) not in asked), *asked.values()]
    changes = list(moved(before, after))
    _show_lock(workspace, changes, after)
    data = write_lock(after)
    same = at.tree(workspace).read(NAME) == data
    if check or same:
        return Exit.OK if same else Exit.FINDINGS
    files.write(path, data)
    return Exit.OK


def _judge(build: Build, known: Sequence[Answers] | None) -> Done:
    """Look all claims of a build up: in the lock, or in the repositories."""
    if known is None:
        answers, failures = builds.ask(build)
    else:
        answers, failures = _of(build, known), ()
    repositories = build.platform.repositories
    judgements = tuple(
        Judgement(claim, build.platform.name, build.arch, judged(claim, answers, repositories))
        for claim in build.claims
    )
    return Done(build, answers, judgements, failures)


def _of(build: Build, known: Iterable[Answers]) -> Answers:
    """The lock's answers. Raises `UsageError` where it doesn't know all the repositories."""
    name, arch = build.platform.name, build.arch
    same = (each for each in known if (each.platform, each.arch) == (name, arch))
    found = next(same, Answers(name, arch, {}, {}))
    asked = {each.partition("/")[0] for each in found.repositories}
    for row in build.platform.repositories.values():
        if row.name not in asked and any(arch in part.arches for part in row.metadata):
            raise UsageError(
                f"{NAME} doesn't know `{row.name}` of {name} for {arch}",
                help=f"run: midstream packages lock --platform {name} --arch {arch}",
            )
    return found


def _known(workspace: Workspace) -> tuple[Answers, ...]:
    if at.tree(workspace).read(NAME) is None:
        raise UsageError(f"there is no {NAME}", help="run: midstream packages lock")
    return _read(workspace)


def _read(workspace: Workspace) -> tuple[Answers, ...]:
    data = at.tree(workspace).read(NAME)
    return () if data is None else read_lock(data)


def _findings(done: list[Done], *, with_news: bool) -> list[Diagnostic]:
    found = list(findings(each for one in done for each in one.judgements))
    if with_news:
        found += _news(done)
    return found


def _news(done: list[Done]) -> Iterator[Diagnostic]:
    """Once for each platform: what a name is hardly differs between architectures."""
    seen: set[str] = set()
    for each in done:
        if each.build.platform.name not in seen:
            seen.add(each.build.platform.name)
            rows = of_drops(each.build.rows)
            build = f"{each.build.platform.name} for {each.build.arch}"
            yield from as_news(news(rows, each.answers), build)


def _show(workspace: Workspace, done: list[Done], found: list[Diagnostic]) -> None:
    if workspace.json:
        content = {
            "builds": [_as_json(each) for each in done],
            "findings": [report.finding_as_json(each) for each in found],
        }
        report.document("packages verify", content)
        return
    report.show_findings(found)
    for failure in (each for one in done for each in one.failures):
        report.show_error(failure.error)
    header = ("PLATFORM", "ARCH", "REPOSITORIES", "PACKAGES", "FOUND", "WRONG", "UNKNOWN", "ASIDE")
    report.table(header, [_row(each) for each in done])


def _row(done: Done) -> tuple[str, ...]:
    failed = f", {len(done.failures)} not read" if done.failures else ""
    build = done.build
    return (
        build.platform.name, build.arch, f"{len(done.answers.repositories)}{failed}",
        *(str(number) for number in done.counts.values()),
    )  # fmt: skip


def _as_json(done: Done) -> dict[str, object]:
    return {
        "platform": done.build.platform.name,
        "arch": done.build.arch,
        **done.counts,
        "failed": [
            {"repository": each.repository, "message": each.error.message} for each in done.failures
        ],
        **as_json(done.answers),
    }


def _show_lock(workspace: Workspace, changes: list[Moved], after: list[Answers]) -> None:
    if workspace.json:
        moves = [{name: getattr(each, name) for name in each.__struct_fields__} for each in changes]
        names = [f"{each.platform} {each.arch}" for each in after]
        report.document("packages lock", {"builds": names, "moved": moves})
        return
    for each in changes:
        old = "not known" if each.before is None else each.before or "not there"
        new = "not asked for" if each.after is None else each.after or "not there"
        report.line(f"{each.package}  {old} -> {new}")
