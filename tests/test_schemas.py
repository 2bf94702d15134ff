from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import demo
from midstream.overlay.sections import KEYS
from schemas import ROOT, SCHEMAS, complaints, is_schema

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("overlay", "promotion", "target-lock", "upstream", "upstream-lock")


def schema(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_bytes())
    return content


def test_each_schema_is_one() -> None:
    files = sorted(SCHEMAS.glob("*.json"))
    assert {each.name for each in files} == {f"{name}.schema.json" for name in NAMES}
    assert is_schema(*files) == ""


@pytest.mark.parametrize(
    ("name", "globs"),
    [
        ("overlay", ["overlays/[!_]*/**/overlay.yaml"]),
        ("promotion", ["overlays/promotion.yaml"]),
        ("target-lock", ["overlays/*/lock.json"]),
        ("upstream", ["upstream/*.yaml"]),
        ("upstream-lock", ["upstream/*.lock.json"]),
    ],
)
def test_every_shipped_file_is_as_its_schema_says(name: str, globs: list[str]) -> None:
    files = [path for each in globs for path in ROOT.glob(each)]
    assert files
    assert complaints(name, *files) == ""


def test_what_overlays_extend_is_as_the_schema_says() -> None:
    texts = [path.read_text() for path in ROOT.glob("overlays/*/**/overlay.yaml")]
    named = [p for p in ROOT.glob("overlays/_shared/*.yaml") if any(p.name in t for t in texts)]
    assert named
    assert complaints("overlay", *named) == ""


def test_the_schema_of_overlays_knows_what_the_reader_knows() -> None:
    assert set(schema("overlay")["properties"]) == set(KEYS)


def test_what_a_sync_writes_is_as_the_schemas_say(tmp_path: Path) -> None:
    tree = demo.make(tmp_path)
    assert tree.run("rebase", "--target", "app").exit_code == 0
    assert complaints("target-lock", tree.path("overlays/app/lock.json")) == ""
    assert complaints("upstream-lock", tree.path("upstream/demo.lock.json")) == ""
    assert complaints("upstream", tree.path("upstream/demo.yaml")) == ""


BAD = {
    "overlay": [
        "targets: x\n",
        "target: x\nedits: [{id: a, at: b, why: c}]\n",
        "target: x\nedits: [{id: a, at: b, why: c, drop: true, end: d.j2}]\n",
        "target: x\nedits: [{id: a, at: b, why: ' ', drop: true}]\n",
        "target: x\nwaivers: [{rule: a}]\n",
        "target: x\npython: {layout: conda}\n",
        "target: x\nfacts: [{name: a-b, arg: X}]\n",
    ],
    "promotion": ["image: {}\n", "images: {a: {source: {repository: x}, max-age: 3}}\n"],
    "target-lock": ['{"midstream": 1}', '{"midstream": 2}'],
    "upstream": [
        "project: x\ndockerfiles: {}\n",
        "project: x\nindex: x\ndockerfiles: {a: /b}\n",
        "project: x\ngit: {url: 'ext::x'}\ndockerfiles: {}\n",
        "project: x\nindex: x\ndockerfiles: {}\nignore: {a: ''}\n",
    ],
    "upstream-lock": ['{"midstream": 1, "project": "x", "files": {"a": "b"}}'],
}


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts]
)
def test_a_mistake_is_one_by_the_schema_too(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / ("file.json" if text.startswith("{") else "file.yaml")
    path.write_text(text)
    assert complaints(name, path)
