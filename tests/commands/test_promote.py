"""`midstream promote` as a person types it: real processes, real registries, exit codes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from midstream.cli import main
from midstream.errors import Exit
from midstream.promotion import plan as plans
from registries import faults, images
from registries.debian import PASSWORD, DebianRegistry
from registries.faults import Fault
from registries.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from registries.certificates import Authority
    from registries.exchange import Answer, Request, Response

pytestmark = pytest.mark.registry

POLICY = """\
defaults: {profile: community, max-age: 3650d}
images:
  rocm:
    source: {repository: quay.io/vllm/staging, tag: "rocm-{version}"}
    repository: quay.io/vllm/vllm-rocm
    platforms: [linux/amd64, linux/arm64]
    tags: {unique: "{version}-{digest:12}", release: "{version}", floating: ["{minor}", latest]}
"""
LOCK = {
    "midstream": 1, "project": "vllm", "release": "0.33.0", "commit": "",
    "date": "2026-01-01T00:00:00Z", "files": {},
}  # fmt: skip
WRITES = ("PUT", "POST", "PATCH", "DELETE")
NEW, OLD = images.multi_arch(seed=41), images.multi_arch(seed=42)
UNIQUE = f"0.33.0-{NEW.digest[7:19]}"
FLOATING = ("0.33", "latest")


@dataclass(frozen=True)
class Ran:
    returncode: int
    stdout: str
    stderr: str


@dataclass
class Tree:
    """An overlay tree, with `quay.io` at a registry on this machine."""

    root: Path
    debian: DebianRegistry
    proxy: Proxy
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def plan(self) -> str:
        return str(self.root / "plan.json")

    @property
    def policy(self) -> Path:
        return self.root / "overlays" / "promotion.yaml"

    def run(self, *words: str, before: tuple[str, ...] = ()) -> Ran:
        """In this process; `command` is for one that is to be ended from outside."""
        runner = CliRunner(env=self.environment)
        done = runner.invoke(main, self.command(*words, before=before)[3:])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Ran(int(done.exit_code), done.stdout, done.stderr)

    def command(self, *words: str, before: tuple[str, ...] = ()) -> list[str]:
        verb, *rest = words
        return [
            sys.executable, "-m", "midstream", "--root", str(self.root), *before, "promote", verb,
            "--registries", str(self.root / "registries.yaml"), *rest,
        ]  # fmt: skip

    def json(self, *words: str) -> dict[str, Any]:
        done = self.run(*words, before=("--json",))
        assert done.stdout, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def stage(self, artifact: images.Artifact = NEW) -> None:
        self.debian.site.push("vllm/staging", artifact, "rocm-0.33.0")

    def push(self, artifact: images.Artifact, *tags: str) -> str:
        return self.debian.site.push("vllm/vllm-rocm", artifact, *tags)

    def holds(self, tag: str) -> str | None:
        return self.debian.site.digest("vllm/vllm-rocm", tag)

    def where(self, **registries: dict[str, object]) -> None:
        """Where registries are; `_` stands for the dot in their names."""
        content = {name.replace("_", "."): each for name, each in registries.items()}
        (self.root / "registries.yaml").write_text(json.dumps(content))

    def writes(self) -> int:
        return sum(len(self.debian.requests(each)) for each in WRITES)


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    (tmp_path / "overlays").mkdir()
    (tmp_path / "overlays" / "promotion.yaml").write_text(POLICY)
    (tmp_path / "upstream").mkdir()
    (tmp_path / "upstream" / "vllm.lock.json").write_text(json.dumps(LOCK))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    with DebianRegistry(tmp_path / "debian") as debian, Proxy(debian.address) as proxy:
        made = Tree(tmp_path, debian, proxy, environment)
        made.where(quay_io={"address": proxy.address, "plain": True})
        yield made


def test_a_plan_is_shown_kept_applied_verified_and_rolled_back(tree: Tree) -> None:
    tree.stage()
    tree.push(OLD, *FLOATING)
    writes = tree.writes()
    planned = tree.run("plan", "--out", tree.plan)
    assert planned.returncode == Exit.OK, planned.stderr
    assert f"  + {UNIQUE}  create     unique\n" in planned.stdout
    last = planned.stdout.splitlines()[-1]
    begin = f"Nothing was written.  Apply: midstream promote apply {tree.plan} --registries "
    assert last.startswith(begin)  # what is pasted goes where the plan has looked
    assert tree.writes() == writes
    assert tree.proxy.address not in Path(tree.plan).read_text()

    applied = tree.run("apply", tree.plan)
    assert applied.returncode == Exit.OK, applied.stderr
    assert applied.stdout.count("done       quay.io/vllm/vllm-rocm:") == 4
    assert {tree.holds(tag) for tag in (UNIQUE, "0.33.0", *FLOATING)} == {NEW.digest}
    run = applied.stdout.rpartition("run ")[2].partition(":")[0]

    verified = tree.run("verify", run, "--metrics", str(tree.root / "metrics"))
    assert verified.returncode == Exit.OK
    assert 'midstream_verify_tags{holds="same"} 4' in (tree.root / "metrics").read_text()

    back = tree.run("rollback", run)
    assert back.returncode == Exit.OK, back.stderr
    assert {tree.holds(tag) for tag in FLOATING} == {OLD.digest}
    assert tree.holds("0.33.0") == NEW.digest
    moved = tree.run("verify", run)
    assert moved.returncode == Exit.FINDINGS
    line = f"moved       quay.io/vllm/vllm-rocm:latest  floating  holds {OLD.digest}"
    assert line in moved.stdout


def test_a_rollback_can_be_of_one_tag_and_refuses_what_has_moved_on(tree: Tree) -> None:
    tree.stage()
    tree.push(OLD, *FLOATING)
    run = tree.json("apply", "--confirm")["run"]
    assert tree.run("rollback", run[:6], "--tag", "0.33").returncode == Exit.OK
    assert (tree.holds("0.33"), tree.holds("latest")) == (OLD.digest, NEW.digest)
    newer = tree.push(images.multi_arch(seed=43), "latest")
    refused = tree.run("rollback", run)
    assert refused.returncode == Exit.REFUSED
    assert tree.holds("latest") == newer
    assert tree.run("rollback", run, "--tag", "nope").returncode == Exit.USAGE


def test_a_tag_that_the_run_made_new_stays_at_a_rollback(tree: Tree) -> None:
    tree.stage()
    run = tree.json("apply", "--confirm")["run"]
    back = tree.run("rollback", run)
    assert back.returncode == Exit.OK
    assert "quay.io/vllm/vllm-rocm:latest stays" in back.stderr
    assert tree.holds("latest") == NEW.digest


def test_a_finished_plan_again_makes_no_write_request_and_needs_no_skopeo(tree: Tree) -> None:
    tree.stage()
    tree.run("plan", "--out", tree.plan)
    assert tree.run("apply", tree.plan).returncode == Exit.OK
    writes = tree.writes()
    tree.environment["PATH"] = ""
    again = tree.run("apply", tree.plan)
    assert again.returncode == Exit.OK, again.stderr
    assert tree.writes() == writes
    assert again.stdout.count("was there") == 4


def test_a_release_tag_that_holds_another_image_is_refused_and_can_be_allowed(tree: Tree) -> None:
    tree.stage()
    old = tree.push(OLD, "0.33.0")
    refused = tree.run("plan", "--out", tree.plan)
    assert refused.returncode == Exit.REFUSED
    assert "  ! 0.33.0" in refused.stdout
    assert "error[MS410]" in refused.stdout
    assert tree.run("apply", tree.plan).returncode == Exit.REFUSED
    assert tree.holds("0.33.0") == old
    allowed = tree.run("apply", "--confirm", "--allow", "MS410=it never worked")
    assert allowed.returncode == Exit.OK, allowed.stderr
    assert tree.holds("0.33.0") == NEW.digest
    [record] = (tree.root / "state/midstream/runs").glob("*/record.json")
    [promoted] = json.loads(record.read_text())["predicate"]["promoted"]
    assert promoted["allowed"] == {"MS410": "it never worked"}
    assert {"tag": "0.33.0", "kind": "release", "previous": old} in promoted["tags"]


def test_the_record_is_a_statement_and_is_attached_on_request(tree: Tree) -> None:
    tree.stage()
    done = tree.run("apply", "--confirm", "--attach-record")
    assert done.returncode == Exit.OK, done.stderr
    [path] = (tree.root / "state/midstream/runs").glob("*/record.json")
    statement = json.loads(path.read_text())
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    subject = {"name": "quay.io/vllm/vllm-rocm", "digest": {"sha256": NEW.digest[7:]}}
    assert statement["subject"] == [subject]
    assert statement["predicate"]["versions"]["skopeo"].startswith("1.")
    listed = tree.debian.site.manifest("vllm/vllm-rocm", NEW.digest.replace(":", "-"))
    assert listed is not None
    [entry] = json.loads(listed)["manifests"]
    assert entry["artifactType"] == "application/vnd.in-toto+json"
    tags = tree.debian.site.tags("vllm/vllm-rocm")
    assert tree.run("resume", path.parent.name, "--attach-record").returncode == Exit.OK
    assert tree.debian.site.tags("vllm/vllm-rocm") == tags


def hang_at_the_second_tag(tree: Tree) -> threading.Event:
    """The registry hangs where the release tag is put; the event says when it does."""
    reached = threading.Event()

    def hangs(request: Request, origin: Answer) -> Response:
        reached.set()
        return faults.stalls(20)(request, origin)

    tree.proxy.fails(Fault("PUT", "/vllm-rocm/manifests/0.33.0$", hangs, 1))
    return reached


def test_a_run_that_was_killed_is_resumed(tree: Tree) -> None:
    tree.stage()
    tree.run("plan", "--out", tree.plan)
    hangs = hang_at_the_second_tag(tree)
    command = tree.command("apply", tree.plan)
    with subprocess.Popen(command, env=tree.environment, stderr=subprocess.DEVNULL) as running:
        assert hangs.wait(15)
        running.kill()
    [folder] = (tree.root / "state/midstream/runs").iterdir()
    early = tree.run("verify", folder.name)
    assert early.returncode == Exit.USAGE
    assert "isn't finished" in early.stderr
    resumed = tree.run("resume", folder.name)
    assert resumed.returncode == Exit.OK, resumed.stderr
    assert "begun and not seen to end: rocm 0.33.0" in resumed.stderr
    assert tree.holds("latest") == NEW.digest


def test_an_image_that_became_too_old_since_the_plan_is_refused(tree: Tree) -> None:
    tree.stage()
    tree.run("plan", "--out", tree.plan)
    path = Path(tree.plan)
    made = plans.parse(path.read_bytes(), "plan")
    [unit] = made.units
    assert unit.until == "2035-12-30T00:00:00+00:00"  # built on 2026-01-01, and 3650 days later
    path.write_bytes(replace(made, units=(replace(unit, until="2026-01-02T00:00:00+00:00"),)).data)
    writes = tree.writes()
    applied = tree.run("apply", tree.plan)
    assert applied.returncode == Exit.REFUSED, applied.stderr
    assert "has become too old for its policy since it was planned [MS419]" in applied.stderr
    assert tree.writes() == writes
    assert tree.holds(UNIQUE) is None


@pytest.mark.parametrize(
    ("sent", "expected"),
    [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGTERM, Exit.TERMINATED)],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_signal_ends_the_run_with_a_report_of_every_tag(
    tree: Tree, sent: signal.Signals, expected: Exit
) -> None:
    tree.stage()
    hangs = hang_at_the_second_tag(tree)
    with subprocess.Popen(
        tree.command("apply", "--confirm"),
        env=tree.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert hangs.wait(15)
        running.send_signal(sent)
        output, said = running.communicate(timeout=15)
    assert running.returncode == expected, said
    assert f"done       quay.io/vllm/vllm-rocm:{UNIQUE}  copied" in output
    assert "untouched  quay.io/vllm/vllm-rocm:0.33.0" in output
    assert "untouched  quay.io/vllm/vllm-rocm:latest" in output
    [folder] = (tree.root / "state/midstream/runs").iterdir()
    assert f"midstream promote resume {folder.name} --registries " in said


def test_no_secret_is_anywhere(
    tree: Tree, debian_password: DebianRegistry, authfile: Callable[..., Path]
) -> None:
    tree.stage()
    logins = authfile(debian_password.address)
    tree.where(
        quay_io={"address": debian_password.address, "plain": True, "authfile": str(logins)},
        staging_example={"address": tree.debian.address, "plain": True},
    )
    tree.policy.write_text(POLICY.replace("quay.io/vllm/staging", "staging.example/vllm/staging"))
    watcher, programs = tree.root / "argv", tree.root / "bin"
    programs.mkdir()
    script = f'#!/bin/sh\necho "$@" >> {watcher}\nexec /usr/bin/skopeo "$@"\n'
    (programs / "skopeo").write_text(script)
    (programs / "skopeo").chmod(0o755)
    tree.environment["PATH"] = f"{programs}:{tree.environment['PATH']}"
    done = tree.run("apply", "--confirm", before=("-v",))
    assert done.returncode == Exit.OK, done.stderr
    assert debian_password.site.digest("vllm/vllm-rocm", "latest") == NEW.digest
    kept = [path.read_text() for path in (tree.root / "state").rglob("*.json*")]
    argv = watcher.read_text()
    assert "--dest-authfile" in argv
    secrets = (PASSWORD, json.loads(logins.read_text())["auths"][debian_password.address]["auth"])
    for secret in secrets:
        assert not any(secret in each for each in (*kept, done.stdout, done.stderr, argv))


def test_tls_with_an_authority_of_its_own(
    tree: Tree, debian_tls: DebianRegistry, authority: Authority, stranger: Authority
) -> None:
    tree.stage()
    tree.policy.write_text(POLICY.replace("quay.io/vllm/staging", "staging.example/vllm/staging"))
    for trusted, expected in ((stranger, Exit.OUTSIDE), (authority, Exit.OK)):
        tree.where(
            quay_io={"address": debian_tls.address, "ca": str(trusted.certificate)},
            staging_example={"address": tree.debian.address, "plain": True},
        )
        done = tree.run("apply", "--confirm")
        assert done.returncode == expected, done.stderr
    assert debian_tls.site.digest("vllm/vllm-rocm", "latest") == NEW.digest


OF_TARGET = POLICY.replace("  rocm:\n", "  rocm:\n    target: rocm\n")
LOCKED = {
    "io.midstream.upstream": "vllm@0.33.0#a", "io.midstream.overlay": "b",
    "io.midstream.ledger": "c",
}  # fmt: skip


def test_an_image_that_is_not_from_the_locked_rebase_needs_a_reason(tree: Tree) -> None:
    tree.policy.write_text(OF_TARGET)
    rendered = tree.root / "rendered" / "vllm" / "Dockerfile.rocm.ubi.build.json"
    rendered.parent.mkdir(parents=True)
    rendered.write_text(json.dumps({"labels": LOCKED}))
    tree.stage(images.multi_arch(seed=41, labels=LOCKED))
    assert tree.run("plan").returncode == Exit.OK
    rendered.write_text(json.dumps({"labels": LOCKED | {"io.midstream.ledger": "other"}}))
    refused = tree.run("plan")
    assert refused.returncode == Exit.REFUSED
    assert "error[MS418]: it was built from `io.midstream.ledger=c`" in refused.stdout
    assert tree.run("plan", "--allow", "MS418=a hotfix").returncode == Exit.OK


def test_labels_of_a_result_that_was_edited_by_hand_prove_nothing(tree: Tree) -> None:
    tree.policy.write_text(OF_TARGET)
    result = tree.root / "rendered" / "vllm" / "Dockerfile.rocm.ubi"
    result.parent.mkdir(parents=True)
    digest = hashlib.sha256(b"FROM scratch\n").hexdigest()
    plan = {"labels": LOCKED, "results": {str(result.relative_to(tree.root)): f"sha256:{digest}"}}
    result.with_name(f"{result.name}.build.json").write_text(json.dumps(plan))
    tree.stage(images.multi_arch(seed=41, labels=LOCKED))
    done = tree.run("plan")
    assert done.returncode == Exit.OK
    for text, code in (("FROM scratch\n", Exit.OK), ("FROM x\n", Exit.REFUSED)):
        result.write_text(text)
        done = tree.run("plan")
        assert done.returncode == code
    assert "Dockerfile.rocm.ubi isn't as midstream wrote it" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        "plan --only cuda",
        "plan --group release",
        "plan --set version",
        "plan --allow MS410",
        "plan --allow MS413=please",
        "plan --digest sha256:abc",
        f"plan --digest cuda=sha256:{'0' * 64}",
        "apply",
        "apply plan.json --confirm",
        "apply nowhere.json",
        "apply /etc/hostname",
        "resume abcdef",
        "resume ../../etc",
        "verify 000000000000",
        "rollback 000000000000",
        "snapshot vllm-rocm",
        "snapshot dir:/etc",
    ],
)
def test_what_a_person_gets_wrong_is_said_before_anything_is_asked(tree: Tree, words: str) -> None:
    done = tree.run(*words.split())
    assert done.returncode == Exit.USAGE, done.stderr
    assert "error" in done.stderr.lower()
    assert tree.proxy.log == []


def test_an_upstream_image_has_expired_only_by_the_age_of_its_own_commit(tree: Tree) -> None:
    source = 'tag: "rocm-{commit}", expires: 14d'
    tree.policy.write_text(POLICY.replace('tag: "rocm-{version}"', source))
    tree.stage()
    unknown = tree.run("plan", "--set", "commit=abc")
    assert "nothing says that there ever was" in unknown.stderr
    old = tree.run("plan", "--set", "commit=abc", "--set", "committed=2026-01-01T00:00:00Z")
    assert "has expired, if it ever was" in old.stderr
    assert {unknown.returncode, old.returncode} == {Exit.OUTSIDE}
    wrong = tree.run("plan", "--set", "commit=abc", "--set", "committed=yesterday")
    assert wrong.returncode == Exit.USAGE


def test_a_mistake_in_the_policy_is_shown_at_its_line(tree: Tree) -> None:
    tree.policy.write_text(POLICY.replace("latest]", "'-latest']"))
    done = tree.run("plan")
    assert done.returncode == Exit.USAGE
    assert "overlays/promotion.yaml:7:" in done.stderr
    tree.policy.unlink()
    assert "there is no `overlays/promotion.yaml`" in tree.run("plan").stderr


def test_json_is_one_object_on_stdout(tree: Tree) -> None:
    tree.stage()
    planned = tree.json("plan", "--out", tree.plan)
    assert (planned["kind"], planned["failures"]) == ("promotion-plan", [])
    applied = tree.json("apply", tree.plan)
    assert applied["run"] == planned["run"]
    assert {each["state"] for each in applied["tags"]} == {"done"}
    verified = tree.json("verify", applied["run"])
    assert {each["holds"] for each in verified["tags"]} == {"same"}
    assert tree.json("doctor")["kind"] == "promotion-doctor"
    assert tree.json("snapshot", "quay.io/vllm/vllm-rocm")["tags"]["latest"] == NEW.digest


def test_a_verification_says_what_is_gone_another_or_unreadable(tree: Tree) -> None:
    signature, tag = images.cosign(NEW.digest)
    tree.stage()
    tree.debian.site.push("vllm/staging", signature, tag)
    run = tree.json("apply", "--confirm")["run"]
    record = tree.root / "state/midstream/runs" / run / "record.json"
    tree.debian.site.delete("vllm/vllm-rocm", signature.digest)
    lost = tree.run("verify", str(record))
    assert lost.returncode == Exit.INTEGRITY
    assert "lost        quay.io/vllm/vllm-rocm  sig isn't there" in lost.stdout
    tree.push(OLD, "0.33.0")
    moved = tree.run("verify", run)
    assert moved.returncode == Exit.INTEGRITY
    assert "moved       quay.io/vllm/vllm-rocm:0.33.0  release" in moved.stdout
    tree.debian.site.delete("vllm/vllm-rocm", NEW.digest)
    gone = tree.json("verify", run)
    assert {each["holds"] for each in gone["tags"]} == {"gone", "moved"}
    tree.where(quay_io={"address": "127.0.0.1:1", "plain": True})
    unread = tree.run("verify", run)
    assert unread.returncode == Exit.TRANSIENT
    assert unread.stdout.count("unreadable") == 4


def test_an_image_that_is_gone_can_not_come_back(tree: Tree) -> None:
    tree.stage()
    tree.push(OLD, *FLOATING)
    run = tree.json("apply", "--confirm")["run"]
    tree.debian.site.delete("vllm/vllm-rocm", OLD.digest)
    back = tree.run("rollback", run)
    assert back.returncode == Exit.OUTSIDE
    assert "which the tags held before, is gone" in back.stderr
    assert tree.holds("latest") == NEW.digest


def test_a_source_that_an_earlier_run_saw_is_gone_and_not_unknown(tree: Tree) -> None:
    tree.stage()
    assert tree.run("apply", "--confirm").returncode == Exit.OK
    tree.debian.site.delete("vllm/staging", NEW.digest)
    done = tree.run("plan")
    assert done.returncode == Exit.OUTSIDE
    assert f"was there as `{NEW.digest}`, and is gone" in done.stderr


def test_groups_and_names_choose_what_is_planned(tree: Tree) -> None:
    tpu = POLICY.partition("images:\n")[2].replace("rocm", "tpu")
    tree.policy.write_text(f"{POLICY}{tpu}groups: {{release: [rocm], more: [tpu]}}\n")
    tree.stage()
    assert tree.run("plan").returncode == Exit.USAGE
    assert tree.run("plan", "--group", "release").returncode == Exit.OK
    assert tree.run("plan", "--only", "rocm").returncode == Exit.OK
    wrong = tree.run("plan", "--group", "release", "--only", "tpu")
    assert "`tpu` isn't in the group `release`" in wrong.stderr
    assert "known: release, more" in tree.run("plan", "--group", "other").stderr
    pinned = tree.run("plan", "--only", "rocm", "--digest", NEW.digest)
    assert (
        f"rocm  quay.io/vllm/staging -> quay.io/vllm/vllm-rocm  @{NEW.digest[:19]}" in pinned.stdout
    )


def test_a_snapshot_and_what_changed_since(tree: Tree) -> None:
    tree.push(NEW, "a", "b")
    kept = str(tree.root / "before.json")
    assert tree.run("snapshot", "quay.io/vllm/vllm-rocm", "--out", kept).returncode == Exit.OK
    other = tree.push(images.image(seed=44), "b", "c")
    changed = tree.run("snapshot", "quay.io/vllm/vllm-rocm", "--compare", kept)
    assert changed.returncode == Exit.FINDINGS
    assert changed.stdout.splitlines() == [f"+ c  {other}", f"~ b  {NEW.digest} -> {other}"]


def test_the_doctor_looks_at_everything_and_changes_nothing(tree: Tree) -> None:
    tree.stage()
    done = tree.run("doctor", "--write")
    assert done.returncode == Exit.OK, done.stdout
    for part in (
        "skopeo: version 1.",
        "logins: ",
        "quay.io: answers over plain http",
        "quay.io clock: differs by",
        "quay.io/vllm/staging: can be read",
        "quay.io/vllm/vllm-rocm: can be written",
    ):
        assert part in done.stdout
    assert tree.debian.site.tags("vllm/vllm-rocm") == {}


def test_a_run_leaves_figures_for_prometheus(tree: Tree) -> None:
    tree.stage()
    tree.proxy.fails(Fault("PUT", "/vllm-rocm/manifests/latest$", faults.answers(500), 1))
    metrics = tree.root / "metrics.prom"
    done = tree.run("apply", "--confirm", "--metrics", str(metrics))
    assert done.returncode == Exit.OK, done.stderr
    lines = metrics.read_text().splitlines()
    assert 'midstream_promotion_tags{state="done"} 4' in lines
    assert "midstream_promotion_retries 1" in lines
    assert "midstream_promotion_exit_code 0" in lines
    assert "# TYPE midstream_promotion_seconds gauge" in lines


def test_on_a_terminal_each_image_has_a_row_and_in_a_log_each_step_a_line(tree: Tree) -> None:
    tree.stage()
    tree.run("plan", "--out", tree.plan)
    ours, theirs = os.openpty()
    with subprocess.Popen(
        tree.command("apply", tree.plan, "--attach-record"),
        env={**tree.environment, "TERM": "xterm", "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    ) as running:
        os.close(theirs)
        shown = read_all(ours)
        output, _ = running.communicate(timeout=30)
    assert running.returncode == Exit.OK
    assert output.count("done       ") == 4
    assert "rocm" in shown
    assert "4 layers" in shown
    assert "0:00:0" in shown
    assert "rocm: copying" not in shown
    # Above the rows, on a line of its own, and not behind what the last row says.
    assert re.search(r"(?:\x1b\[2K|\n)record attached to", shown)


def read_all(handle: int) -> str:
    parts = []
    try:
        while part := os.read(handle, 4096):
            parts.append(part)
    except OSError:  # how a terminal says that the other end has gone
        pass
    os.close(handle)
    return b"".join(parts).decode(errors="replace")


def test_a_warning_fails_a_plan_only_where_that_is_wanted(tree: Tree) -> None:
    tree.policy.write_text(POLICY.replace("profile: community", "profile: redhat"))
    names = ("name", "vendor", "version", "release", "summary", "description", "maintainer")
    many = images.multi_arch(seed=45, layers=41, size=20, labels=dict.fromkeys(names, "x"))
    tree.stage(many)
    planned = tree.run("plan")
    assert planned.returncode == Exit.OK, planned.stdout
    assert "warning[MS425]: it has 41 layers" in planned.stdout
    assert tree.run("plan", before=("--strict",)).returncode == Exit.FINDINGS


def test_the_shipped_policy_is_read_and_knows_its_groups(tree: Tree) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "midstream", "--root", ".", "promote", "plan"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env=tree.environment,
    )
    assert done.returncode == Exit.USAGE
    assert "`--group` takes one of: release, nightly" in done.stderr
