"""docs/decisions.md is what the real commands make of real releases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bench.decisions import PAGE, RELEASES, REPLAYED, page
from bench.story import TARGETS

if TYPE_CHECKING:
    from releases import Releases


@pytest.mark.releases
def test_the_page_is_what_the_commands_make(releases: Releases) -> None:
    made = page(releases.snapshot, releases.cache)
    assert PAGE.read_text(encoding="utf-8") == made, "run: make pages"
    told, replayed = len(TARGETS) * (len(RELEASES) - 1), len(REPLAYED) * len(RELEASES)
    assert sum(line.startswith("| 0.") for line in made.splitlines()) == told + replayed
