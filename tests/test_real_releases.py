"""vLLM's own Dockerfiles, at the locked release, through the repository's own overlays."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo import ROOT, SOURCES
from dockerfiles.buildkit import theirs
from midstream.adapters.blobs import blob_id
from midstream.dockerfile.graph import build_graph
from midstream.dockerfile.scan import parse
from midstream.source import Source

if TYPE_CHECKING:
    from midstream.dockerfile.model import Dockerfile
    from releases import Releases

pytestmark = pytest.mark.releases

TARGETS = ("rocm", "rocm_base")
DEBIAN = re.compile(
    r"\b(apt|apt-get|apt-key|add-apt-repository|dpkg|ppa|dist-packages|debconf|lsb_release)\b"
    r"|linux-gnu|/etc/apt|DEBIAN_FRONTEND"
)


def rebase(cache: Path, out: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Both targets, with a warm cache and no way to the network."""
    words = [word for target in TARGETS for word in ("--target", target)]
    nowhere = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    return subprocess.run(
        [sys.executable, "-m", "midstream", "--root", str(ROOT), "rebase", *words, "--out",
         str(out)],
        env={"PATH": os.environ["PATH"], "HOME": str(out.parent), "PYTHONPATH": str(SOURCES),
             "XDG_CACHE_HOME": str(cache), **nowhere, **settings},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@dataclass(frozen=True)
class Out:
    """What one rebase of all targets wrote, and upstream's files beside it."""

    folder: Path
    exit_code: int
    stderr: str

    def path(self, target: str) -> Path:
        return self.folder / f"Dockerfile.{target}.ubi"

    def dockerfile(self, target: str) -> Dockerfile:
        path = self.path(target)
        return parse(Source.from_bytes(path.name, path.read_bytes()))

    def upstream(self, target: str) -> Path:
        return self.folder / f"upstream.{target}"


@pytest.fixture(scope="module")
def out(releases: Releases, tmp_path_factory: pytest.TempPathFactory) -> Out:
    """The locked release."""
    release = json.loads((ROOT / "upstream/vllm.lock.json").read_bytes())["release"]
    files = releases.files(release)
    base = tmp_path_factory.mktemp("rocm")
    (base / "cache").mkdir()
    (base / "cache" / "midstream").symlink_to(releases.cache)
    done = rebase(base / "cache", base / "out")
    made = Out(base / "out", done.returncode, done.stderr)
    for target in TARGETS:
        made.upstream(target).write_bytes(files[f"docker/Dockerfile.{target}"])
    return made


def test_the_locked_release_rebases_without_errors_or_questions(out: Out) -> None:
    assert out.exit_code == 0, out.stderr
    assert "error[" not in out.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_no_instruction_is_undecided_and_each_has_one_fate(out: Out, target: str) -> None:
    ledger = json.loads(out.path(target).with_suffix(".ubi.ledger.json").read_bytes())
    upstream = parse(Source.from_bytes(target, out.upstream(target).read_bytes()))
    assert ledger["counts"]["undecided"] == 0
    assert len(ledger["instructions"]) == len(upstream.instructions)
    assert sum(ledger["counts"].values()) == len(upstream.instructions)
    for entry in ledger["instructions"]:
        assert (entry["fate"] in ("carried", "unreachable")) or entry["reasons"]


def test_the_same_bytes_come_out_wherever_they_are_made(out: Out, tmp_path: Path) -> None:
    settings = {"PYTHONHASHSEED": "42", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    done = rebase(out.folder.parent / "cache", tmp_path / "out", **settings)
    assert done.returncode == 0, done.stderr
    for path in (tmp_path / "out").iterdir():
        assert path.read_bytes() == (out.folder / path.name).read_bytes()


@pytest.mark.parametrize("target", TARGETS)
def test_the_lock_of_the_repository_is_that_of_the_result(out: Out, target: str) -> None:
    lock = json.loads((ROOT / "overlays" / target / "lock.json").read_bytes())
    assert lock["upstream"]["blob"] == blob_id(out.upstream(target).read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_buildkits_parser_reads_the_result_as_we_do(out: Out, target: str) -> None:
    text = out.path(target).read_text()
    read = theirs(text)
    assert read is not None
    assert [each.keyword for each in read] == [
        each.keyword for each in out.dockerfile(target).instructions
    ]


@pytest.mark.parametrize("target", TARGETS)
def test_hadolint_finds_no_error_that_upstream_has_not(out: Out, target: str) -> None:
    assert lint(out.path(target)) <= lint(out.upstream(target))


def lint(path: Path) -> set[tuple[str, str]]:
    program = Path(sys.executable).with_name("hadolint")
    words = [str(program), "--no-fail", "--failure-threshold", "error", "-f", "json", str(path)]
    done = subprocess.run(words, capture_output=True, check=True, timeout=120)
    found = json.loads(done.stdout)
    assert found  # it has read the file: there is always some style to find
    return {(each["code"], each["message"]) for each in found if each["level"] == "error"}


@pytest.mark.parametrize("target", TARGETS)
def test_no_word_of_debian_is_left_but_in_comments(out: Out, target: str) -> None:
    lines = out.path(target).read_text().splitlines()
    assert [line for line in lines if DEBIAN.search(line.partition("#")[0])] == []


def test_the_shipped_image_runs_as_an_ordinary_user(out: Out) -> None:
    dockerfile = out.dockerfile("rocm")
    plan = json.loads(out.path("rocm").with_suffix(".ubi.build.json").read_bytes())
    values = {each["name"]: each["value"] for each in plan["arguments"]}
    graph = build_graph(dockerfile, values)
    ship = graph.find(plan["stage"])
    assert ship is not None
    users = [
        dockerfile.text(each.arguments)
        for index in reversed(graph.lineage(ship.index))
        for each in dockerfile.stages[index].instructions
        if each.keyword == "USER"
    ]
    assert users[-1] == "2000"


def test_rocm_is_built_on_our_own_base_at_the_same_release(out: Out) -> None:
    plan = json.loads(out.path("rocm").with_suffix(".ubi.build.json").read_bytes())
    release = plan["upstream"]["release"]
    values = {each["name"]: each["value"] for each in plan["arguments"]}
    assert values["BASE_IMAGE"] == f"quay.io/vllm/vllm-rocm-base:{release}"


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_not_changed_is_upstreams_byte_for_byte(out: Out, target: str) -> None:
    """Each carried instruction stands in the result as it stands upstream."""
    ledger = json.loads(out.path(target).with_suffix(".ubi.ledger.json").read_bytes())
    upstream = parse(Source.from_bytes(target, out.upstream(target).read_bytes()))
    result = out.path(target).read_bytes().decode("utf-8", "surrogateescape")
    at = 0
    for entry, each in zip(ledger["instructions"], upstream.instructions, strict=True):
        if entry["fate"] == "carried":
            at = result.find(upstream.text(each.span), at)
            assert at != -1, (entry, upstream.text(each.span))
