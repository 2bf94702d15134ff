from __future__ import annotations

from pathlib import Path

import pytest

from midstream.configuration import ConfigurationError
from midstream.source import Source
from midstream.upstream.config import Git, Index, Project, any_matches, read_project

HEAD = """\
project: demo
index: demo
"""
REAL = Path(__file__).parents[2] / "upstream" / "vllm.yaml"


def project(text: str) -> Project:
    return read_project(Source("upstream/demo.yaml", text))


def mistakes(text: str) -> list[tuple[str, int, str]]:
    """Code, line and message of each mistake."""
    with pytest.raises(ConfigurationError) as caught:
        project(text)
    return [
        (each.rule.code, each.source.position(each.span.start).line, each.message)
        for each in caught.value.diagnostics
    ]


def test_a_whole_file_is_read() -> None:
    found = project("""\
project: demo
git: {url: https://example.org/demo.git, branch: trunk, tags: "r*"}
index: {name: demo-server, version_file: demo/_version.py}
first: git
image: registry.example.org/demo
dockerfiles:
  app: {path: docker/Dockerfile.app, was: [Dockerfile.app, Dockerfile]}
  tool: docker/Dockerfile.tool
ignore:
  docker/Dockerfile.old*: nobody runs it
watch:
  - requirements/**
""")
    assert found.git == Git("https://example.org/demo.git", "trunk", "r*")
    assert found.index == Index("demo-server", "demo/_version.py")
    assert (found.first, found.image) == ("git", "registry.example.org/demo")
    assert found.dockerfiles["app"].paths == (
        "docker/Dockerfile.app", "Dockerfile.app", "Dockerfile",
    )  # fmt: skip
    assert found.dockerfiles["tool"].paths == ("docker/Dockerfile.tool",)
    assert found.ignore == {"docker/Dockerfile.old*": "nobody runs it"}


def test_the_least_that_is_needed_is_enough() -> None:
    found = project(HEAD + "dockerfiles: {app: Dockerfile}\n")
    assert (found.git, found.index) == (None, Index("demo", None))
    assert (found.first, found.image, found.watch) == ("index", None, ())
    bare = project("project: d\ngit: {url: x}\ndockerfiles: {app: Dockerfile}\n")
    assert bare.git == Git("x", "main", "v*")


def test_the_file_of_vllm_is_without_mistakes() -> None:
    found = project(REAL.read_text())
    assert found.unlisted(["docker/Dockerfile", "docker/Dockerfile.zen"]) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("project: demo\ndockerfiles: {app: a}\n",
         ("MS504", 1, "give `git:`, `index:` or both, to fetch from")),
        (HEAD + "dockerfiles: {app: a}\nfirst: disk\n",
         ("MS504", 4, "expected git or index, found `disk`")),
        (HEAD + "dockerfiles: {app: a}\nignore:\n  b: ' '\n",
         ("MS504", 5, "say why nobody here ships it")),
        (HEAD + "dockerfiles: {app: a}\nignore:\n  b:\n",
         ("MS504", 5, "say why nobody here ships it")),
        (HEAD + "dockerfiles:\n  app: a\n  other: {path: b, was: [a]}\n",
         ("MS540", 5, "`a` is given twice")),
        (HEAD + "dockerfiles:\n  app: docker/Dockerfile.x\nignore: {docker/Dockerfile.*: old}\n",
         ("MS540", 4, "`docker/Dockerfile.x` is given twice")),
        (HEAD + "dockerfile: {app: a}\ndockerfiles: {}\n",
         ("MS502", 3, "unknown key `dockerfile`")),
        ("project: demo\nindex: {nam: x}\ndockerfiles: {}\n", ("MS503", 2, "`name` is missing")),
    ],
)  # fmt: skip
def test_a_mistake_is_shown_at_its_line(text: str, expected: tuple[str, int, str]) -> None:
    assert expected in mistakes(text)


def test_a_path_given_twice_shows_both_places() -> None:
    with pytest.raises(ConfigurationError) as caught:
        project(HEAD + "dockerfiles:\n  one: same\n  two: same\n")
    (found,) = caught.value.diagnostics
    assert found.also is not None
    assert found.source.position(found.also.span.start).line == 4


def test_a_target_stands_at_its_newest_path_that_is_there() -> None:
    found = project(HEAD + "dockerfiles: {app: {path: docker/D, was: [D, old/D]}}\n")
    assert found.path_of("app", ["old/D", "D"]) == "D"
    assert found.path_of("app", ["D", "docker/D"]) == "docker/D"
    assert found.path_of("app", ["E"]) is None


LISTED = (
    HEAD
    + """\
dockerfiles: {app: docker/Dockerfile.app, odd: build/Containerfile}
ignore: {docker/Dockerfile.old: it went}
watch: [requirements/**, "*.sh"]
"""
)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("docker/Dockerfile.app", True),
        ("docker/Dockerfile.new", True),
        ("docker/Dockerfile.old", True),
        ("build/Containerfile", True),
        ("Dockerfile", True),
        ("docker/Dockerfile.md", False),
        ("examples/Dockerfile", False),
        ("requirements/test/cpu.txt", True),
        ("build.sh", True),
        ("tools/build.sh", False),
    ],
)
def test_what_is_watched_is_kept(path: str, wanted: bool) -> None:
    assert project(LISTED).wants(path) is wanted


def test_a_dockerfile_that_nobody_named_is_unlisted() -> None:
    paths = ["docker/Dockerfile.new", "docker/Dockerfile.app", "docker/Dockerfile.old",
             "Dockerfile", "examples/Dockerfile", "docker/Dockerfile.md"]  # fmt: skip
    assert project(LISTED).unlisted(paths) == ("Dockerfile", "docker/Dockerfile.new")


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("*.sh", "a.sh", True),
        ("*.sh", "a/b.sh", False),
        ("tools/**/*.sh", "tools/a.sh", True),
        ("tools/**/*.sh", "tools/a/b/c.sh", True),
        ("tools/**", "tools/a/b", True),
        ("tools/**", "tools", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("a.c", "abc", False),
        ("docker/Dockerfile", "docker/Dockerfile.cpu", False),
    ],
)
def test_a_star_stays_within_its_folder_and_two_do_not(glob: str, path: str, matches: bool) -> None:
    assert any_matches([glob], path) is matches


@pytest.mark.parametrize(
    ("path", "is_asked_about"),
    [
        ("images/app/Dockerfile.gpu", True),  # beside a target's
        ("images/app/Containerfile", True),
        ("docker/gpu.Dockerfile", True),
        ("images/app/Dockerfile.dockerignore", False),
        ("images/app/Dockerfile.md", False),
        ("examples/Dockerfile", False),
    ],
)
def test_a_new_dockerfile_is_looked_for_where_upstream_keeps_them(
    path: str, is_asked_about: bool
) -> None:
    found = project(f"{HEAD}dockerfiles: {{app: images/app/Dockerfile}}\n")
    assert found.wants(path) == is_asked_about
    assert found.unlisted([path]) == ((path,) if is_asked_about else ())
