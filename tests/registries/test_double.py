"""The double behaves: skopeo pushes to it and pulls from it, and its faults are what they say."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from registries import faults, images
from registries.faults import Fault
from registries.look import Site

if TYPE_CHECKING:
    from pathlib import Path

    from registries.double import Double
    from registries.proxy import Proxy


def skopeo(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["skopeo", "--insecure-policy", *arguments],  # noqa: S607
        capture_output=True,
        check=False,
        timeout=60,
    )


def copy(source: str, target: str) -> subprocess.CompletedProcess[bytes]:
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    return skopeo("copy", "--all", "--preserve-digests", *plain, source, target)


@pytest.mark.parametrize(
    "image",
    [
        images.image(seed=1),
        images.image(seed=2, docker=True),
        images.multi_arch(seed=3),
        images.multi_arch(seed=4, docker=True),
        images.multi_arch(seed=5, attested=True),
    ],
    ids=["single", "docker", "index", "docker list", "attested"],
)
def test_skopeo_copies_from_a_layout_through_one_double_into_another(
    double: Double, other_double: Double, tmp_path: Path, image: images.Artifact
) -> None:
    there, further = Site(double.address), Site(other_double.address)
    if image.media_type in (images.DOCKER_LIST, images.DOCKER_MANIFEST):
        there.push("a/b", image, "v1")
    else:
        images.write_layout(tmp_path, image, "v1")
        pushed = copy(f"oci:{tmp_path}:v1", f"docker://{double.address}/a/b:v1")
        assert pushed.returncode == 0, pushed.stderr
    assert double.holds("a/b", "v1") == image.digest
    pulled = copy(f"docker://{double.address}/a/b:v1", f"docker://{other_double.address}/c/d:v2")
    assert pulled.returncode == 0, pulled.stderr
    assert further.digest("c/d", "v2") == image.digest
    assert further.is_whole("c/d", "v2")
    assert there.tags("a/b") == {"v1": image.digest}


def test_blobs_of_another_repository_are_mounted(double: Double) -> None:
    image = images.multi_arch()
    double.load("a", image, "v1")
    for target in ("b", "c"):  # skopeo learns at the first copy where the layers are
        double.log.clear()
        done = copy(f"docker://{double.address}/a:v1", f"docker://{double.address}/{target}:v1")
        assert done.returncode == 0, done.stderr
        assert double.holds(target, "v1") == image.digest
    assert len(double.requests("PATCH")) == 2  # the two configs, which skopeo always sends
    assert any(each.status == 201 for each in double.requests("POST", "mount="))


def test_an_immutable_tag_is_refused_even_for_the_same_image(double: Double) -> None:
    double.immutable = r"\d+\.\d+"
    image = images.image()
    double.load("a", image, "0.33", "x")
    done = copy(f"docker://{double.address}/a:x", f"docker://{double.address}/a:0.33")
    assert done.returncode == 1
    assert b"immutable" in done.stderr


def test_a_quota_refuses_the_blob_that_is_too_much(double: Double, other_double: Double) -> None:
    double.load("a", images.image(size=5000), "v1")
    other_double.most_bytes = 4000
    done = copy(f"docker://{double.address}/a:v1", f"docker://{other_double.address}/a:v1")
    assert b"Quota" in done.stderr
    assert other_double.holds("a", "v1") is None


def test_an_index_with_a_missing_child_is_refused_unless_the_double_is_lax(double: Double) -> None:
    site, broken = Site(double.address), images.without_child(images.multi_arch())
    with pytest.raises(AssertionError, match="MANIFEST_BLOB_UNKNOWN"):
        site.push("a", broken, "v1")
    double.validates = False
    site.push("a", broken, "v1")
    assert site.digest("a", "v1") == broken.digest
    assert not site.is_whole("a", "v1")


def test_a_lag_shows_the_old_state_for_its_time(double: Double) -> None:
    site, old, new = Site(double.address), images.image(seed=1), images.image(seed=2)
    double.load("a", old, "v1")
    double.fails(Fault("PUT|GET|HEAD", "/manifests/v1", faults.Lag(0.2)))
    site.push("a", new, "v1")
    assert site.digest("a", "v1") == old.digest
    assert double.holds("a", "v1") == new.digest
    time.sleep(0.21)
    assert site.digest("a", "v1") == new.digest


@pytest.mark.parametrize(
    ("behaviour", "stored"),
    [
        (faults.loses_the_reply, True),
        (faults.does_it_and_answers(502), True),
        (faults.pretends, False),
        (faults.resets, False),
        (faults.answers(500), False),
    ],
)
def test_a_failing_put_has_or_has_not_happened(
    double: Double, behaviour: faults.Behaviour, stored: bool
) -> None:
    image = images.image()
    double.load("a", image, "v1")
    double.fails(Fault("PUT", "/manifests/v2", behaviour, times=1))
    done = copy(f"docker://{double.address}/a:v1", f"docker://{double.address}/a:v2")
    assert (done.returncode == 0) is (behaviour is faults.pretends)
    assert double.holds("a", "v2") == (image.digest if stored else None)


@pytest.mark.parametrize("behaviour", [faults.truncates(), faults.corrupts, faults.shortens])
def test_a_damaged_layer_stops_a_copy(double: Double, behaviour: faults.Behaviour) -> None:
    image = images.image(size=100_000)
    double.load("a", image, "v1")
    double.fails(Fault("GET", "/blobs/", behaviour))
    double.mounts = False
    done = copy(f"docker://{double.address}/a:v1", f"docker://{double.address}/b:v1")
    assert done.returncode == 1
    assert double.holds("b", "v1") is None


def test_a_fault_ends_after_its_times_and_begins_after_its_start(double: Double) -> None:
    double.fails(Fault("GET", "/v2/", faults.answers(503), times=2, after=1))
    site = Site(double.address)
    assert [site.request("GET", "/v2/")[0] for _ in range(5)] == [200, 503, 503, 200, 200]
    assert [each.fault for each in double.log] == [None, "answered", "answered", None, None]


@pytest.mark.registry
def test_a_proxy_stands_in_front_of_the_real_registry(proxy: Proxy, repository: str) -> None:
    site, image = Site(proxy.address), images.multi_arch(seed=9)
    site.push(repository, image, "v1")
    done = copy(
        f"docker://{proxy.address}/{repository}:v1", f"docker://{proxy.address}/{repository}:v2"
    )
    assert done.returncode == 0, done.stderr
    assert site.tags(repository) == {"v1": image.digest, "v2": image.digest}
    assert site.is_whole(repository, "v2")
    proxy.fails(Fault("GET", "/manifests/", faults.replaces(b"{}")))
    assert site.manifest(repository, "v1") == b"{}"
