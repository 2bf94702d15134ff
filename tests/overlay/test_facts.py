from __future__ import annotations

import pytest

from demo import places
from midstream.dockerfile.scan import parse
from midstream.errors import Exit
from midstream.overlay.facts import FactMissing, argument_values, read_facts
from midstream.overlay.load import load_overlay
from midstream.source import Source
from overlay.trees import app

DOCKERFILE = """\
ARG MAJOR=12
ARG CUDA=${MAJOR}.9 OTHER
FROM a
ARG CUDA=12.9
RUN echo
ARG TWICE=1
ARG TWICE=2
"""

FILES = {
    "req.txt": "# torch==0\nTorch_Vision[a,b] == 2.1 ; x\ntorch==2.9.0 # c\nflash===1+cu\nx>=1\n",
    "two.txt": "torch==1\ntorch==2; sys_platform == 'darwin'\n",
    "v.json": '{"a": {"b/c": [1, "two", true, null, 1.5, {"d": {}}]}, "x~y": "z"}',
    "deep.json": "[" * 100_000,
    "x.hcl": 'tag = "v1"\nother = "v2"\nnone = ""\n',
}


def read(fact: str) -> str:
    overlay = load_overlay(app(f"facts:\n  - {{name: F, {fact}}}\n"), "app", "2.1")
    dockerfile = parse(Source("Dockerfile", DOCKERFILE))
    return read_facts(overlay.facts, dockerfile, lambda path: Source(path, FILES[path]))["F"]


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("arg: CUDA", "12.9"),
        ("from: req.txt, pin: torch", "2.9.0"),
        ("from: req.txt, pin: torch-vision", "2.1"),
        ("from: req.txt, pin: flash", "1+cu"),
        ("from: v.json, json: /a/b~1c/1", "two"),
        ("from: v.json, json: /a/b~1c/0", "1"),
        ("from: v.json, json: /a/b~1c/2", "true"),
        ("from: v.json, json: /a/b~1c/4", "1.5"),
        ("from: v.json, json: /x~0y", "z"),
        ("from: x.hcl, regex: '^tag = \"(.*)\"'", "v1"),
    ],
)
def test_a_value_is_read_from_upstream(fact: str, value: str) -> None:
    assert read(fact) == value


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        ("arg: OTHER", "isn't there in `Dockerfile`"),
        ("arg: TWICE", "has several values: 1, 2 in `Dockerfile`"),
        ("from: req.txt, pin: x", "isn't there in `req.txt`"),
        ("from: two.txt, pin: torch", "has several values: 1, 2 in `two.txt`"),
        ("from: v.json, json: /a/b~1c/3", "isn't there in `v.json`"),
        ("from: v.json, json: /a/b~1c/5", "isn't there in `v.json`"),
        ("from: v.json, json: /a/b~1c/9", "isn't there in `v.json`"),
        ("from: v.json, json: /a/b~1c/-2", "isn't there in `v.json`"),
        ("from: v.json, json: /no", "isn't there in `v.json`"),
        ("from: deep.json, json: /0", "isn't there in `deep.json`"),
        ("from: req.txt, json: /0", "isn't there in `req.txt`"),
        ("from: x.hcl, regex: '\"(v\\d)\"'", "has several values: v1, v2 in `x.hcl`"),
        ("from: x.hcl, regex: 'othe(q)?r'", "isn't there in `x.hcl`"),
    ],
)
def test_a_value_that_is_not_there_once_is_an_error_at_its_entry(fact: str, said: str) -> None:
    with pytest.raises(FactMissing) as caught:
        read(fact)
    assert caught.value.exit_code == Exit.USAGE
    assert places(caught.value.diagnostics) == [
        ("MS534", "overlays/app/overlay.yaml", 6, f"the fact `F` {said}")
    ]


def test_all_defaults_of_an_argument_are_seen_with_their_variables_filled_in() -> None:
    dockerfile = parse(Source("Dockerfile", DOCKERFILE))
    assert argument_values(dockerfile, "CUDA") == ["12.9", "12.9"]
