"""What a target ships, beside what upstream's release build passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo import HEAD, make, places

if TYPE_CHECKING:
    from pathlib import Path

    from midstream.rebasing.flow import Rebased

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


RELEASE = """\
env: {COUNT: "4"}
steps:
  - label: build
    command: >-
        export MODE=fast &&
        docker build --build-arg MODE=$$MODE --build-arg JOBS=$$COUNT --build-arg HTTP_PROXY=p
        --build-arg NEW=$$(date) --build-arg CACHE_URL=u --build-arg CACHE_KEY=k
        --target final -f docker/Dockerfile .
  - command: docker build --build-arg JOBS=8 --target final -f docker/Dockerfile .
  - command: docker build --build-arg OTHER=1 --target test -f docker/Dockerfile .
"""
DECLARING = """\
ARG MODE=fast
ARG JOBS=2
FROM ubuntu:22.04 AS test
FROM ubuntu:22.04 AS final
ARG MODE
ARG JOBS
ARG CACHE_URL
ARG CACHE_KEY
ARG NEW
"""


def against(folder: Path, ship: str, dockerfile: str = DECLARING) -> Rebased:
    head = HEAD.replace("ship: {stage: final}", f"ship: {{stage: final{ship}}}")
    return make(
        folder, dockerfile, head=head, upstream={".buildkite/release-pipeline.yaml": RELEASE}
    ).rebase()


def test_every_argument_of_upstreams_release_that_ours_does_not_answer_is_an_error(
    tmp_path: Path,
) -> None:
    rebased = against(tmp_path, "")
    assert [(code, message) for code, _, _, message in places(rebased.findings)] == [
        ("MS242", "upstream's release build passes JOBS=`4` or `8`, and the default is `2`"),
        ("MS241", "upstream's release build passes NEW=`$(date)`"),
        ("MS241", "upstream's release build passes CACHE_URL=`u`"),
        ("MS241", "upstream's release build passes CACHE_KEY=`k`"),
    ]
    assert {found.source.name for found in rebased.findings} == {".buildkite/release-pipeline.yaml"}
    assert {found.context for found in rebased.findings} == {"demo 2.1"}
    also = [found.also for found in rebased.findings if found.also]
    assert [each.source[each.span] for each in also] == ["2"]


def test_what_is_given_or_set_aside_is_answered(tmp_path: Path) -> None:
    rebased = against(
        tmp_path,
        ", args: {JOBS: {value: '4', why: w}, NEW: {value: now, why: w}}, "
        "set_aside: {CACHE_*: theirs alone}",
    )
    assert rebased.findings == ()
    assert rebased.plan.content["set_aside"] == {"CACHE_*": "theirs alone"}


def test_what_is_set_aside_and_not_passed_any_more_is_a_warning(tmp_path: Path) -> None:
    rebased = against(
        tmp_path,
        ", args: {JOBS: {value: '4', why: w}, NEW: {value: now, why: w}}, "
        "set_aside: {CACHE_*: theirs alone, GONE: long ago}",
    )
    assert rebased.is_proved
    ((code, name, _, message),) = places(rebased.findings)
    assert (code, name) == ("MS243", "overlays/app/overlay.yaml")
    assert message == "upstream's release build passes nothing like `GONE`"


@pytest.mark.parametrize(
    ("releases", "said", "codes"),
    [
        (">=2", {"NEW": "theirs"}, []),
        ("<2", {}, ["MS241"]),
        ("!=2.1", {}, ["MS241"]),
    ],
)
def test_what_is_set_aside_for_some_releases_stands_for_those_alone(
    tmp_path: Path, releases: str, said: dict[str, str], codes: list[str]
) -> None:
    rebased = against(
        tmp_path,
        ", args: {JOBS: {value: '4', why: w}}, set_aside: {CACHE_*: theirs, "
        f"NEW: {{why: theirs, releases: '{releases}'}}}}",
    )
    assert [found.rule.code for found in rebased.findings] == codes
    assert rebased.plan.content["set_aside"] == {"CACHE_*": "theirs", **said}


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("{releases: '>=2'}", "MS503"),
        ("{why: , releases: '>=2'}", "MS503"),
        ("{why: w, releases: new}", "MS504"),
        ("{why: w, until: 2027-01-01}", "MS502"),
        ("[a]", "MS504"),
    ],
)
def test_an_entry_that_is_no_entry_is_said_to_be(tmp_path: Path, entry: str, code: str) -> None:
    head = HEAD.replace("{stage: final}", f"{{stage: final, set_aside: {{A: {entry}}}}}")
    ran = make(tmp_path, DECLARING, head=head).run("rebase", "--target", "app")
    assert (ran.exit_code, ran.codes) == (2, [code])


def test_an_entry_for_other_releases_is_not_missed(tmp_path: Path) -> None:
    rebased = against(
        tmp_path,
        ", args: {JOBS: {value: '4', why: w}, NEW: {value: now, why: w}}, "
        "set_aside: {CACHE_*: theirs, GONE: {why: long ago, releases: '<2'}}",
    )
    assert rebased.findings == ()


def test_without_a_pipeline_nothing_is_compared(tmp_path: Path) -> None:
    head = HEAD.replace("{stage: final}", "{stage: final, set_aside: {GONE: w}}")
    assert make(tmp_path, DECLARING, head=head).rebase().findings == ()


@pytest.mark.parametrize(("default", "codes"), [("fast", []), ("slow", ["MS242"])])
def test_an_argument_whose_default_says_the_same_needs_no_answer(
    tmp_path: Path, default: str, codes: list[str]
) -> None:
    text = DECLARING.replace("MODE=fast", f"MODE={default}")
    rebased = against(
        tmp_path,
        ", args: {JOBS: {value: '4', why: w}}, set_aside: {CACHE_*: theirs, NEW: a clock}",
        text,
    )
    assert [found.rule.code for found in rebased.findings] == codes


def test_a_variable_of_the_environment_is_no_default(tmp_path: Path) -> None:
    text = DECLARING.replace("ARG MODE=fast\n", "").replace("ARG MODE\n", "ARG MODE=fast\n")
    rebased = against(
        tmp_path,
        ", args: {JOBS: {value: '4', why: w}}, set_aside: {CACHE_*: theirs, NEW: a clock}",
        text.replace("AS test\n", "AS test\nENV MODE=slow\n"),
    )
    assert rebased.findings == ()


@pytest.mark.parametrize("text", ["a: [", "steps: []\n", "steps: [{command: make}]\n"])
def test_a_pipeline_in_which_no_build_can_be_read_is_said(tmp_path: Path, text: str) -> None:
    rebased = make(tmp_path, upstream={".buildkite/release-pipeline.yaml": text}).rebase()
    assert [code for code, *_ in places(rebased.findings)] == ["MS245"]
