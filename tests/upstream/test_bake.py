from __future__ import annotations

from midstream.source import Source
from midstream.upstream.bake import given_to

HCL = """\
# variable "COMMENT" { default = "no" }
variable "JOBS" {
  default = 16
}
variable "COMMIT" { default = "" }
variable "ARCHES" {
  # a note with a } in it
  default = "8.0 9.0"
}
target "_common" {
  dockerfile = "docker/Dockerfile"
  args = {
    jobs   = JOBS
    ARCHES = ARCHES
    COMMIT = COMMIT
    BUILD  = COMMIT != "" ? COMMIT : "unknown"
  }
}
target "_round" { inherits = ["_round"] }
target "app" {
  inherits = ["_common", "_round", "nobody"]
  target   = "final"
}
target "app-next" {
  inherits = ["_common"]
  target   = "final"
  args = {
    UBUNTU_VERSION = "26.04"
    jobs           = "4"
  }
}
target "test" {
  inherits = ["_common"]
  target   = "test"
  args = { ONLY = "here" }
}
"""


def values(text: str, dockerfile: str = "docker/Dockerfile", stage: str = "final") -> list[str]:
    source = Source("docker/docker-bake.hcl", text)
    return [f"{each.name}={each.value}" for each in given_to(source, dockerfile, stage)]


def test_a_stage_is_given_what_its_targets_and_those_they_inherit_from_pass() -> None:
    assert values(HCL) == [
        "jobs=16", "ARCHES=8.0 9.0", "jobs=4", "UBUNTU_VERSION=26.04"
    ]  # fmt: skip


def test_what_stands_on_one_line_is_read_as_what_stands_on_several() -> None:
    text = """\
variable "MODE" { default = "fast" }
target "common" { dockerfile = "docker/Dockerfile", args = { MODE = MODE, JOBS=4, "LIST" = "a,b" } }
target "app" {
  inherits = [
    "common",
  ]
  target = "final"
  args = { MORE = "1" }
}
"""
    assert values(text) == ["MODE=fast", "JOBS=4", "LIST=a,b", "MORE=1"]


def test_a_file_about_another_dockerfile_or_stage_gives_nothing() -> None:
    assert values(HCL, dockerfile="docker/Dockerfile.cpu") == []
    assert values(HCL, stage="base") == []
    assert values(HCL, stage="test") == ["jobs=16", "ARCHES=8.0 9.0", "ONLY=here"]


def test_a_value_stands_where_it_is_written() -> None:
    source = Source("docker/docker-bake.hcl", HCL)
    places = {
        each.name: source[each.span] for each in given_to(source, "docker/Dockerfile", "final")
    }
    assert places["ARCHES"] == '"8.0 9.0"'


def test_what_is_broken_gives_nothing_and_ends() -> None:
    assert values('target "a" {\n dockerfile = "docker/Dockerfile"\n args = {') == []


def test_versions_json_is_about_the_file_that_it_is_made_from() -> None:
    text = (
        '{"variable": {"CUDA": {"default": "13.0"}, "JOBS": {"default": 2}, "X": {"default": []}}}'
    )
    source = Source("docker/versions.json", text)
    found = given_to(source, "docker/Dockerfile", "final")
    assert [(each.name, each.value) for each in found] == [("CUDA", "13.0"), ("JOBS", "2")]
    assert [source[each.span] for each in found] == ['"CUDA"', '"JOBS"']
    assert given_to(source, "docker/Dockerfile.cpu", "final") == ()
    assert given_to(Source("docker/versions.json", "{"), "docker/Dockerfile", "final") == ()
