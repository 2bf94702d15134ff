from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import pytest

from demo import HEAD, make
from midstream.errors import Exit

if TYPE_CHECKING:
    from pathlib import Path

    from demo import Demo

RESULT = "rendered/demo/Dockerfile.app.ubi"
SHIP = """\
ship:
  stage: final
  platforms: [linux/amd64, linux/arm64]
  args: {BASE: {value: "{{ 'quay.example/a b' }}", why: ours}}
"""


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    demo = make(
        tmp_path, "ARG BASE=x\nFROM ubuntu:22.04 AS final\nARG BASE\nCOPY tools/x.sh /x.sh\n",
        "files: {tools/x.sh: {with: x.sh, why: ours}}\n",
        head=HEAD.replace("ship: {stage: final}\n", SHIP),
        upstream={"tools/x.sh": "apt-get install x\n"}, **{"app__x.sh": "echo ours\n"},
    )  # fmt: skip
    ran = demo.run("rebase", "--target", "app")
    assert ran.exit_code == 0, ran.stderr
    return demo


def test_the_flags_are_words_that_a_shell_takes_apart_again(demo: Demo) -> None:
    ran = demo.run("build-args", "--target", "app")
    words = shlex.split(ran.stdout)
    assert words[:6] == [
        "--file", RESULT, "--target", "final", "--platform", "linux/amd64,linux/arm64"
    ]  # fmt: skip
    pairs = list(zip(words[6::2], words[7::2], strict=True))
    assert pairs[:2] == [
        ("--build-context", "midstream-files=rendered/demo/app.files"),
        ("--build-arg", "BASE=quay.example/a b"),
    ]
    assert [value.partition("=")[0] for flag, value in pairs if flag == "--label"] == [
        "io.midstream.upstream", "io.midstream.overlay", "io.midstream.ledger"
    ]  # fmt: skip


def test_a_bake_file_and_tektons_parameters_say_the_same(demo: Demo) -> None:
    plan = demo.json(f"{RESULT}.build.json")
    bake = json.loads(demo.run("build-args", "--target", "app", "--format", "bake").stdout)
    assert bake["target"]["app"] == {
        "dockerfile": RESULT,
        "target": "final",
        "platforms": ["linux/amd64", "linux/arm64"],
        "contexts": {"midstream-files": "rendered/demo/app.files"},
        "args": {"BASE": "quay.example/a b"},
        "labels": plan["labels"],
    }
    tekton = json.loads(demo.run("build-args", "--target", "app", "--format", "tekton").stdout)
    values = {each["name"]: each["value"] for each in tekton["params"]}
    assert (values["DOCKERFILE"], values["TARGET_STAGE"]) == (RESULT, "final")
    assert values["BUILD_ARGS"] == ["BASE=quay.example/a b"]


@pytest.mark.parametrize("words", [["--json", "build-args"], ["build-args", "--format", "json"]])
def test_the_plan_itself_is_printed_as_one_document(demo: Demo, words: list[str]) -> None:
    content = json.loads(demo.run(*words, "--target", "app").stdout)
    assert (content["kind"], content["plan"]) == ("build-args", demo.json(f"{RESULT}.build.json"))


@pytest.mark.parametrize("path", [RESULT, "rendered/demo/app.files/tools/x.sh"])
def test_what_is_not_as_it_was_proved_is_not_built(demo: Demo, path: str) -> None:
    demo.write(path, demo.path(path).read_bytes() + b"\n")
    ran = demo.run("build-args", "--target", "app")
    assert (ran.exit_code, ran.stdout) == (Exit.REFUSED, "")
    assert f"{path} isn't as midstream wrote it" in ran.stderr
    demo.path(path).unlink()
    assert f"{path} isn't there" in demo.run("build-args", "--target", "app").stderr


def test_a_target_that_was_not_rebased_has_no_plan(demo: Demo) -> None:
    ran = demo.run("build-args", "--target", "base")
    assert ran.exit_code == Exit.USAGE
    assert "run: midstream rebase --target base" in ran.stderr


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"midstream": 1}', "<<<<<<< ours\n"])
def test_a_plan_that_is_none_is_said_to_be_none(demo: Demo, text: str) -> None:
    demo.write(f"{RESULT}.build.json", text)
    ran = demo.run("build-args", "--target", "app")
    assert ran.exit_code == Exit.USAGE
    assert "Traceback" not in ran.stderr


def test_a_changed_fragment_is_another_overlay(tmp_path: Path) -> None:
    labels = []
    for number, text in enumerate(("USER 1\n", "USER 2\n", "USER 2\n")):
        demo = make(
            tmp_path / str(number),
            body='edits:\n  - {id: x, at: "@ship", end: x.j2, why: w}\n',
            app__x_j2=text,
        )
        labels.append(demo.rebase().plan.content["labels"]["io.midstream.overlay"])
    assert labels[0] != labels[1]
    assert labels[1] == labels[2]
