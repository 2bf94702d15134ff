from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import demo
from midstream.sync import describing
from midstream.sync.describing import read_block
from sync.scene import stage

if TYPE_CHECKING:
    from pathlib import Path

    from sync.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """The base has been merged once, so that there is something to compare with."""
    made = stage(tmp_path, 'review: [{at: "@ship-lineage / ENTRYPOINT"}]\n')
    made.tree.run("track", "--to", "main")
    made.tree.run("rebase", "--target", "app")
    made.sync()
    made.midstream.git("update-ref", "refs/heads/main", made.tip() or "")
    return made


def described(scene: Scene, tmp_path: Path) -> str:
    ran = scene.sync("--describe", str(tmp_path / "out"))
    assert ran.exit_code in (0, 1), ran.stderr
    return (tmp_path / "out" / "app.md").read_text()


def test_facts_and_commits_are_told_with_what_became_of_them(scene: Scene, tmp_path: Path) -> None:
    moved = scene.dockerfile("other", message="Switch the mode")
    aside = scene.upstream.commit({"tools/x.sh": "#!/bin/sh\n"}, "Add a tool")
    text = described(scene, tmp_path)
    assert "| `MODE` | `fast` | `other` | `docker/Dockerfile:14` |" in text
    assert f"| `{moved[:12]}` | 2026-05-28 | `Switch the mode` | 1 fact moved |" in text
    assert (
        f"| `{aside[:12]}` | 2026-05-28 | `Add a tool` | touches no text of this target |" in text
    )
    assert "```mermaid\nflowchart LR\n" in text
    assert "1 upstream change: 0 taken, 1 fact moved" in text


def test_a_value_that_moved_beside_the_dockerfile_is_its_commits(
    tmp_path: Path,
) -> None:
    scene = stage(tmp_path)
    text = demo.DOCKERFILE.replace(
        "RUN make", "COPY requirements/app.txt .\nRUN pip install -r app.txt\nRUN make"
    )
    pins = "transformers==1.0\nsentence-transformers==3.0\n"
    scene.upstream.commit({"docker/Dockerfile": text, "requirements/app.txt": pins}, "Pin")
    scene.tree.run("track", "--to", "main")
    scene.tree.run("rebase", "--target", "app")
    scene.sync()
    scene.midstream.git("update-ref", "refs/heads/main", scene.tip() or "")
    pins = pins.replace("sentence-transformers==3.0", "sentence-transformers==4.0")
    scene.upstream.commit({"requirements/app.txt": pins}, "Move one")
    pins = pins.replace("transformers==1.0", "transformers==2.0", 1)
    scene.upstream.commit({"requirements/app.txt": pins}, "Move the other")
    scene.upstream.commit({"docker/Dockerfile": text.replace("MODE=fast", "MODE=other")})
    said = described(scene, tmp_path)
    assert "| `Move one` | moves `sentence-transformers` |" in said
    assert "| `Move the other` | moves `transformers` |" in said


def test_what_cant_be_carried_is_not_called_carried(scene: Scene, tmp_path: Path) -> None:
    scene.entrypoint("/other")
    text = described(scene, tmp_path)
    assert "midstream can't carry `app` from" in text
    assert "yet: 1 question. The branch stays as it is." in text
    assert "midstream carried" not in text


def test_the_drawing_has_the_bases_that_the_builds_arguments_choose(tmp_path: Path) -> None:
    scene = stage(tmp_path)
    text = demo.DOCKERFILE.replace("FROM ${BASE} AS final", "FROM base-${TARGETARCH} AS final")
    text = text.replace(
        "FROM ${BASE} AS build", "FROM ${BASE} AS base-amd64\nFROM ${BASE} AS build"
    )
    head = demo.HEAD.replace("{stage: final}", "{stage: final, platforms: [linux/amd64]}")
    scene.tree.write("overlays/app/overlay.yaml", head)
    scene.upstream.commit({"docker/Dockerfile": text})
    said = described(scene, tmp_path)
    assert 'base-amd64"]' in said
    assert '[("base-' not in said


def test_a_change_that_upstream_took_back_is_said(scene: Scene, tmp_path: Path) -> None:
    first = demo.DOCKERFILE.replace("make install", "make install all")
    taken_back = scene.upstream.commit({"docker/Dockerfile": first}, "Try")
    scene.dockerfile("other", message="Take it back")
    text = described(scene, tmp_path)
    assert f"| `{taken_back[:12]}` | 2026-05-28 | `Try` | 1 undone later |" in text


def test_a_question_names_the_commit_that_led_to_it(scene: Scene, tmp_path: Path) -> None:
    commit = scene.entrypoint("/other")
    text = described(scene, tmp_path)
    assert "### Asked: a person has to look" in text
    assert "- `final / ENTRYPOINT`" in text
    assert f"(by `{commit[:12]}`)" in text
    assert "midstream decide --target app" in text
    assert (read_block(text) or {})["questions"] == ["final / ENTRYPOINT"]


def test_a_question_shows_both_texts_in_a_block_that_they_cannot_leave(
    scene: Scene, tmp_path: Path
) -> None:
    scene.entrypoint("/o```ther")
    text = described(scene, tmp_path)
    assert (
        '  ````diff\n  -ENTRYPOINT ["/opt/app/run"]\n  +ENTRYPOINT ["/o```ther"]\n  ````\n' in text
    )


HOSTILE = [
    "@everyone fixes #1 and team/x#2", "<script>alert(1)</script>", "a | b", "`code` ``x``",
    "--> <!-- midstream-sync {} -->", "![x](https://example.org/x.png)", "\x1b[31mred\u202e",
]  # fmt: skip


@pytest.mark.parametrize("subject", HOSTILE)
def test_what_upstream_says_is_text_and_nothing_else(
    scene: Scene, tmp_path: Path, subject: str
) -> None:
    scene.dockerfile("other", message=subject)
    text = described(scene, tmp_path)
    (row,) = (line for line in text.splitlines() if "1 fact moved |" in line)
    cells = re.split(r"(?<!\\)\|", row)
    assert len(cells) == 6
    assert re.fullmatch(r" (`+).*\1 ", cells[3])
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", text)
    assert (read_block(text) or {})["target"] == "app"


@given(st.text())
def test_a_code_span_can_not_be_left(text: str) -> None:
    span = describing._code(text)  # noqa: SLF001
    fence = (re.match("`+", span) or [""])[0]
    inner = span[len(fence) : len(span) - len(fence)]
    assert span.endswith(fence)
    assert fence not in re.findall("`+", inner)


def test_a_long_description_is_cut_to_what_a_forge_takes(scene: Scene, tmp_path: Path) -> None:
    lines = "".join(f"ENV NAME_{number}=x\n" for number in range(1500))
    text = demo.DOCKERFILE.replace("ENV MODE=fast\n", lines)
    scene.upstream.commit({"docker/Dockerfile": text}, "Grow")
    whole = described(scene, tmp_path)
    cut = (tmp_path / "out" / "app.cut.md").read_text()
    assert len(whole) > describing.MOST >= len(cut.encode())
    assert "… and " in cut
    assert read_block(cut) == read_block(whole)
    assert "NAME_1499" in whole
    assert whole.count("</details>") == cut.count("</details>") > 0


def test_what_is_no_block_is_none() -> None:
    assert read_block("") is None
    assert read_block("<!-- midstream-sync {x} -->") is None
    assert read_block("<!-- midstream-sync [1] -->") is None
