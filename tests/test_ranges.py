"""The ranges of the repository's own overlays leave no release out, and share none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from midstream.overlay.releases import holds

OVERLAYS = Path(__file__).parents[1] / "overlays"
NAMES = (
    "0.11.0 0.11.1 0.11.2 0.12.0 0.13.0 0.14.0 0.14.1 0.16.0 0.17.0 0.17.1 0.18.0 0.18.1 0.19.0 "
    "0.19.1 0.20.0 0.20.1 0.20.2 0.21.0 0.22.0 0.22.1 0.23.0 0.24.0 0.25.0 0.25.1 0.26.0 0.27.0 "
    "0.27.1 0.28.0 0.29.0 0.30.0 0.31.0 0.32.0 0.33.0 0.33.1 0.34.0"
)
RELEASES = NAMES.split()


def ranges(target: str) -> list[str]:
    """What each overlay of a target says that it is for."""
    texts = [path.read_text() for path in (OVERLAYS / target).rglob("overlay.yaml")]
    found = [re.search(r'^upstream: .*releases: "([^"]+)"', text, re.M) for text in texts]
    return [each[1] for each in found if each]


@pytest.mark.parametrize("target", ["cuda", "rocm", "rocm_base", "cpu", "ppc64le", "s390x"])
def test_each_release_since_0_11_has_one_overlay(target: str) -> None:
    every = ranges(target)
    count = {release: sum(holds(each, release) for each in every) for release in RELEASES}
    assert {release: n for release, n in count.items() if n != 1} == {}


def test_xpu_has_none_while_upstream_built_nixl_with_a_script_that_calls_apt() -> None:
    every = ranges("xpu")
    without = [name for name in RELEASES if not any(holds(each, name) for each in every)]
    assert without == RELEASES[RELEASES.index("0.11.1") : RELEASES.index("0.17.0")]
