"""Patterns that go over whole texts look at one letter first, and lose nothing by it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from midstream.assumptions.distro_name import _SYSTEM
from midstream.conversions.debian_paths import _COMPILER, _FOLDER
from midstream.conversions.left_over import _DEBIANS

CASES = "\n".join(
    path.read_text(encoding="utf-8", errors="surrogateescape")
    for path in sorted((Path(__file__).parent / "cases").rglob("*.case"))
)


@pytest.mark.parametrize("pattern", [_SYSTEM, _DEBIANS, _FOLDER, _COMPILER])
def test_the_first_look_at_a_letter_loses_nothing(pattern: re.Pattern[str]) -> None:
    look = re.match(r"\(\?=[^)]*\)", pattern.pattern)
    assert look is not None
    without = re.compile(pattern.pattern[look.end() :], pattern.flags)
    found = [each.span() for each in without.finditer(CASES)]
    assert found
    assert [each.span() for each in pattern.finditer(CASES)] == found
