"""Which stage needs which, as text for programs that draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.dockerfile.graph import Need

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.dockerfile.graph import Arrow, Graph

_STYLES = {Need.BASE: "solid", Need.COPY: "dashed", Need.MOUNT: "dotted"}


def dot(graph: Graph) -> Iterator[str]:
    """The lines of a drawing for graphviz."""
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


def mermaid(graph: Graph) -> Iterator[str]:
    """The lines of a drawing as forges show it in Markdown."""
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
