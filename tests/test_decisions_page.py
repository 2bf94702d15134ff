"""docs/decisions.md is what the command makes of real releases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bench.decisions import PAGE, RELEASES, TARGETS, page

if TYPE_CHECKING:
    from pathlib import Path

    from releases import Releases


@pytest.mark.releases
def test_the_page_is_what_the_command_makes(releases: Releases, tmp_path: Path) -> None:
    made = page(releases.snapshot, tmp_path)
    assert PAGE.read_text(encoding="utf-8") == made, "run: make pages"
    assert sum(line.startswith("| 0.") for line in made.splitlines()) == len(RELEASES) * len(
        TARGETS
    )
