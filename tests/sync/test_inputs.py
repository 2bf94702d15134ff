from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo import PROJECT
from midstream.adapters.files import Tree, write
from midstream.source import Source
from midstream.sync.inputs import matter, siblings
from midstream.upstream.config import read_project
from midstream.upstream.lock import Lock

if TYPE_CHECKING:
    from pathlib import Path

OWN, BASE, SCRIPT = "docker/Dockerfile", "docker/Dockerfile.base", "tools/x.sh"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{{ sibling('base') }}", ("base",)),
        ("nothing", ()),
        ("{{ sibling(name) }}", None),
    ],
)
def test_the_images_that_overlays_take_are_known_where_they_are_named(
    tmp_path: Path, text: str, found: tuple[str, ...] | None
) -> None:
    write(tmp_path / "overlays" / "app" / "overlay.yaml", text.encode())
    assert siblings(Tree(tmp_path)) == found


@pytest.mark.parametrize(
    ("used", "files"),
    [((), [OWN, SCRIPT]), (("base",), [OWN, BASE, SCRIPT]), (None, [OWN, BASE, SCRIPT])],
)
def test_all_matters_but_the_dockerfiles_of_images_that_nobody_uses(
    used: tuple[str, ...] | None, files: list[str]
) -> None:
    project = read_project(Source("upstream/demo.yaml", PROJECT))
    blobs = {OWN: "1", BASE: "2", SCRIPT: "3"}
    lock = Lock("demo", "2.1", "c0ffee", "2026-06-01T00:00:00Z", None, blobs)
    assert list(matter(project, "app", used, lock)) == files
