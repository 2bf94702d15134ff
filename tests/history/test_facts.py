from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from demo import HEAD, make

if TYPE_CHECKING:
    from pathlib import Path

    from demo import Demo

DOCKERFILE = """\
ARG BASE=ubuntu:22.04
ARG CUDA_VERSION=12.8
FROM ${BASE} AS unused
ENV MODE=old
RUN pip install nobody==1.0
FROM ${BASE} AS final
ARG CUDA_VERSION
ENV MODE=old
COPY requirements/app.txt /tmp/app.txt
RUN pip install -r /tmp/app.txt torch==2.8.0
RUN git clone -b v1.2 https://x.example/ucx.git
RUN ./tools/x.sh && curl -LO https://x.example/v0.8.1/tool.tgz && echo one
RUN tool --level 1.5
ENTRYPOINT ["/opt/app/run"]
"""

UPSTREAM = {
    "requirements/app.txt": "-r common.txt\ntorch==2.8.0\nplain\nold==1\n",
    "requirements/common.txt": "numpy>=1\nmarked==1; python_version > '3'\n",
    "requirements/test.txt": "pytest==8\n",
    "tools/x.sh": "#!/bin/sh\nDEEP_REF=abc\necho $DEEP_REF\n",
    ".buildkite/release-pipeline.yaml": """\
steps:
  - commands:
      - docker build --build-arg CUDA_VERSION=12.8 --build-arg USE_CACHE=1
        --target final -f docker/Dockerfile .
""",
    "docker/versions.json": '{"variable": {"CUDA_VERSION": {"default": "12.8"}}}',
}

BODY = """\
facts:
  - {name: DEEP, from: tools/x.sh, regex: 'DEEP_REF=(\\w+)'}
"""


def scene(folder: Path, head: str = HEAD) -> Demo:
    head = head.replace(
        "ship: {stage: final}", "ship: {stage: final, set_aside: {USE_CACHE: upstream's own}}"
    )
    demo = make(folder, DOCKERFILE, BODY, head=head, upstream=UPSTREAM)
    assert demo.run("rebase", "--target", "app").exit_code == 0
    return demo


def release(demo: Demo, *changes: tuple[str, str, str]) -> None:
    """Upstream's next release: in each of these files, one text for another."""
    texts = {path: demo.files[path].decode() for path, _, _ in changes}
    for path, old, new in changes:
        assert old in texts[path]
        texts[path] = texts[path].replace(old, new)
    demo.track("2.2", texts)


def rows(demo: Demo) -> list[dict[str, Any]]:
    ran = demo.run("--json", "rebase", "--target", "app", "--check")
    (target,) = json.loads(ran.stdout)["targets"]
    return list(target["facts"])


def told(demo: Demo) -> list[tuple[str, str, str]]:
    """File, name and what is said of each fact that moved, as `--json` gives them."""
    return [(row["file"], row["name"], f"{row['old']} -> {row['new']}") for row in rows(demo)]


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (("docker/Dockerfile", "MODE=old", "MODE=new"), ("MODE", "old -> new")),
        (("docker/Dockerfile", "MODE=old", "MORE=1 MODE=new"), ("MODE", "old -> new")),
        (("docker/Dockerfile", "torch==2.8.0", "torch==2.9.0"), ("torch", "==2.8.0 -> ==2.9.0")),
        (("docker/Dockerfile", "-b v1.2", "-b v1.3"), ("git ucx", "v1.2 -> v1.3")),
        (("docker/Dockerfile", "v0.8.1", "v0.9.0"), ("x.example/*/tool.tgz", "v0.8.1 -> v0.9.0")),
        (("docker/Dockerfile", "--level 1.5", "--level 1.6"), ("--level", "1.5 -> 1.6")),
        (("docker/Dockerfile", "u:22.04", "u:24.04"), ("BASE", "ubuntu:22.04 -> ubuntu:24.04")),
        (("requirements/app.txt", "torch==2.8.0", "torch==2.9.0"), ("torch", "==2.8.0 -> ==2.9.0")),
        (("requirements/app.txt", "old==1", "Old==2"), ("Old", "==1 -> ==2")),
        (("requirements/app.txt", "plain", "plain<2"), ("plain", "any version -> <2")),
        (("requirements/app.txt", "old==1", "new==2"), ("new", "None -> ==2")),
        (("requirements/app.txt", "plain", "plain\n--find-links https://x.example/v1.2/w"),
         ("--find-links", "None -> https://x.example/v1.2/w")),
        (("requirements/common.txt", "numpy>=1", "numpy>=2"), ("numpy", ">=1 -> >=2")),
        (("requirements/common.txt", "> '3'", "> '3.1'"),
         ("marked", "==1; python_version > '3' -> ==1; python_version > '3.1'")),
        (("tools/x.sh", "DEEP_REF=abc", "DEEP_REF=def"), ("DEEP_REF", "abc -> def")),
        ((".buildkite/release-pipeline.yaml", "CUDA_VERSION=12.8", "CUDA_VERSION=13.0"),
         ("CUDA_VERSION", "12.8 -> 13.0")),
        (("docker/versions.json", '"12.8"', '"13.0"'), ("CUDA_VERSION", "12.8 -> 13.0")),
    ],
)  # fmt: skip
def test_a_value_that_moved_is_listed_where_it_stands(
    tmp_path: Path, change: tuple[str, str, str], fact: tuple[str, str]
) -> None:
    demo = scene(tmp_path)
    release(demo, change)
    assert (change[0], *fact) in told(demo)


