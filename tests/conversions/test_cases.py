"""Before and after, from `tests/cases`: a folder for each conversion, a file for each construct."""

from __future__ import annotations

from pathlib import Path

import pytest

from conversions.subjects import convert, subject

CASES = Path(__file__).parents[1] / "cases"
ROOMS = (
    "accounts", "alternatives", "apt_sources", "apt_to_dnf", "base_image", "cache_mounts",
    "debconf", "debian_paths", "dpkg", "left_over", "locales", "platform_questions",
)  # fmt: skip
FILES = sorted(path for room in ROOMS for path in (CASES / room).glob("*.case"))


def sections(path: Path) -> dict[str, str]:
    """`--- before`, `--- after` and `--- finds`, with the text below each."""
    found: dict[str, str] = {}
    name = ""
    for line in path.read_text("utf-8").splitlines(keepends=True):
        if line.startswith("--- "):
            name = line[4:].strip()
            found[name] = ""
        elif name:
            found[name] += line
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_case_becomes_what_it_says_and_finds_what_it_says(path: Path) -> None:
    case = sections(path)
    result = convert(subject(case["before"]))
    assert result.text == case["after"]
    assert result.messages == case.get("finds", "").splitlines()


def test_every_room_has_cases() -> None:
    assert {path.parent.name for path in FILES} == set(ROOMS)
