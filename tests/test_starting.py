"""The first files of an overlay tree read back as what they say."""

from __future__ import annotations

import pytest

from midstream.dockerfile.scan import parse
from midstream.errors import UsageError
from midstream.source import Source
from midstream.starting import Start, overlay_files, project_file, targets_of
from midstream.upstream.config import read_project

START = Start("demo", "https://git.example/demo.git", "main", "demo", {"app": "docker/Dockerfile"})


def test_the_projects_file_says_what_was_said() -> None:
    project = read_project(Source("upstream/demo.yaml", project_file(START)))
    assert (project.name, project.first) == ("demo", "index")
    assert project.git is not None
    assert (project.git.url, project.git.branch) == (START.url, "main")
    assert project.dockerfiles["app"].path == "docker/Dockerfile"
    assert project.wants("LICENSE.txt")
    assert project.wants("tools/install.sh")


@pytest.mark.parametrize("branch", ["a: b", "#main", "{x}", 'q"', "-x", "*y"])
def test_a_name_that_means_something_in_yaml_stays_one(branch: str) -> None:
    start = Start("demo", "https://git.example/demo", branch, "", {"app": "Dockerfile"})
    project = read_project(Source("upstream/demo.yaml", project_file(start)))
    assert project.git is not None
    assert project.git.branch == branch


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "-x", "a b"])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    for start in (Start(name, "", "", "i", {}), Start("i", "", "", "i", {name: "Dockerfile"})):
        with pytest.raises(UsageError, match="can't be the name"):
            start.check()


@pytest.mark.parametrize(
    ("paths", "targets"),
    [
        (["Dockerfile", "docker/Dockerfile.rocm"], {"demo": "Dockerfile",
                                                    "rocm": "docker/Dockerfile.rocm"}),
        (["a/Dockerfile", "b/Dockerfile"], {"demo": "a/Dockerfile", "b": "b/Dockerfile"}),
        (["cpu.Dockerfile", "Containerfile"], {"demo": "Containerfile", "cpu": "cpu.Dockerfile"}),
        (["x/a/Dockerfile", "y/a/Dockerfile", "z/a/Dockerfile"],
         {"demo": "x/a/Dockerfile", "a": "y/a/Dockerfile",
          "z-a-Dockerfile": "z/a/Dockerfile"}),
        (["README.md", "docker/entrypoint.sh"], {}),
    ],
)  # fmt: skip
def test_each_dockerfile_gets_a_target_of_its_own(
    paths: list[str], targets: dict[str, str]
) -> None:
    assert targets_of("demo", paths) == targets


def test_a_dockerfile_without_a_stage_ships_nothing() -> None:
    with pytest.raises(UsageError, match="no stage to ship"):
        overlay_files(START, "app", parse(Source("Dockerfile", "ARG A\n")), [])


def test_the_licence_is_copied_where_there_is_one() -> None:
    dockerfile = parse(Source("Dockerfile", "FROM a AS b\n"))
    with_it = overlay_files(START, "app", dockerfile, ["Makefile", "LICENSE.txt"])["app/ubi.j2"]
    assert "COPY LICENSE.txt /licenses/demo\n" in with_it
    assert "COPY" not in overlay_files(START, "app", dockerfile, ["Makefile"])["app/ubi.j2"]
