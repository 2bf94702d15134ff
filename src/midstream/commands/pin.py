"""`midstream pin`: the digests of the images that targets are built on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from midstream import report
from midstream.adapters import files
from midstream.commands import upstreams
from midstream.commands import workspace as at
from midstream.dockerfile.graph import build_graph
from midstream.dockerfile.scan import parse
from midstream.errors import Exit, MidstreamError, UsageError
from midstream.overlay.select import ship_stage
from midstream.overlay.tables import PINS, load_pins
from midstream.ubi.tables import without_tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from midstream.adapters.endpoint import Endpoint
    from midstream.cli import Workspace
    from midstream.rebasing.flow import Rebased


@click.command("pin")
@click.option("--target", "targets", multiple=True, metavar="T", help="What this one is built on.")
@click.option("--all", "every", is_flag=True, help="What any target is built on, and no more.")
@click.option("--check", is_flag=True, help="Exit with 1 where a digest is another; write nothing.")
@click.option("--registries", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Where registries really are, as for promote.")  # fmt: skip
@click.pass_obj
def command(
    workspace: Workspace,
    targets: tuple[str, ...],
    every: bool,
    check: bool,
    registries: Path | None,
) -> int:
    """Look up the digests of external base images, and keep them in overlays/images.lock.json."""
    if bool(targets) == every:
        raise UsageError("pin what?", help="--target T, or --all")
    known = load_pins(at.tree(workspace))
    images = _images(workspace, targets)
    found, failed = _look_up(images, at.endpoints(registries))
    kept = {} if every else known
    # An image that can't be asked about keeps the digest that it had.
    kept |= {image: known[image] for image in failed if image in known}
    pins = dict(sorted({**kept, **found}.items()))
    _say(workspace, known, pins, failed)
    if check:
        return Exit.worst([*failed.values(), *([Exit.FINDINGS] if pins != known else [])])
    if pins != known:
        content = {"midstream": 1, "images": pins}
        files.write(workspace.root / PINS, f"{json.dumps(content, indent=1)}\n".encode())
    if failed and found:
        return Exit.PARTIAL
    return Exit.worst(failed.values())


def _images(workspace: Workspace, targets: tuple[str, ...]) -> list[str]:
    """The external images of the targets' results, as they are written there, without digests."""
    rebaser, origins = upstreams.rebaser(workspace)
    wanted = targets or origins.targets()
    return sorted({image for target in wanted for image in _of(rebaser.rebase(target))})


def _of(rebased: Rebased) -> Iterator[str]:
    result = parse(rebased.result)
    graph = build_graph(result, {})
    ship = ship_stage(result.stages, rebased.overlay.ship.stage.text)
    live = graph.closure(ship.index) if ship is not None else ()
    for arrow in graph.arrows:
        image = (arrow.image or "").partition("@")[0]
        ours = image in rebased.subject.siblings
        if arrow.stage in live and image not in ("", "scratch") and not ours:
            yield image


def _look_up(
    images: Iterable[str], endpoints: Mapping[str, Endpoint]
) -> tuple[dict[str, str], dict[str, Exit]]:
    """The digest of each image, and the exit code of each that could not be had."""
    from midstream.adapters.skopeo import Skopeo
    from midstream.upstream.image import image

    found: dict[str, str] = {}
    failed: dict[str, Exit] = {}
    with Skopeo(timeout=60) as skopeo:
        for each in images:
            try:
                found[each] = skopeo.digest(image(in_full(each), endpoints))
            except MidstreamError as error:
                report.show_error(error)
                failed[each] = error.exit_code
    return found, failed


def in_full(image: str) -> str:
    """A reference with its registry and tag, by docker's rules for what is left out."""
    bare = without_tag(image)
    host, slash, _ = bare.partition("/")
    tagged = image if image != bare else f"{image}:latest"
    if slash and ("." in host or ":" in host or host == "localhost"):
        return tagged
    return f"docker.io/{tagged}" if slash else f"docker.io/library/{tagged}"


def _say(
    workspace: Workspace,
    known: Mapping[str, str],
    pins: Mapping[str, str],
    failed: Mapping[str, Exit],
) -> None:
    if workspace.json:
        content = {"images": dict(pins), "before": dict(known), "failed": sorted(failed)}
        report.document("pin", content)
        return
    for image in sorted({*known, *pins}):
        old, new = known.get(image), pins.get(image)
        if old == new:
            report.line(f"{image}  {new}")
        else:
            report.line(f"{image}  {old or 'not pinned'} -> {new or 'not needed'}")
