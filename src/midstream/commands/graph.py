"""`midstream graph`: which stage needs which, as a picture or as data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from midstream import report
from midstream.adapters import files, process
from midstream.commands import upstreams
from midstream.dockerfile.graph import Need, build_graph
from midstream.dockerfile.scan import parse
from midstream.errors import Exit, UsageError
from midstream.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.cli import Workspace
    from midstream.dockerfile.graph import Arrow, Graph

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
        report.line("\n".join(_mermaid(graph)))
    elif shape == "dot":
        report.line("\n".join(_dot(graph)))
    else:
        text = "\n".join(_dot(graph)).encode("utf-8", "replace")
        report.raw(process.check(process.run("dot", f"-T{shape}", input=text)))
    return Exit.OK


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"`{text}` is not NAME=VALUE")
    return name, value


_STYLES = {Need.BASE: "solid", Need.COPY: "dashed", Need.MOUNT: "dotted"}


def _dot(graph: Graph) -> Iterator[str]:
    yield "digraph stages {"
    yield '  rankdir=LR; node [shape=box, fontname="sans-serif"]; edge [fontname="sans-serif"];'
    for stage in graph.dockerfile.stages:
        yield f"  s{stage.index} [label={_quoted(stage.label)}];"
    images = {name: number for number, name in enumerate(sorted(_images(graph)))}
    for name, number in images.items():
        yield f"  i{number} [label={_quoted(name)}, shape=cylinder];"
    for arrow, count in _arrows(graph):
        start = f"s{arrow.target}" if arrow.target is not None else f"i{images[arrow.image or '']}"
        label = f", label={_quoted(str(count))}" if count > 1 else ""
        yield f"  {start} -> s{arrow.stage} [style={_STYLES[arrow.need]}{label}];"
    yield "}"


def _mermaid(graph: Graph) -> Iterator[str]:
    yield "flowchart LR"
    for stage in graph.dockerfile.stages:
        yield f"  s{stage.index}[{_quoted(stage.label)}]"
    images = {name: number for number, name in enumerate(sorted(_images(graph)))}
    for name, number in images.items():
        yield f"  i{number}[({_quoted(name)})]"
    for arrow, _ in _arrows(graph):
        start = f"s{arrow.target}" if arrow.target is not None else f"i{images[arrow.image or '']}"
        line = "-->" if arrow.need is Need.BASE else "-.->"
        yield f"  {start} {line} s{arrow.stage}"


def _images(graph: Graph) -> set[str]:
    return {arrow.image or "" for arrow in graph.arrows if arrow.target is None}


def _arrows(graph: Graph) -> list[tuple[Arrow, int]]:
    """Each arrow once, with how often it is there."""
    counts: dict[tuple[int, Need, int | None, str | None], list[Arrow]] = {}
    for arrow in graph.arrows:
        counts.setdefault((arrow.stage, arrow.need, arrow.target, arrow.image), []).append(arrow)
    return [(same[0], len(same)) for same in counts.values()]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', "'") + '"'


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
