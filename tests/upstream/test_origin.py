from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo import make
from midstream.errors import UsageError
from midstream.source import Source
from midstream.upstream.origin import Origin, dockerfiles_beside
from midstream.upstream.snapshot import NotInRelease

if TYPE_CHECKING:
    from pathlib import Path


def test_an_origin_knows_its_release_and_the_files_beside_it(tmp_path: Path) -> None:
    files = {"tools/x.sh": "echo\n", "requirements/a.txt": "a==1\n"}
    origin = make(tmp_path, upstream=files).origin()
    assert (origin.label, origin.dockerfile.name) == ("demo 2.1", "docker/Dockerfile")
    assert list(origin.scripts()) == ["tools/x.sh"]
    assert origin.file("requirements/a.txt").text == "a==1\n"
    assert origin.find("requirements/b.txt") is None
    with pytest.raises(NotInRelease):
        origin.file("requirements/b.txt")


def test_a_text_of_no_release_has_no_files_beside_it() -> None:
    origin = Origin("demo", None, "", "", "", Source("Mine", ""))
    assert (origin.label, origin.scripts(), origin.find("x")) == ("Mine", {}, None)
    with pytest.raises(UsageError, match="Mine belongs to no release"):
        origin.file("x")


def test_a_target_that_nobody_tracks_is_answered_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no target `gpu`") as caught:
        make(tmp_path).origin("gpu")
    assert caught.value.help == "known: app, base"


def test_a_target_that_the_release_lacks_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"demo 2\.1 has no Dockerfile for `base`") as caught:
        make(tmp_path).origin("base")
    assert caught.value.help == "looked for docker/Dockerfile.base"


def test_scripts_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    scripts = make(tmp_path, upstream={"tools/x.sh": "echo\n", "LICENSE": "x"}).origin().scripts()
    assert (len(scripts), scripts["tools/x.sh"].text) == (1, "echo\n")
    assert "LICENSE" not in scripts


def test_the_other_dockerfiles_of_a_release_stand_beside_it(tmp_path: Path) -> None:
    origin = make(tmp_path, upstream={"docker/Dockerfile.base": "FROM a\n"}).origin()
    assert list(dockerfiles_beside(origin)) == ["docker/Dockerfile.base"]
    assert dockerfiles_beside(Origin("demo", None, "", "", "", Source("Mine", ""))) == {}
