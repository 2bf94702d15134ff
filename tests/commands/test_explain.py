from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from commands.running import run
from demo import make
from midstream.commands.explain import every_rule

if TYPE_CHECKING:
    from pathlib import Path

BODY = """\
edits:
  - {id: fast, at: build / RUN / make install, replace: "make fast", why: ours is faster}
  - {id: more, at: final / ENV, after: "ENV MORE=1", why: we want more}
"""


def test_a_rule_is_explained_by_code_and_by_name(tmp_path: Path) -> None:
    by_code, by_name = (
        run(tmp_path, "explain", "ms203"),
        run(tmp_path, "explain", "unknown-package"),
    )
    assert by_code.out.startswith("# MS203 unknown-package\n\n**What it says.**")
    assert by_name.out == by_code.out


def test_every_rule_has_a_code_of_its_own_and_a_page_that_says_the_way_out() -> None:
    rules = every_rule()
    assert len({rule.name for rule in rules.values()}) == len(rules)
    assert len(rules) > 60
    assert [code for code, rule in rules.items() if len(rule.page) < 20] == []


def test_all_rules_are_listed(tmp_path: Path) -> None:
    listed = run(tmp_path, "explain").out
    assert "MS203  unknown-package" in listed
    document = run(tmp_path, "--json", "explain").document
    assert {"code": "MS203", "name": "unknown-package"} in document["rules"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["MS999"], "no rule `MS999`"),
        (["unknown-packages"], "did you mean unknown-package"),
        (["--target", "app"], "explain which line?"),
        (["--target", "app", "x"], "`x` is no line number"),
        (["--target", "app", "0"], "`0` is no line number"),
        (["--target", "app", "999"], "the result has 16 lines, not 999"),
        (["--target", "app", "--upstream", "5"], "no instruction stands in line 5"),
    ],
)
def test_what_cannot_be_explained_is_said(tmp_path: Path, words: list[str], said: str) -> None:
    ran = make(tmp_path, body=BODY).run("explain", *words)
    assert ran.exit_code == 2
    assert said in ran.stderr


def line_of(text: str, part: str) -> str:
    return str(next(n for n, line in enumerate(text.splitlines(), start=1) if part in line))


def explained(folder: Path, part: str) -> str:
    demo = make(folder, body=BODY)
    demo.run("rebase", "--target", "app")
    return demo.run("explain", "--target", "app", line_of(demo.result(), part)).stdout


def test_a_line_that_was_carried_comes_from_upstream(tmp_path: Path) -> None:
    assert explained(tmp_path, "COPY").splitlines()[2] == ("  from docker/Dockerfile:15 (demo 2.1)")


def test_a_line_that_was_converted_names_the_rule_and_its_reason(tmp_path: Path) -> None:
    said = explained(tmp_path, "dnf install")
    assert "written by `apt-to-dnf` over docker/Dockerfile:6 (demo 2.1)" in said
    assert "apt-to-dnf: the platform's package manager" in said


def test_a_line_of_ours_names_the_edit_and_its_place_in_the_overlay(tmp_path: Path) -> None:
    said = explained(tmp_path, "MORE=1")
    assert "put in by `more` at docker/Dockerfile:15 (demo 2.1)" in said
    assert "more: we want more (overlays/app/overlay.yaml:13)" in said


def test_an_upstream_line_has_its_fate(tmp_path: Path) -> None:
    demo = make(tmp_path, body=BODY)
    said = demo.run("explain", "--target", "app", "--upstream", "8").stdout
    assert said.splitlines()[0] == "docker/Dockerfile:7-8  RUN, stage build"
    assert said.splitlines()[1:] == [
        "  edited",
        "  fast: ours is faster (overlays/app/overlay.yaml:12)",
    ]
    gone = demo.run("explain", "--target", "app", "--upstream", "11").stdout
    assert "unreachable" in gone


def test_blame_gives_each_line_its_origin(tmp_path: Path) -> None:
    demo = make(tmp_path, body=BODY)
    rows = demo.run("explain", "--target", "app", "--blame").stdout.splitlines()
    texts = [row.partition(" | ")[2] for row in rows]
    origins = [row.partition(" | ")[0].strip() for row in rows]
    assert "    && make fast" in texts
    assert origins[texts.index("    && make fast")] == "8 fast"
    assert origins[texts.index("ENV MORE=1")] == "- more"
    assert origins[texts.index("ENV MODE=fast")] == "14"


def test_json_has_the_same_in_one_object(tmp_path: Path) -> None:
    demo = make(tmp_path, body=BODY)
    one = json.loads(demo.run("--json", "explain", "--target", "app", "2").stdout)
    assert one["kind"] == "explain"
    fate = json.loads(demo.run("--json", "explain", "--target", "app", "--upstream", "8").stdout)
    assert (fate["fate"], fate["reasons"][0]["by"]) == ("edited", "fast")
    rule = json.loads(demo.run("--json", "explain", "MS203").stdout)
    assert rule["name"] == "unknown-package"
