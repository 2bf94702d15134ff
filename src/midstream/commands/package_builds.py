"""What `midstream packages` looks up, for which platforms and architectures."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from midstream import report
from midstream.adapters import files
from midstream.adapters.http import Connections
from midstream.commands import upstreams
from midstream.commands import workspace as at
from midstream.diagnostic import Diagnostic, Place, Severity
from midstream.dockerfile.graph import build_graph
from midstream.dockerfile.scan import parse
from midstream.errors import Exit, UsageError
from midstream.overlay.choosing import NoOverlay
from midstream.overlay.choosing import targets as overlaid
from midstream.overlay.load import load_overlay
from midstream.overlay.select import ship_stage
from midstream.overlay.tables import load_tables
from midstream.packages.asking import Failure
from midstream.packages.asking import ask as ask_all
from midstream.packages.claims import Claim, of_drops, of_rows
from midstream.packages.installed import installs
from midstream.packages.reading import Repositories
from midstream.packages.rules import MISSING
from midstream.rebasing.flow import CannotRebase
from midstream.rebasing.verification import at_source
from midstream.ubi.metadata import ARCHES

if TYPE_CHECKING:
    from midstream.cli import Workspace
    from midstream.overlay.model import Overlay
    from midstream.packages.answers import Answers
    from midstream.rebasing.flow import Rebased
    from midstream.ubi.tables import Package, Platform

__all__ = ["ARCHES", "Build", "ask", "of_table", "of_targets", "together"]
_OF_DOCKER = {"amd64": "x86_64", "arm64": "aarch64"}  # the others have one name everywhere


class Build(Struct, frozen=True):
    """A platform and an architecture, with what has to be there; `rows` are those of the table,
    where the table itself is checked."""

    platform: Platform
    arch: str
    claims: tuple[Claim, ...]
    rows: tuple[Package, ...] = ()


def of_table(
    workspace: Workspace, platforms: tuple[str, ...], arches: tuple[str, ...]
) -> list[Build]:
    """What the rows of packages.yaml claim."""
    used = _in_use(workspace)
    names = platforms or tuple(sorted(used)) or ("ubi9",)
    builds: list[Build] = []
    for name in names:
        tables = load_tables(at.shared_tree(workspace), name)
        rows = tuple(tables.packages.rows.values())
        claims = tuple(of_rows(rows, tables.platform))
        wanted = arches or tuple(sorted(used.get(name, ()))) or ("x86_64",)
        builds += [Build(tables.platform, arch, claims, rows) for arch in wanted]
    return builds


def together(table: list[Build], results: list[Build]) -> list[Build]:
    """The builds of the table, with what the results install on the same ones."""
    more = {(each.platform.name, each.arch): each.claims for each in results}
    return [
        replace(each, claims=(*each.claims, *more.get((each.platform.name, each.arch), ())))
        for each in table
    ]


def _in_use(workspace: Workspace) -> dict[str, set[str]]:
    """The architectures that the overlays of a tree are built for, by platform."""
    folder = at.tree(workspace)
    found: dict[str, set[str]] = {}
    known = overlaid(folder)
    for project in at.projects(workspace) if known else ():
        lock = at.lock(workspace, project.name)
        for target in (each for each in project.dockerfiles if each in known):
            try:
                overlay = load_overlay(folder, target, lock.counts_as if lock else None)
            except NoOverlay:
                continue  # none is for this release, so nothing is built
            found.setdefault(overlay.platform.text, set()).update(_arches(overlay))
    return found


def _arches(overlay: Overlay) -> tuple[str, ...]:
    """What an overlay is built for; where it doesn't say, what upstream's own builds are."""
    names = [each.text.split("/")[1] for each in overlay.ship.platforms if "/" in each.text]
    return tuple(_OF_DOCKER.get(name, name) for name in names or ["amd64"])


def of_targets(
    workspace: Workspace, targets: tuple[str, ...], arches: tuple[str, ...]
) -> tuple[list[Build], list[Exit]]:
    """What targets' results install, and the exit codes of those that have errors."""
    rebaser, origins = upstreams.rebaser(workspace)
    wanted = targets or origins.targets()
    claims: dict[tuple[str, str], list[Claim]] = {}
    platforms: dict[str, Platform] = {}
    codes: list[Exit] = []
    for target in wanted:
        rebased = rebaser.rebase(target)
        if rebased.has_errors:
            failure = CannotRebase(
                f"what `{target}` installs isn't known: its result has errors",
                help=f"see them: midstream rebase --target {target}",
            )
            report.show_error(failure)
            codes.append(failure.exit_code)
            continue
        platform = rebased.subject.platform
        platforms[platform.name] = platform
        made = _claims(rebased)
        for arch in arches or _arches(rebased.overlay):
            claims.setdefault((platform.name, arch), []).extend(made)
    return [Build(platforms[n], arch, tuple(c)) for (n, arch), c in sorted(claims.items())], codes


def _claims(rebased: Rebased) -> list[Claim]:
    """What a result installs, each once, however many of its stages do."""
    result = parse(rebased.result)
    graph = build_graph(result, {})
    ship = ship_stage(result.stages, rebased.overlay.ship.stage.text) or result.stages[-1]
    subject = replace(
        rebased.subject, dockerfile=result, graph=graph, live=graph.closure(ship.index),
        claimed=(), footings={},
    )  # fmt: skip
    found: dict[tuple[object, ...], Claim] = {}
    for each in installs(subject, rebased.overlay.target):
        key = (each.wanted or each.unsure, each.repositories, each.perhaps, each.unsure)
        found.setdefault(key, each)
    return [_shown(each, rebased) for each in found.values()]


def _shown(claim: Claim, rebased: Rebased) -> Claim:
    """A claim with the place where upstream wrote it, or with the edit that did."""
    found = Diagnostic(
        rule=MISSING, severity=Severity.INFO, message="", source=claim.place.source,
        span=claim.place.span, context=claim.within,
    )  # fmt: skip
    origin = rebased.origin
    moved = next(at_source([found], rebased.assembled, origin.dockerfile, origin.label))
    return replace(claim, place=Place(moved.source, moved.span), within=moved.context)


def ask(build: Build) -> tuple[Answers, tuple[Failure, ...]]:
    """Look everything up in the repositories. Raises `UsageError` where none can be read."""
    platform = build.platform
    if not any(each.metadata for each in platform.repositories.values()):
        raise UsageError(
            "no repository says where it can be read",
            help="give them `metadata:` in overlays/_shared/repositories.yaml",
        )
    wanted = [each.wanted for each in build.claims if each.wanted]
    wanted += [row.debian for row in of_drops(build.rows)]
    connections = _connections()
    reader = Repositories(connections, files.cache_root() / "repodata", platform.release)
    return ask_all(platform, build.arch, wanted, reader, report.note)


@cache
def _connections() -> Connections:
    """Kept over all platforms and architectures of a run."""
    return Connections()
