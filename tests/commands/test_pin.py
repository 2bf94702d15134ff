"""`midstream pin`, with the real skopeo and the real registry under Red Hat's name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from demo import DOCKERFILE, HEAD, Demo, make
from midstream.commands.pin import in_full
from registries import images

if TYPE_CHECKING:
    from pathlib import Path

    from demo import Ran
    from registries.debian import DebianRegistry

pytestmark = pytest.mark.registry

UBI = "registry.access.redhat.com/ubi9/ubi:9.8"
LOCK = "overlays/images.lock.json"


@pytest.fixture
def index() -> images.Artifact:
    return images.index({"linux/amd64": images.image(seed=1), "linux/arm64": images.image(seed=2)})


@pytest.fixture
def demo(tmp_path: Path, debian: DebianRegistry) -> Demo:
    """The project, in a world where Red Hat's registry and Docker Hub are on this machine."""
    made = make(tmp_path)
    at = {"address": debian.address, "plain": True}
    hosts = {"registry.access.redhat.com": at, "docker.io": at}
    (tmp_path / "registries.yaml").write_text(json.dumps(hosts))
    return made


def pin(demo: Demo, *words: str) -> Ran:
    return demo.run(*words, "pin", "--all", "--registries", str(demo.root / "registries.yaml"))


def test_the_digest_of_each_base_is_written_and_used(
    demo: Demo, debian: DebianRegistry, index: images.Artifact
) -> None:
    debian.site.push("ubi9/ubi", index, "9.8")
    ran = pin(demo)
    assert (ran.exit_code, ran.stdout) == (0, f"{UBI}  not pinned -> {index.digest}\n"), ran.stderr
    assert demo.json(LOCK) == {"midstream": 1, "images": {UBI: index.digest}}
    ran = demo.run("rebase", "--target", "app")
    assert ran.exit_code == 0, ran.stderr
    assert f"ARG BASE={UBI}@{index.digest}\n" in demo.result()
    assert f"{UBI}@{index.digest}" in json.dumps(
        demo.json("rendered/demo/Dockerfile.app.ubi.build.json")
    )
    checked = demo.run("check", "--target", "app")
    assert "MS354" not in checked.codes
    converted = demo.run("convert", str(demo.write("Dockerfile", "FROM ubuntu:24.04\n")))
    assert converted.stdout == f"FROM {UBI}@{index.digest}\n"


def test_a_tag_that_moved_is_seen_and_pinned_anew(
    demo: Demo, debian: DebianRegistry, index: images.Artifact
) -> None:
    debian.site.push("ubi9/ubi", index, "9.8")
    pin(demo)
    before = demo.path(LOCK).read_bytes()
    check = ("--check", "--registries", str(demo.root / "registries.yaml"))
    assert demo.run("pin", "--all", *check).exit_code == 0
    moved = debian.site.push("ubi9/ubi", images.image(seed=3), "9.8")
    ran = demo.run("pin", "--all", *check)
    assert (ran.exit_code, demo.path(LOCK).read_bytes()) == (1, before)
    assert ran.stdout == f"{UBI}  {index.digest} -> {moved}\n"
    assert pin(demo).exit_code == 0
    assert demo.json(LOCK)["images"] == {UBI: moved}


def test_an_image_that_nobody_needs_any_more_goes_with_all_and_stays_with_one_target(
    demo: Demo, debian: DebianRegistry, index: images.Artifact
) -> None:
    debian.site.push("ubi9/ubi", index, "9.8")
    old = {"midstream": 1, "images": {"quay.io/a/b:1": f"sha256:{'0' * 64}"}}
    demo.write(LOCK, json.dumps(old))
    where = ("--registries", str(demo.root / "registries.yaml"))
    demo.run("pin", "--target", "app", *where)
    assert set(demo.json(LOCK)["images"]) == {"quay.io/a/b:1", UBI}
    pin(demo)
    assert set(demo.json(LOCK)["images"]) == {UBI}


KEPT = """\
FROM pytorch/manylinux2_28-builder:{tag} AS wheels
RUN make
"""


