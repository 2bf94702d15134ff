from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midstream.source import Source
from midstream.upstream.release_arguments import (
    PIPELINE,
    ReleaseArgument,
    ReleaseBuild,
    arguments_for,
    read_release_builds,
    span_of_line,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from releases import Releases


def builds(text: str, scripts: Mapping[str, str] | None = None) -> tuple[ReleaseBuild, ...]:
    return read_release_builds(Source(PIPELINE, text), (scripts or {}).get)


def commands(*lines: str) -> str:
    """A pipeline of one step whose commands stand in a block, from line 4 on."""
    block = "".join(f"      {line}\n" for line in lines)
    return f"steps:\n  - label: build\n    commands: |\n{block}"


def arguments(*lines: str, **scripts: str) -> dict[str, tuple[str, bool]]:
    """What the only build of a step is given."""
    texts = {f"{name}.sh": text for name, text in scripts.items()}
    (found,) = builds(commands(*lines), texts)
    return {each.name: (each.value, each.certain) for each in found.arguments}


def test_a_build_has_its_file_its_stage_and_its_arguments() -> None:
    (found,) = builds(
        commands(
            "echo hello",
            "docker build --build-arg A=1 \\",
            "  --build-arg B=two --target final --tag x -f docker/Dockerfile .",
        )
    )
    assert found == ReleaseBuild(
        "docker/Dockerfile",
        "final",
        (ReleaseArgument("A", "1", True, 5), ReleaseArgument("B", "two", True, 6)),
        5,
    )


@pytest.mark.parametrize(
    ("written", "dockerfile", "stage"),
    [
        ("docker build .", "Dockerfile", None),
        ("docker buildx build --file=docker/D --target=one .", "docker/D", "one"),
        ("docker buildx build -f a -f b .", "b", None),
        ("DOCKER_BUILDKIT=1 docker build --progress plain -f d .", "d", None),
        ("sudo docker build -f d .", "d", None),
        ("if true; then docker build -f d .; fi", "d", None),
    ],
)
def test_the_ways_to_write_a_build(written: str, dockerfile: str, stage: str | None) -> None:
    (found,) = builds(commands(written))
    assert (found.dockerfile, found.stage) == (dockerfile, stage)


@pytest.mark.parametrize(
    "written",
    ["docker push x", "docker buildx create", "docker", "echo docker build .", "# docker build .",
     'docker build -f "$(choose)" .', "docker build -f $UNKNOWN ."],
)  # fmt: skip
def test_what_builds_nothing_that_can_be_told_is_no_build(written: str) -> None:
    assert builds(commands(written)) == ()


def test_what_is_known_is_filled_in_and_what_is_not_is_kept() -> None:
    assert arguments(
        "X=1",
        "export Y=$$X.2",
        "Z=$(date)",
        'docker build --build-arg A="$$X" --build-arg B=${Y} --build-arg C="$Z" --build-arg D=$W '
        "--build-arg E=${V:-none} --build-arg 'F=a b' --build-arg G=${U:?unset} .",
    ) == {
        "A": ("1", True),
        "B": ("1.2", True),
        "C": ("$Z", False),
        "D": ("$W", False),
        "E": ("none", True),
        "F": ("a b", True),
        "G": ("${U:?unset}", False),
    }


def test_an_argument_without_a_value_is_the_environments() -> None:
    assert arguments("TORCH=2", "docker build --build-arg TORCH --build-arg NOT .") == {
        "TORCH": ("2", True),
        "NOT": ("$NOT", False),
    }


def test_a_value_that_can_not_be_told_any_more_is_forgotten() -> None:
    assert arguments("X=1", "X=$(next)", "docker build --build-arg A=$X .") == {"A": ("$X", False)}


def test_an_assignment_behind_a_build_plays_no_part_in_it() -> None:
    assert arguments("X=1", "docker build --build-arg A=$X .", "X=2") == {"A": ("1", True)}


def test_an_array_of_words_is_spread_out() -> None:
    assert arguments("ARGS=(--build-arg A=1 --build-arg B=2)", 'docker build "$${ARGS[@]}" .') == {
        "A": ("1", True),
        "B": ("2", True),
    }


def test_a_sourced_script_gives_its_assignments_with_its_parameters() -> None:
    stack = "VERSION=7\ndeclare BASE=base:$VERSION\nexport KIND=$1 PLAIN\nSTRANGE=$(x)\n"
    assert arguments(
        "source stack.sh gfx",
        "docker build --build-arg BASE=$BASE --build-arg KIND=$KIND --build-arg S=$STRANGE .",
        stack=stack,
    ) == {"BASE": ("base:7", True), "KIND": ("gfx", True), "S": ("$STRANGE", False)}


def test_a_sourced_script_that_is_not_there_gives_nothing() -> None:
    assert arguments(". other.sh", "source", "docker build --build-arg A=$B .") == {
        "A": ("$B", False)
    }


def test_the_environment_of_a_step_and_of_the_pipeline_is_known() -> None:
    found = builds("""\
env: {A: "1", B: "1"}
steps:
  - group: images
    env: {B: "2"}
    steps:
      - command: docker build --build-arg A=$$A --build-arg B=$$B .
        env: {C: "3"}
      - commands:
          - "docker build --build-arg B=$$B --build-arg C=$$C ."
          - [no, text]
  - command: docker build --build-arg B=$$B .
  - wait
""")
    assert [[f"{a.name}={a.value}" for a in each.arguments] for each in found] == [
        ["A=1", "B=2"],
        ["B=2", "C=$C"],
        ["B=1"],
    ]
    assert [each.line for each in found] == [6, 9, 11]


@pytest.mark.parametrize(
    "text", ["", "steps: [", "a: b\n--- \nc: d\n", "just text", "\udc80: 1", "steps: 3\n"]
)
def test_a_pipeline_that_is_none_has_no_builds(text: str) -> None:
    assert builds(text) == ()


def test_builds_of_a_stage_are_told_together_by_name() -> None:
    found = builds(
        commands(
            "docker build --target one -f D --build-arg V=12 --build-arg X=1 .",
            "docker build --target one -f D --build-arg V=13 --build-arg X=1 .",
            "docker build --target two -f D --build-arg OTHER=1 .",
            "docker build -f D --build-arg LAST=1 .",
            "docker build --target one -f E --build-arg OTHER=1 .",
        )
    )
    told = arguments_for(found, "D", "one", is_last=False)
    assert {name: [each.value for each in values] for name, values in told.items()} == {
        "V": ["12", "13"],
        "X": ["1"],
    }
    assert list(arguments_for(found, "D", "one", is_last=True)) == ["V", "X", "LAST"]
    assert arguments_for(found, "D", "three", is_last=False) == {}


def test_the_span_of_a_line_is_its_text_without_the_indent() -> None:
    source = Source("p", "a:\n    - b \n")
    assert source[span_of_line(source, 2)] == "- b "
    assert source[span_of_line(source, 99)] == ""


# --- the real pipeline ---


def real(releases: Releases, version: str, dockerfile: str) -> Mapping[str, list[str]]:
    files = releases.files(version)

    def script(path: str) -> str | None:
        return files[path].decode() if path in files else None

    found = read_release_builds(Source(PIPELINE, files[PIPELINE].decode()), script)
    told = arguments_for(found, dockerfile, "vllm-openai", is_last=False)
    return {name: [each.value for each in values] for name, values in told.items()}


@pytest.mark.releases
def test_upstream_builds_rocm_with_lmcache(releases: Releases) -> None:
    assert real(releases, "0.33.0", "docker/Dockerfile.rocm")["INSTALL_LMCACHE"] == ["true"]


@pytest.mark.releases
@pytest.mark.parametrize(
    ("version", "expected"),
    [("0.33.0", ["13.0.2", "13.4"]), ("0.32.0", ["12.9.1", "13.0.2", "13.4"])],
)
def test_upstream_builds_cuda_for_several_versions_of_it(
    releases: Releases, version: str, expected: list[str]
) -> None:
    assert sorted(real(releases, version, "docker/Dockerfile")["CUDA_VERSION"]) == expected
