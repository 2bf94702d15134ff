"""What a target ships, beside what upstream's release build passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo import make

if TYPE_CHECKING:
    from pathlib import Path

PIPELINE = """\
steps:
  - command: docker build --build-arg WITH_X=true --target server -f docker/Dockerfile .
"""
DOCKERFILE = """\
FROM ubuntu:22.04 AS server
ARG WITH_X
FROM server AS nonroot
USER 1
"""


def test_a_stage_that_upstream_does_not_release_is_built_as_the_one_it_is_from(
    tmp_path: Path,
) -> None:
    demo = make(tmp_path, DOCKERFILE, upstream={".buildkite/release-pipeline.yaml": PIPELINE})
    text = demo.path("overlays/app/overlay.yaml").read_text()
    demo.write("overlays/app/overlay.yaml", text.replace("stage: final", "stage: nonroot"))
    assert [f.rule.code for f in demo.rebase().findings if f.is_error] == ["MS241"]


def test_the_builder_says_what_the_platform_is(tmp_path: Path) -> None:
    text = (
        "FROM ubuntu:22.04 AS base-amd64\nFROM ubuntu:22.04 AS base-s390x\n"
        "FROM base-${TARGETARCH} AS final\n"
    )
    demo = make(tmp_path, text)
    overlay = demo.path("overlays/app/overlay.yaml").read_text()
    ship = "ship: {stage: final, platforms: [linux/s390x]}"
    demo.write("overlays/app/overlay.yaml", overlay.replace("ship: {stage: final}", ship))
    done = demo.rebase()
    assert done.is_proved, done.findings
    assert "base-amd64" not in done.result.text
    assert "FROM base-${TARGETARCH} AS final" in done.result.text