def test_an_image_that_is_not_there_keeps_no_other_from_being_pinned(
    tmp_path: Path, demo: Demo, debian: DebianRegistry, index: images.Artifact
) -> None:
    debian.site.push("ubi9/ubi", index, "9.8")
    both = KEPT.format(tag="none") + DOCKERFILE.replace("COPY --from=build", "COPY --from=wheels")
    two = make(tmp_path / "two", both.replace("ARG BASE=ubuntu:22.04\n", "").replace(
        "${BASE}", "ubuntu:22.04"))  # fmt: skip
    (two.root / "registries.yaml").write_bytes((demo.root / "registries.yaml").read_bytes())
    ran = pin(two)
    assert ran.exit_code == 8
    assert two.json(LOCK)["images"] == {UBI: index.digest}
    debian.site.push("pytorch/manylinux2_28-builder", index, "none")
    assert pin(two).exit_code == 0
    two.run("rebase", "--target", "app")
    assert f"FROM pytorch/manylinux2_28-builder:none@{index.digest} AS wheels\n" in two.result()
    assert f"FROM {UBI}@{index.digest} AS final\n" in two.result()


def test_a_registry_that_has_none_of_them_is_3_and_nothing_is_written(
    tmp_path: Path, debian: DebianRegistry
) -> None:
    text = DOCKERFILE.replace("ubuntu:22.04", "registry.access.redhat.com/ubi9/ubi:0.0")
    made = make(tmp_path, text)
    hosts = {"registry.access.redhat.com": {"address": debian.address, "plain": True}}
    (tmp_path / "registries.yaml").write_text(json.dumps(hosts))
    ran = pin(made)
    assert ran.exit_code == 3
    assert not made.path(LOCK).exists()


def test_json_has_every_image_and_what_was_there_before(
    demo: Demo, debian: DebianRegistry, index: images.Artifact
) -> None:
    debian.site.push("ubi9/ubi", index, "9.8")
    assert json.loads(pin(demo, "--json").stdout) == {
        "midstream": 1, "kind": "pin", "images": {UBI: index.digest}, "before": {}, "failed": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"midstream": 1, "images": {"a:1": "sha256:12"}}', "MS50"),
        ('{"midstream": 2, "images": {}}', "MS50"),
        ('{"midstream": 1}', "MS50"),
        ('{"midstream": 1, "images": {"a:1": ', "MS50"),
    ],
)
def test_a_lock_that_can_not_be_read_is_2_and_says_where(
    tmp_path: Path, text: str, code: str
) -> None:
    demo = make(tmp_path)
    demo.write(LOCK, text)
    for words in (("rebase", "--target", "app"), ("pin", "--all")):
        ran = demo.run(*words)
        assert ran.exit_code == 2
        assert ran.codes[0].startswith(code)
        assert f"--> {LOCK}:1:" in ran.stderr


@pytest.mark.parametrize("words", [(), ("--all", "--target", "app")])
def test_what_is_pinned_has_to_be_said(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert make(tmp_path).run("pin", *words).exit_code == 2


@pytest.mark.parametrize(
    ("image", "whole"),
    [
        ("ubuntu", "docker.io/library/ubuntu:latest"),
        ("nvidia/cuda:13-ubi9", "docker.io/nvidia/cuda:13-ubi9"),
        ("localhost:5000/a:1", "localhost:5000/a:1"),
        ("quay.io/a/b", "quay.io/a/b:latest"),
    ],
)
def test_a_short_name_is_docker_hubs(image: str, whole: str) -> None:
    assert in_full(image) == whole


def test_a_siblings_image_is_not_pinned(
    demo: Demo, debian: DebianRegistry, index: images.Artifact
) -> None:
    debian.site.push("ubi9/ubi", index, "9.8")
    base = HEAD.replace("app", "base")
    demo.write("overlays/base/overlay.yaml", base)
    demo.track("2.1", {"docker/Dockerfile.base": "FROM ubuntu:22.04 AS final\nRUN a\n"})
    given = "ship: {stage: final, args: {BASE: {value: \"{{ sibling('base') }}\", why: ours}}}"
    demo.write("overlays/app/overlay.yaml", HEAD.replace("ship: {stage: final}", given))
    ran = pin(demo)
    assert ran.exit_code == 0, ran.stderr
    assert set(demo.json(LOCK)["images"]) == {UBI}
