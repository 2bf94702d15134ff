"""Dockerfiles that are remembered are as those that are read."""

from __future__ import annotations

import itertools

from midstream.dockerfile.arguments import mounts, pairs
from midstream.dockerfile.remembered import Dockerfiles
from midstream.dockerfile.scan import parse
from midstream.source import Source


def source(text: str, name: str = "Dockerfile") -> Source:
    return Source(name, text)


def test_a_text_that_comes_again_is_the_dockerfile_that_it_was() -> None:
    known = Dockerfiles()
    first = source("FROM a\n")
    read = known.of(first)
    assert read == parse(first)
    assert known.of(source("FROM a\n")) is read
    assert read.source is first


def test_another_text_or_another_name_is_another_dockerfile() -> None:
    known = Dockerfiles()
    for each in (source("FROM a\n"), source("FROM b\n"), source("FROM a\n", "x.Dockerfile")):
        assert known.of(each) == parse(each)


def test_the_text_before_is_known_when_the_next_one_has_come() -> None:
    known = Dockerfiles()
    texts = [source(f"FROM a:{number}\n") for number in range(4)]
    for before, now in itertools.pairwise(texts):
        earlier = known.of(before)
        known.of(now)
        assert known.of(before) is earlier


def test_what_was_read_of_it_is_known_with_it() -> None:
    known = Dockerfiles()
    for _ in range(2):
        dockerfile = known.of(source("FROM a\nARG X=1\nRUN --mount=type=cache,target=/c b\n"))
        argument, run = dockerfile.instructions[1:]
        assert [pair.name for pair in pairs(dockerfile, argument)] == ["X"]
        assert [mount.target for mount in mounts(dockerfile, run)] == ["/c"]
        assert pairs(dockerfile, argument) is pairs(dockerfile, argument)
        assert mounts(dockerfile, run) is mounts(dockerfile, run)


def test_no_more_than_two_texts_of_a_name_are_kept() -> None:
    known = Dockerfiles()
    oldest = known.of(source("FROM a:1\n"))
    for tag in (2, 3):
        known.of(source(f"FROM a:{tag}\n"))
    assert known.of(source("FROM a:1\n")) is not oldest
