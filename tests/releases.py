"""Real source releases of vLLM, by the real adapter: each is downloaded once in a run.

`MIDSTREAM_TEST_CACHE` names a folder that outlives the run.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from midstream.adapters.index import PackageIndex
from midstream.source import Source
from midstream.upstream.config import read_project
from midstream.upstream.snapshot import Tracker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midstream.upstream.snapshot import Snapshot

PROJECT = Path(__file__).parents[1] / "upstream" / "vllm.yaml"


@dataclass(frozen=True)
class Releases:
    """vLLM's releases, as `midstream track` brings them."""

    cache: Path

    def snapshot(self, version: str) -> Snapshot:
        project = read_project(Source("upstream/vllm.yaml", PROJECT.read_text()))
        tracker = Tracker(project, PackageIndex(), self.cache, lambda _title, _size: _silent)
        self.cache.mkdir(parents=True, exist_ok=True)
        with (self.cache / "one-download").open("w") as gate:  # the run may be several processes
            fcntl.flock(gate, fcntl.LOCK_EX)
            return tracker.release(version)

    def files(self, version: str) -> Mapping[str, bytes]:
        """Every watched file of a release, by path."""
        snapshot = self.snapshot(version)
        return {path: snapshot.read(path) for path in snapshot.lock.files}


def _silent(_length: int) -> None:
    """Nobody looks at the progress."""


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    named = os.environ.get("MIDSTREAM_TEST_CACHE")
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return Releases(Path(named) if named else shared / "releases")
