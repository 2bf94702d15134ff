"""`midstream graph`: which stage needs which, as a picture or as data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from midstream import report
from midstream.adapters import files, process
from midstream.commands import upstreams
from midstream.dockerfile.drawing import dot, mermaid
from midstream.dockerfile.graph import build_graph
from midstream.dockerfile.scan import parse
from midstream.errors import Exit, UsageError
from midstream.source import Source

if TYPE_CHECKING:
    from midstream.cli import Workspace
    from midstream.dockerfile.graph import Graph

FORMATS = ("dot", "mermaid", "svg", "png", "json")


@click.command("graph")
@click.argument("path", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--target", metavar="T", help="A target's result.")
@click.option("--format", "shape", type=click.Choice(FORMATS), default="dot", show_default=True)
@click.option(
    "--build-arg", "arguments", multiple=True, metavar="NAME=VALUE", help="As for a build of FILE."
)
@click.pass_obj
def command(
    workspace: Workspace,
    path: Path | None,
    target: str | None,
    shape: str,
    arguments: tuple[str, ...],
) -> int:
    """Show which stage needs which: FROM, COPY --from and mounts."""
    if (path is None) == (target is None):
        raise UsageError("graph of what?", help="a FILE, or --target T")
    if path is not None:
        source = Source.from_bytes(str(path), files.read(path))
    else:
        rebaser, _ = upstreams.rebaser(workspace)
        source = rebaser.rebase(target or "").result
    graph = build_graph(parse(source), dict(_pair(each) for each in arguments))
    if workspace.json or shape == "json":
        report.document("graph", _as_json(graph))
    elif shape == "mermaid":
        report.line("\n".join(report.visible(each) for each in mermaid(graph)))
    elif shape == "dot":
        report.line("\n".join(report.visible(each) for each in dot(graph)))
    else:
        text = "\n".join(dot(graph)).encode("utf-8", "replace")
        report.raw(process.check(process.run("dot", f"-T{shape}", input=text)))
    return Exit.OK


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"`{text}` is not NAME=VALUE")
    return name, value


def _as_json(graph: Graph) -> dict[str, object]:
    return {
        "stages": [
            {"index": stage.index, "name": stage.name, "line": stage.origin.first_line}
            for stage in graph.dockerfile.stages
        ],
        "needs": [
            {
                "stage": arrow.stage,
                "need": str(arrow.need),
                "target": arrow.target,
                "image": arrow.image,
                "line": arrow.instruction.first_line,
            }
            for arrow in graph.arrows
        ],
    }
