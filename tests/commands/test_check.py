from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from demo import ROOT, make

if TYPE_CHECKING:
    from pathlib import Path

UBI = "registry.access.redhat.com/ubi9/ubi:9.8"
GOOD = f"""\
FROM {UBI}
LABEL name=a vendor=b version=1 release=1 summary=s description=d maintainer=m
COPY LICENSE /licenses/
USER 2000
"""


def checked(folder: Path, text: str, *words: str) -> tuple[int, list[str]]:
    demo = make(folder)
    path = demo.write("Dockerfile", text)
    ran = demo.run("check", str(path), *words)
    return ran.exit_code, ran.codes


def test_a_file_that_keeps_every_promise_passes(tmp_path: Path) -> None:
    assert checked(tmp_path, GOOD) == (0, ["MS354"])


def test_what_was_found_is_counted(tmp_path: Path) -> None:
    demo = make(tmp_path)
    path = demo.write("Dockerfile", GOOD.replace("USER 2000", "USER 0"))
    assert demo.run("check", str(path)).stderr.endswith("1 error, 1 warning\n")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("USER 2000", "USER 0", "MS356"),
        ("COPY LICENSE /licenses/\n", "", "MS357"),
        ("vendor=b ", "", "MS355"),
        (UBI, "fedora:41", "MS353"),
        ("USER", "RUN apt-get update\nUSER", "MS350"),
        ("USER", "RUN dnf install -y --nogpgcheck x\nUSER", "MS358"),
    ],
)
def test_a_broken_promise_is_an_error(tmp_path: Path, old: str, new: str, code: str) -> None:
    exit_code, codes = checked(tmp_path, GOOD.replace(old, new))
    assert exit_code == 1
    assert code in codes


def test_a_file_that_cannot_be_read_is_found(tmp_path: Path) -> None:
    assert checked(tmp_path, "RUN x\n")[1] == ["MS102"]


def test_the_stage_that_is_checked_can_be_named(tmp_path: Path) -> None:
    text = f"{GOOD.replace('FROM ' + UBI, f'FROM {UBI} AS ship')}FROM {UBI} AS other\n"
    assert checked(tmp_path / "a", text, "--stage", "ship")[0] == 0
    assert checked(tmp_path / "b", text)[0] == 1
    assert checked(tmp_path / "c", text, "--stage", "nope")[0] == 2


def test_a_target_s_result_is_checked(tmp_path: Path) -> None:
    demo = make(tmp_path, body="repositories: [epel]\n")
    assert demo.run("check", "--target", "app").exit_code == 0
    assert demo.run("check", "--all", "--profile", "redhat").codes == ["MS360"]
    assert demo.run("check").exit_code == 2


def test_sarif_has_each_finding_with_its_rule_and_place(tmp_path: Path) -> None:
    demo = make(tmp_path)
    path = demo.write("Dockerfile", GOOD.replace("USER 2000", "USER 0"))
    out = demo.path("findings.sarif")
    demo.run("check", str(path), "--sarif", str(out))
    content = json.loads(out.read_bytes())
    (run,) = content["runs"]
    found = {each["ruleId"]: each for each in run["results"]}
    assert found["MS356"]["level"] == "error"
    region = found["MS356"]["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 4, "startColumn": 6, "endLine": 4, "endColumn": 7}
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == set(found)


def test_json_prints_one_object(tmp_path: Path) -> None:
    demo = make(tmp_path)
    path = demo.write("Dockerfile", GOOD)
    content = json.loads(demo.run("--json", "check", str(path)).stdout)
    assert [each["code"] for each in content["findings"]] == ["MS354"]


def test_strict_makes_an_error_of_a_warning(tmp_path: Path) -> None:
    demo = make(tmp_path)
    path = demo.write("Dockerfile", GOOD)
    assert demo.run("--strict", "check", str(path)).exit_code == 1


def test_a_file_is_checked_without_an_overlay_tree(tmp_path: Path) -> None:
    from commands.running import run

    (tmp_path / "Dockerfile").write_text(GOOD)
    assert run(tmp_path, "check", str(tmp_path / "Dockerfile")).code == 0
    assert (ROOT / "overlays" / "_shared" / "packages.yaml").is_file()
