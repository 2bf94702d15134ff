"""One registry with both ends: layers needn't go through the promoter's machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from midstream.errors import Exit
from midstream.promotion import apply
from midstream.promotion.apply import Way
from midstream.promotion.journal import Journal
from promotion.world import UNIQUE, VALUES, World
from registries import faults, images
from registries.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from midstream.promotion.apply import Report
    from registries.debian import DebianRegistry
    from registries.double import Double
    from registries.exchange import Request

POLICY = """\
defaults: {profile: none}
images:
  rocm:
    source: {repository: quay.io/ci/rocm, tag: "{commit}"}
    repository: quay.io/vllm/vllm-rocm
    tags: {unique: "{version}-{commit:12}"}
"""
IMAGE = images.multi_arch(seed=90, size=1_200_000)
LAYERS = {
    layer["digest"] for each in IMAGE.everything() for layer in each.content.get("layers", ())
}


def promote(address: str, folder: Path, policy: str = POLICY) -> Report:
    world = World(address, address, policy=policy)
    plan = world.plan()
    assert not plan.failures, plan.failures[0].error
    with world.outside() as outside, Journal(folder / plan.run, now=lambda: "then") as held:
        return apply.carry_out(plan, outside, held, Way(settle=0.3))


def sent(double: Double) -> int:
    """Bytes of layers and settings."""
    return sum(len(each.request.body) for each in double.requests("PATCH"))


def test_layers_are_mounted_where_one_registry_has_both_ends(
    double: Double, tmp_path: Path
) -> None:
    double.load("ci/rocm", IMAGE, VALUES["commit"])
    report = promote(double.address, tmp_path)
    assert report.exit_code == Exit.OK
    assert double.holds("vllm/vllm-rocm", UNIQUE) == IMAGE.digest
    assert set(double.repository("vllm/vllm-rocm").blobs) >= LAYERS
    assert sent(double) < 10_000  # the settings, which skopeo always sends


def test_a_registry_that_mounts_nothing_is_asked_once_and_gets_all(
    double: Double, tmp_path: Path
) -> None:
    double.load("ci/rocm", IMAGE, VALUES["commit"])
    double.mounts = False
    report = promote(double.address, tmp_path)
    assert report.exit_code == Exit.OK
    assert double.holds("vllm/vllm-rocm", UNIQUE) == IMAGE.digest
    assert set(double.repository("vllm/vllm-rocm").blobs) >= LAYERS
    assert double.repository("vllm/vllm-rocm").uploads == {}
    ours = [each for each in double.requests("POST", "mount=") if is_ours(each.request)]
    assert len(ours) == 1


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_mount_that_is_refused_changes_nothing(
    double: Double, tmp_path: Path, status: int
) -> None:
    double.load("ci/rocm", IMAGE, VALUES["commit"])
    double.fails(Fault("POST", "mount=", faults.answers(status, "DENIED", "no")))
    report = promote(double.address, tmp_path)
    assert report.exit_code == Exit.OK
    assert double.holds("vllm/vllm-rocm", UNIQUE) == IMAGE.digest


@pytest.mark.registry
def test_the_real_registry_mounts(debian: DebianRegistry, repository: str, tmp_path: Path) -> None:
    policy = POLICY.replace("vllm/vllm-rocm", repository).replace("ci/rocm", f"{repository}/ci")
    debian.site.push(f"{repository}/ci", IMAGE, VALUES["commit"])
    uploads = len(debian.requests("PATCH"))
    report = promote(debian.address, tmp_path, policy)
    assert report.exit_code == Exit.OK
    assert debian.site.digest(repository, UNIQUE) == IMAGE.digest
    assert debian.site.is_whole(repository, UNIQUE)
    assert len(debian.requests("PATCH")) - uploads == 2  # the settings of two platforms


def is_ours(request: Request) -> bool:
    return "midstream" in request.header("User-Agent")
