from __future__ import annotations

from typing import Any

import pytest

from midstream import configuration
from midstream.absorbing.writing import as_yaml, with_edits
from midstream.source import Source

EDIT = {"id": "n", "at": "a / ENV / B", "set": "yes", "why": "x: y"}
LONG = {"id": "m", "at": "a / RUN / b", "replace": "RUN b \\\n    && c\n", "why": "w"}


def added(text: str, *edits: dict[str, Any]) -> str:
    return with_edits(Source("overlay.yaml", text), edits or (EDIT, LONG)).text


def read(text: str) -> list[dict[str, str]]:
    """The edits of an overlay, as texts."""
    root, mistakes = configuration.load(Source("overlay.yaml", text))
    mistakes.raise_if_any()
    (edits,) = [value for key, value in root.entries() if key.text() == "edits"]
    return [{k.text(): v.text() for k, v in each.entries()} for each in edits.items()]


FIRST = {"id": "a", "at": "x", "drop": "true", "why": "w"}


@pytest.mark.parametrize(
    "text",
    [
        "target: app\nedits:\n  - {id: a, at: x, drop: true, why: w}\n",
        "edits:\n  - {id: a, at: x, drop: true, why: w}\n# below\n\nfiles: {}\n",
        "edits:\n- id: a\n  at: x\n  drop: true\n  why: w  # for that\n\n# of files\nfiles: {}\n",
        "edits:\n    - id: a\n      at: x\n      drop: true\n      why: >\n        w\nfiles: {}\n",
        "edits: [{id: a, at: x, drop: true, why: w}]  # one\nfiles: {}\n",
        "edits: [\n  {id: a, at: x, drop: true, why: w},\n]\nfiles: {}\n",
        "edits:\n  - {id: a, at: x, drop: true, why: w}",
    ],
)
def test_what_stands_there_stays_and_the_new_ones_stand_behind(text: str) -> None:
    found = added(text)
    first, *new = read(found)
    assert {key: value.strip() for key, value in first.items()} == FIRST
    assert new == [EDIT, LONG]
    for line in text.splitlines():
        kept = line.rstrip(",]").partition("]  #")[0]
        assert kept in found
    assert found.count("files: {}") == text.count("files: {}")


@pytest.mark.parametrize(
    "edits", ["", "edits: []\n", "edits:\n", "edits: # none yet\n", "edits: ~\n"]
)
def test_the_first_edits_of_an_overlay(edits: str) -> None:
    assert read(added(f"target: app\n{edits}")) == [EDIT, LONG]
    assert read(added(f"target: app\n{edits}".rstrip("\n"))) == [EDIT, LONG]
    assert read(added(f"{edits}target: app\n")) == [EDIT, LONG]


def test_a_text_of_several_lines_is_a_block() -> None:
    assert as_yaml(LONG) == (
        "id: m\nat: a / RUN / b\nreplace: |\n  RUN b \\\n      && c\nwhy: w\n"
    )  # fmt: skip


@pytest.mark.parametrize("text", ["no", "1.10", "a: b", "- x", "#", "{{ x }}", "é", "'", '"', "~"])
def test_a_value_is_the_same_text_again(text: str) -> None:
    (edit,) = read(added("target: a\n", {"id": "i", "set": text}))
    assert edit["set"] == text


def test_marks_of_templates_are_kept_from_being_filled_in() -> None:
    (edit,) = read(added("target: a\n", {"after": "RUN ${#A}\n", "set": "{{ x }}"}))
    assert edit["after"] == "{% raw %}RUN ${#A}\n{% endraw %}"
    assert edit["set"] == "{{ x }}"
