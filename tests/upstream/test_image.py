"""Commits by their images, asked of real registries through the real skopeo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gits.repository import make
from midstream.adapters.endpoint import Endpoint
from midstream.adapters.skopeo import Skopeo
from midstream.errors import MidstreamError, UsageError
from midstream.source import Source
from midstream.upstream.config import read_project
from midstream.upstream.git_source import GitSource
from midstream.upstream.image import NoImage, image, newest_with_image
from registries import images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gits.repository import Repository
    from registries.debian import DebianRegistry

REF = "refs/heads/main"


@pytest.fixture
def skopeo() -> Iterator[Skopeo]:
    with Skopeo(timeout=20) as made:
        yield made


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    return make(tmp_path / "upstream.git")


def source(tmp_path: Path, of: Repository, repository: str) -> GitSource:
    said = f"image: quay.example/{repository}" if repository else "watch: []"
    text = f"project: demo\ngit: {{url: '{of.url}'}}\ndockerfiles: {{app: Dockerfile}}\n{said}\n"
    project = read_project(Source("upstream/demo.yaml", text))
    return GitSource(project, tmp_path / "cache", _arriving)


def _arriving(_title: str, _size: int) -> Callable[[int], None]:
    return lambda _length: None


def endpoints(debian: DebianRegistry) -> dict[str, Endpoint]:
    return {"quay.example": Endpoint("quay.example", debian.address, plain=True)}


@pytest.mark.registry
def test_the_newest_commit_with_an_image_is_followed(
    tmp_path: Path, skopeo: Skopeo, upstream: Repository, debian: DebianRegistry, repository: str
) -> None:
    commits = [upstream.commit({"Dockerfile": f"FROM a\nRUN {n}\n"}) for n in range(5)]
    for number in (0, 2):
        debian.site.push(repository, images.image(seed=number), commits[number])
    of = source(tmp_path, upstream, repository)
    assert newest_with_image(of, REF, skopeo, endpoints(debian)) == commits[2]
    assert of.at(commits[2]).read("Dockerfile") == b"FROM a\nRUN 2\n"


@pytest.mark.registry
def test_an_upstream_that_builds_nothing_any_more_is_said(
    tmp_path: Path, skopeo: Skopeo, upstream: Repository, debian: DebianRegistry, repository: str
) -> None:
    upstream.commit({"Dockerfile": "FROM a\n"})
    with pytest.raises(NoImage, match="none of the newest 60 commits of refs/heads/main"):
        newest_with_image(source(tmp_path, upstream, repository), REF, skopeo, endpoints(debian))


def test_a_registry_that_is_down_does_not_mean_that_there_is_no_image(
    tmp_path: Path, skopeo: Skopeo, upstream: Repository
) -> None:
    upstream.commit({"Dockerfile": "FROM a\n"})
    down = {"quay.example": Endpoint("quay.example", "127.0.0.1:1", plain=True)}
    with pytest.raises(MidstreamError) as caught:
        newest_with_image(source(tmp_path, upstream, "x/y"), REF, skopeo, down)
    assert not isinstance(caught.value, NoImage)


def test_a_project_without_images_says_what_to_add(
    tmp_path: Path, skopeo: Skopeo, upstream: Repository
) -> None:
    with pytest.raises(UsageError, match="doesn't say where upstream's images are"):
        newest_with_image(source(tmp_path, upstream, ""), REF, skopeo, {})


@pytest.mark.registry
def test_a_tag_tells_its_digest_and_labels(
    skopeo: Skopeo, debian: DebianRegistry, repository: str
) -> None:
    pushed = images.image(seed=3, labels={"io.midstream.upstream": "demo@1#abc"})
    debian.site.push(repository, pushed, "v1")
    where = endpoints(debian)
    found = skopeo.inspect(image(f"quay.example/{repository}:v1", where))
    assert found is not None
    assert found.digest == pushed.digest
    assert found.labels["io.midstream.upstream"] == "demo@1#abc"
    assert skopeo.inspect(image(f"quay.example/{repository}:v2", where)) is None


@pytest.mark.parametrize(
    "text", ["x", "quay.io/x", "quay.io/x:", "--help/x:y", "quay/x:y", "q.io/X:y"]
)
def test_what_is_no_image_does_not_reach_skopeo(text: str) -> None:
    with pytest.raises(UsageError):
        image(text, {})
