"""What several commands' tests start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import demo
from gits.repository import make

if TYPE_CHECKING:
    from pathlib import Path

    from gits.repository import Repository


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    """The demo's Dockerfile in a repository, released as 2.1."""
    made = make(tmp_path / "upstream.git")
    made.commit({"docker/Dockerfile": demo.DOCKERFILE}, "First")
    made.tag("v2.1")
    return made
