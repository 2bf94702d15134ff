"""vLLM's real releases through the real index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from midstream.source import Source
from midstream.upstream.changes import Kind, compare
from midstream.upstream.config import read_project

if TYPE_CHECKING:
    from releases import Releases

ROOT = Path(__file__).parents[2]


@pytest.mark.releases
def test_a_release_is_what_the_lock_of_this_repository_says(releases: Releases) -> None:
    locked = (ROOT / "upstream" / "vllm.lock.json").read_bytes()
    version = json.loads(locked)["release"]
    assert releases.snapshot(version).lock.as_bytes() == locked


@pytest.mark.releases
def test_every_dockerfile_of_a_release_is_a_targets_or_ignored(releases: Releases) -> None:
    project = read_project(Source("upstream/vllm.yaml", (ROOT / "upstream/vllm.yaml").read_text()))
    for version in ("0.33.0", "0.32.0"):
        assert project.unlisted(releases.snapshot(version).lock.files) == ()


@pytest.mark.releases
def test_a_step_of_upstream_changes_the_dockerfiles_of_targets(releases: Releases) -> None:
    project = read_project(Source("upstream/vllm.yaml", (ROOT / "upstream/vllm.yaml").read_text()))
    old, new = (releases.snapshot(version).lock for version in ("0.32.0", "0.33.0"))
    assert old.commit != new.commit
    assert old.date < new.date
    changed = {each.target for each in compare(project, old, new) if each.kind is Kind.CHANGED}
    assert {"cuda", "rocm", "cpu"} <= changed
