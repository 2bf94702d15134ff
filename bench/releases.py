"""Real releases, fetched once into midstream's own cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.measuring import ROOT
from midstream.adapters import files
from midstream.adapters.index import PackageIndex
from midstream.source import Source
from midstream.upstream.config import read_project
from midstream.upstream.snapshot import Snapshot, Tracker

if TYPE_CHECKING:
    from collections.abc import Iterator


def snapshot(release: str) -> Snapshot:
    path = ROOT / "upstream" / "vllm.yaml"
    project = read_project(Source.from_bytes("upstream/vllm.yaml", path.read_bytes()))

    def quietly(_title: str, _size: int) -> object:
        return lambda _length: None

    return Tracker(project, PackageIndex(), files.cache_root(), quietly).release(release)  # type: ignore[arg-type]


def dockerfiles(release: str) -> Iterator[tuple[str, bytes]]:
    """Every Dockerfile of a release, by path."""
    found = snapshot(release)
    for path in sorted(found.lock.files):
        if path.rpartition("/")[2].startswith("Dockerfile"):
            yield path, found.read(path)