@pytest.mark.parametrize(
    "change",
    [
        ("docker/Dockerfile", "nobody==1.0", "nobody==2.0"),
        ("requirements/test.txt", "pytest==8", "pytest==9"),
        (".buildkite/release-pipeline.yaml", "USE_CACHE=1", "USE_CACHE=2"),
        ("docker/Dockerfile", "RUN tool", "# a note 1.2\nRUN tool"),
    ],
)
def test_what_nothing_shipped_reads_is_not(tmp_path: Path, change: tuple[str, str, str]) -> None:
    demo = scene(tmp_path)
    release(demo, change)
    assert told(demo) == []


def test_an_argument_that_goes_when_its_entry_ends_is_not(tmp_path: Path) -> None:
    head = HEAD.replace("ship: {stage: final}", f"ship: {{stage: final, {ENDING}}}")
    demo = make(tmp_path, DOCKERFILE, BODY, head=head, upstream=UPSTREAM)
    assert demo.run("rebase", "--target", "app").exit_code == 0
    release(demo, (".buildkite/release-pipeline.yaml", " --build-arg USE_CACHE=1", ""))
    assert told(demo) == []


ENDING = "set_aside: {USE_CACHE: {why: upstream's own, releases: '<2.2'}}"


def test_the_tag_of_the_image_that_a_stage_stands_on_is_a_value(tmp_path: Path) -> None:
    demo = make(tmp_path, "FROM ubuntu:22.04 AS final\n")
    assert demo.run("rebase", "--target", "app").exit_code == 0
    release(demo, ("docker/Dockerfile", "22.04", "24.04"))
    assert told(demo) == [("docker/Dockerfile", "ubuntu", ":22.04 -> :24.04")]


def test_what_upstreams_bake_file_gives_is_a_value(tmp_path: Path) -> None:
    bake = """\
target "app" {
  dockerfile = "docker/Dockerfile"
  target = "final"
  args = { MODE = "fast" }
}
"""
    text = "FROM ubuntu:22.04 AS final\nARG MODE\nRUN echo $MODE\n"
    demo = make(tmp_path, text, upstream={"docker/docker-bake.hcl": bake})
    assert demo.run("rebase", "--target", "app").exit_code == 0
    release(demo, ("docker/docker-bake.hcl", "fast", "slow"))
    assert told(demo) == [("docker/docker-bake.hcl", "MODE", "fast -> slow")]


def test_one_value_is_one_row_with_all_its_places(tmp_path: Path) -> None:
    demo = scene(tmp_path)
    release(
        demo,
        ("docker/Dockerfile", "CUDA_VERSION=12.8", "CUDA_VERSION=13.0"),
        ("docker/versions.json", '"12.8"', '"13.0"'),
        (".buildkite/release-pipeline.yaml", "CUDA_VERSION=12.8", "CUDA_VERSION=13.0"),
    )
    (row,) = rows(demo)
    assert (row["file"], row["line"]) == ("docker/Dockerfile", 2)
    assert row["also"] == [".buildkite/release-pipeline.yaml", "docker/versions.json"]


def test_a_value_that_moved_into_another_instruction_is_still_the_same_value(
    tmp_path: Path,
) -> None:
    demo = scene(tmp_path)
    release(
        demo,
        ("docker/Dockerfile", "RUN pip install -r /tmp/app.txt torch==2.8.0\n", ""),
        (
            "docker/Dockerfile",
            "ucx.git",
            "ucx.git && make -C ucx CFLAGS=-O2 install && pip install -r /tmp/app.txt torch==2.9.0",
        ),
    )
    assert ("docker/Dockerfile", "torch", "==2.8.0 -> ==2.9.0") in told(demo)


def test_facts_move_though_the_dockerfile_stands_still(tmp_path: Path) -> None:
    demo = scene(tmp_path)
    release(demo, ("requirements/common.txt", "numpy>=1", "numpy>=2"))
    ran = demo.run("rebase", "--target", "app")
    assert ran.exit_code == 0
    assert "1 upstream change: 0 taken, 1 fact moved, 0 set aside, 0 asked" in ran.stderr
    assert "facts in requirements/common.txt" in ran.stderr
    assert "numpy  >=1 -> >=2" in ran.stderr
    assert told(demo) == []  # the lock is of this release now


def test_a_list_that_a_tool_writes_is_told_on_one_line(tmp_path: Path) -> None:
    demo = scene(tmp_path)
    more = "".join(f"name{n}=={n}\n" for n in range(6))
    release(demo, ("requirements/common.txt", "numpy>=1\n", f"numpy>=1\n{more}"))
    ran = demo.run("rebase", "--target", "app")
    assert "6 new: name0 ==0, name1 ==1, " in ran.stderr


def test_an_upstream_that_is_no_longer_at_hand_is_said(tmp_path: Path) -> None:
    demo = scene(tmp_path)
    path = demo.path("overlays/app/lock.json")
    path.write_text(
        path.read_text().replace('"release": "2.1"', '"release": null').replace("c0ffee", "")
    )
    release(demo, ("requirements/common.txt", "numpy>=1", "numpy>=2"))
    ran = demo.run("rebase", "--target", "app")
    assert "isn't at hand, so what moved since then can't be told whole" in ran.stderr
