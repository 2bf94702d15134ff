"""The whole way, with the shipped policy: track, rebase, build, stage, plan, apply, roll back.

The upstream, the index, the base image and the registry that stands for quay.io are on
this machine; buildah really builds.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from midstream.errors import Exit
from registries import images
from registries.debian import DebianRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from indexes.double import IndexDouble

pytestmark = pytest.mark.registry

ROOT = Path(__file__).parents[2]
PROJECT = """\
project: vllm
index: vllm
dockerfiles: {rocm: docker/Dockerfile.rocm}
watch: [docker/**]
"""
DOCKERFILE = """\
ARG BASE=ubuntu:22.04
FROM ${BASE} AS build
RUN apt-get update && apt-get install -y git
ARG NIC=vendor
RUN mkdir -p /opt/app && echo "made for ${NIC}" > /opt/app/about

FROM ${BASE} AS final
COPY --from=build /opt/app /opt/app
ENTRYPOINT ["/usr/bin/cat", "/opt/app/about"]
"""
OVERLAY = """\
target: rocm
upstream: {file: vllm/rocm, releases: ">=0.33"}
platform: ubi9
ship:
  stage: final
  platforms: [linux/amd64]
  args:
    NIC: {value: none, why: there are no RPMs}
labels:
  name: vllm/vllm-rocm
  vendor: somebody
  maintainer: somebody
  summary: a test
  description: an image to promote
edits:
  - {id: ours, at: "@ship", end: [labels.j2, "USER 2000"], why: certification}
waivers:
  - {rule: pinned-base, why: a test}
  - {rule: licence, why: a test}
promote: {repository: quay.io/vllm/vllm-rocm}
"""
DNF = "#!/bin/sh\nexit 0\n"
PROGRAMS = ("bash", "mkdir", "cat", "rm", "touch", "chmod")


@dataclass
class Machine:
    """An overlay tree, a container storage, and a registry where quay.io would be."""

    root: Path
    quay: DebianRegistry
    environment: dict[str, str]

    def midstream(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "midstream", "--root", str(self.root / "tree"), *words],
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
        )

    def promote(self, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
        return self.midstream(
            "promote", verb, "--registries", str(self.root / "registries.yaml"), *words
        )

    def buildah(self, verb: str, *words: str) -> str:
        store = ["--root", str(self.root / "store"), "--runroot", str(self.root / "run")]
        done = subprocess.run(
            ["buildah", *store, "--storage-driver", "vfs", verb, *words],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            cwd=self.root / "tree",  # `build-args` names the file as it stands in the tree
            env={k: v for k, v in self.environment.items() if k != "REGISTRY_AUTH_FILE"},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def holds(self, repository: str, tag: str) -> str | None:
        return self.quay.site.digest(f"vllm/{repository}", tag)


@pytest.fixture
def machine(tmp_path: Path, index: IndexDouble) -> Iterator[Machine]:
    if shutil.which("buildah") is None:
        pytest.fail("the tests need `buildah`: apt-get install buildah")
    index.offer("vllm", "0.33.0", {"docker/Dockerfile.rocm": DOCKERFILE})
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "overlays" / "_shared", tree / "overlays" / "_shared")
    shutil.copy(ROOT / "overlays" / "promotion.yaml", tree / "overlays")
    for path, text in (
        ("upstream/vllm.yaml", PROJECT),
        ("overlays/rocm/overlay.yaml", OVERLAY),
    ):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    with DebianRegistry(tmp_path / "quay") as quay:
        where = {"quay.io": {"address": quay.address, "plain": True}}
        (tmp_path / "registries.yaml").write_text(json.dumps(where))
        yield Machine(tmp_path, quay, environment)


def test_what_was_rebased_built_and_tested_gets_its_names_and_loses_them_again(
    machine: Machine,
) -> None:
    for words in (("track",), ("rebase", "--target", "rocm")):
        done = machine.midstream(*words)
        assert done.returncode == Exit.OK, done.stderr

    built = build(machine)
    stage(machine, built)
    created = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    labels = dict.fromkeys(("name", "vendor", "version", "summary", "description"), "x")
    old = images.image(seed=1)
    for number, name in enumerate(("cuda", "tpu")):
        platforms = ("linux/amd64", "linux/arm64")[: 2 - number]
        image = images.multi_arch(
            seed=5 + number, platforms=platforms, labels=labels, created=created
        )
        machine.quay.site.push("vllm/automation-vllm", image, f"{name}-0.33.0")
    machine.quay.site.push("vllm/vllm-rocm", old, "latest", "0.33")

    kept = str(machine.root / "plan.json")
    planned = machine.promote("plan", "--group", "release", "--out", kept)
    assert planned.returncode == Exit.OK, planned.stdout + planned.stderr
    assert (
        "rocm  quay.io/vllm/automation-vllm:rocm-0.33.0 -> quay.io/vllm/vllm-rocm" in planned.stdout
    )
    assert machine.quay.address not in planned.stdout

    applied = machine.promote("apply", kept)
    assert applied.returncode == Exit.OK, applied.stderr
    staged = machine.holds("automation-vllm", "rocm-0.33.0")
    assert staged is not None
    unique = f"0.33.0-{staged[7:19]}"
    assert {machine.holds("vllm-rocm", tag) for tag in (unique, "0.33.0", "0.33", "latest")} == {
        staged
    }
    for name in ("vllm-cuda", "vllm-tpu"):
        assert machine.holds(name, "latest") == machine.holds(name, "0.33.0") is not None

    run = applied.stdout.rpartition("run ")[2].partition(":")[0]
    assert machine.promote("verify", run).returncode == Exit.OK
    back = machine.promote("rollback", run)
    assert back.returncode == Exit.OK, back.stderr
    assert machine.holds("vllm-rocm", "latest") == machine.holds("vllm-rocm", "0.33") == old.digest
    assert machine.holds("vllm-rocm", "0.33.0") == staged

    other = OVERLAY.replace("an image to promote", "another image to promote")
    (machine.root / "tree/overlays/rocm/overlay.yaml").write_text(other)
    assert machine.midstream("rebase", "--target", "rocm").returncode == Exit.OK
    refused = machine.promote("plan", "--group", "release", "--only", "rocm")
    assert refused.returncode == Exit.REFUSED
    assert "error[MS418]" in refused.stdout


def build(machine: Machine) -> str:
    """With the flags of `build-args`, on a base that stands where UBI would."""
    rendered = machine.root / "tree/rendered/vllm/Dockerfile.rocm.ubi"
    [base] = set(re.findall(r"^ARG BASE=(\S+)$", rendered.read_text(), re.MULTILINE))
    machine.buildah("bud", "--tag", base, str(base_image(machine.root / "base")))
    flags = machine.midstream("build-args", "--target", "rocm")
    assert flags.returncode == Exit.OK, flags.stderr
    machine.buildah(
        "bud", "--isolation", "chroot", "--pull-never", "--tag", "built",
        *shlex.split(flags.stdout), str(machine.root / "tree"),
    )  # fmt: skip
    return "built"


def stage(machine: Machine, name: str) -> None:
    target = f"docker://{machine.quay.address}/vllm/automation-vllm:rocm-0.33.0"
    machine.buildah("push", "--tls-verify=false", "--format", "oci", name, target)


def base_image(folder: Path) -> Path:
    """A shell, what it needs, and a `dnf` that installs nothing."""
    root = folder / "rootfs"
    for program in PROGRAMS:
        path = Path(str(shutil.which(program))).resolve()
        listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=True)  # noqa: S607
        for each in (path, *map(Path, re.findall(r"(/\S+)", listed.stdout))):
            place = str(each) if str(each).startswith("/usr/") else f"/usr{each}"
            copied = root / place.lstrip("/")
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(each.resolve(), copied)
    for name in ("bin", "lib", "lib64"):
        (root / "usr" / name).mkdir(exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    (root / "usr/bin/sh").symlink_to("bash")
    for name in ("dnf", "microdnf"):
        (root / "usr/bin" / name).write_text(DNF)
        (root / "usr/bin" / name).chmod(0o755)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY rootfs /\n")
    return folder
