"""An overlay's edits carried out on a Dockerfile in memory, without the rest of the flow."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from demo import ROOT, places
from midstream.adapters.files import Tree as Folder
from midstream.dockerfile.graph import build_graph
from midstream.dockerfile.scan import parse
from midstream.overlay.load import load_overlay
from midstream.overlay.select import ship_stage
from midstream.overlay.tables import Tables, load_tables
from midstream.overlay.verbs import Wanted, carry_out
from midstream.rebasing.assembly import assemble
from midstream.source import Source
from midstream.ubi.subject import Subject
from overlay.trees import app

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midstream.dockerfile.model import Stage
    from midstream.overlay.model import Overlay


@cache
def tables() -> Tables:
    return load_tables(Folder(ROOT), "ubi9")


def subject_of(text: str, ship: str = "final") -> tuple[Subject, Stage]:
    """What edits look at: a Dockerfile, and the stage that ships (its last one in doubt)."""
    dockerfile = parse(Source("Dockerfile", text))
    graph = build_graph(dockerfile)
    stage = ship_stage(dockerfile.stages, ship) or dockerfile.stages[-1]
    known = tables()
    return Subject(
        dockerfile=dockerfile,
        graph=graph,
        platform=known.platform,
        packages=known.packages,
        images=known.images,
        live=graph.closure(stage.index),
    ), stage


def overlay_with(edits: str, **fragments: str) -> Overlay:
    """The overlay of `app` with these edits, each a line of YAML: `{id: x, at: …, why: …}`."""
    lines = "".join(f"  - {line.strip()}\n" for line in edits.strip().splitlines())
    return load_overlay(app(f"edits:\n{lines}", **fragments), "app", "2.1")


def carried_out(
    text: str,
    edits: str,
    *,
    values: Mapping[str, Any] | None = None,
    release: str | None = "2.1",
    date: str = "2026-06-01T00:00:00Z",
    **fragments: str,
) -> Wanted:
    subject, stage = subject_of(text)
    overlay = overlay_with(edits, **fragments)
    return carry_out(subject, stage, overlay.edits, values or {}, release=release, date=date)


def edited(text: str, edits: str, **more: Any) -> str:
    """The Dockerfile with the edits made; none may be refused."""
    wanted = carried_out(text, edits, **more)
    assert places(wanted.found) == []
    return assemble("result", text, wanted.edits, wanted.insertions).source.text


def refused(text: str, edits: str, **more: Any) -> list[tuple[str, int, str]]:
    """Code, line in the overlay, and message of what is wrong with the edits."""
    wanted = carried_out(text, edits, **more)
    return [(code, line, message) for code, _, line, message in places(wanted.found)]
