"""Every fault that registries really show, the promises under it, and the table of it in the docs.

Each case is done to both images' registries (the double, and Debian's behind a wire that fails),
the promises are held against what the registry has afterwards, and then, with the fault gone, the
same plan has to end well.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from midstream.adapters.skopeo import Skopeo
from midstream.errors import Exit, MidstreamError
from midstream.promotion import plan as plans
from promotion.scene import LATEST, MINOR, NAMES, RELEASE, Real, Scene, killed_at
from promotion.world import UNIQUE, VALUES
from registries import faults, images
from registries.debian import DebianRegistry
from registries.double import Double
from registries.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from midstream.promotion.apply import Report
    from midstream.promotion.plan import Plan
    from registries.certificates import Authority
    from registries.exchange import Answer, Request, Response

COMMIT = VALUES["commit"]
PAGE = Path(__file__).parents[2] / "docs" / "promotion.md"


@dataclass
class Stage:
    """What a case may change. `skopeo` is used to apply; `folder` is where the run is kept."""

    scene: Scene
    authority: Authority
    stranger: Authority
    authfile: Callable[..., Path]
    tmp: Path
    plan: Plan | None = None
    skopeo: Skopeo | None = None
    folder: Path | None = None


@dataclass(frozen=True)
class Case:
    """`happens` and `exit` stand in the documentation. `before`: done before the plan is made."""

    name: str
    happens: str
    exit: Exit
    do: Callable[[Stage], object]
    before: bool = False
    ends: str = "as before"  # or promoted, or in part
    converges: bool = True
    real: bool = True  # shown with Debian's registry, too
    exits: frozenset[Exit] = field(default_factory=frozenset)


def source(
    method: str, target: str, what: faults.Behaviour, times: int | None = None
) -> Callable[[Stage], object]:
    return lambda stage: stage.scene.source.fails(Fault(method, target, what, times))


def target(
    method: str, path: str, what: faults.Behaviour, times: int | None = None
) -> Callable[[Stage], object]:
    return lambda stage: stage.scene.target.fails(Fault(method, path, what, times))


MANIFESTS, BLOBS, TAG = "/manifests/", "/blobs/sha256", f"/vllm-rocm/manifests/{UNIQUE}$"


def forget(name: str) -> Callable[[Stage], object]:
    return lambda stage: stage.scene.source.repositories.pop(f"ci/{name}")


def load_source(artifact: images.Artifact) -> Callable[[Stage], object]:
    def do(stage: Stage) -> None:
        stage.scene.source.validates = False
        stage.scene.source.load("ci/rocm", artifact, COMMIT)

    return do


def untag(stage: Stage) -> None:
    del stage.scene.source.repositories["ci/rocm"].tags[COMMIT]


def expire(stage: Stage) -> None:
    stage.scene.source.expired.add(COMMIT)


def private(stage: Stage) -> None:
    stage.scene.source.logins = {"somebody": "else"}


def at_address(address: str) -> Callable[[Stage], object]:
    def do(stage: Stage) -> None:
        stage.scene.world.target = address

    return do


def with_tls(
    name: str, *, expired: bool = False, trusted: bool = True
) -> Callable[[Stage], object]:
    """The destination is given a certificate, and the client an authority to trust."""

    def do(stage: Stage) -> None:
        import ssl

        made = stage.authority.certify(name, expired=expired)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made.certificate, made.key)
        served = Double(context)
        stage.scene.world.target = served.address
        stage.scene.world.ca = (stage.authority if trusted else stage.stranger).certificate

    return do


def without_tls(stage: Stage) -> None:
    """The client wants TLS, and the registry has none."""
    stage.scene.world.ca = stage.authority.certificate


def wants_login(password: str | None) -> Callable[[Stage], object]:
    def do(stage: Stage) -> None:
        assert isinstance(stage.scene.target, Double)
        stage.scene.target.logins = {"promoter": "made-up-password"}
        stage.scene.target.scheme = "basic"
        if password is not None:
            stage.scene.world.authfile = stage.authfile(
                stage.scene.target.address, password=password
            )

    return do


def bad_authfile(text: str | None) -> Callable[[Stage], object]:
    def do(stage: Stage) -> None:
        wants_login(None)(stage)
        path = stage.tmp / "auth.json"
        if text is not None:
            path.write_text(text)
        stage.scene.world.authfile = path

    return do


def holds(tag: str, which: str) -> Callable[[Stage], object]:
    def do(stage: Stage) -> None:
        image = stage.scene.new["rocm"] if which == "new" else images.image(seed=97)
        stage.scene.target.load("vllm/vllm-rocm", image, tag)

    return do


def overtaken(stage: Stage) -> None:
    """Somebody writes the same tag between our write and our look."""
    other = images.image(seed=96)
    repository = "vllm/vllm-rocm"

    def somebody(request: Request, origin: Answer) -> Response:
        response = origin(request)
        stage.scene.target.load(repository, other, UNIQUE)
        return response

    stage.scene.target.fails(Fault("PUT", TAG, somebody, times=1))


def quota(stage: Stage) -> None:
    assert isinstance(stage.scene.target, Double)
    stage.scene.target.most_bytes = 10


def skopeo_that(script: str) -> Callable[[Stage], object]:
    def do(stage: Stage) -> None:
        path = stage.tmp / "skopeo"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        stage.skopeo = Skopeo(program=str(path), timeout=0.2)

    return do


def no_skopeo(stage: Stage) -> None:
    stage.skopeo = Skopeo(program=str(stage.tmp / "nowhere"))


def no_folder(stage: Stage) -> None:
    (stage.tmp / "file").write_text("")
    stage.folder = stage.tmp / "file" / "run"


def torn(stage: Stage) -> None:
    assert stage.plan is not None
    folder = stage.scene.folder / stage.plan.run
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_bytes(b'{"seq": 1, "step": "intent"}\n{"seq": 2, "st')


def killed(stage: Stage) -> None:
    assert stage.plan is not None
    (stage.scene.folder / "plan.json").write_bytes(stage.plan.data)
    with killed_at(stage.scene, 8, "before") as running:
        assert running.wait(30) == -signal.SIGKILL


CASES = (
    Case("source tag missing", "the plan says that it never was", Exit.OUTSIDE, untag,
         before=True, converges=False),
    Case("source tag expired", "the plan says that it was there and is gone", Exit.OUTSIDE, expire,
         before=True, converges=False),
    Case("source repository missing", "the plan says so", Exit.OUTSIDE, forget("rocm"),
         before=True, converges=False),
    Case("source repository private (401)", "the plan asks for a login", Exit.AUTHENTICATION,
         private, before=True, converges=False),
    Case("source tag moves after the plan", "the planned digest is promoted", Exit.OK,
         load_source(images.image(seed=95)), ends="promoted"),
    Case("source digest gone after the plan", "nothing is copied, for the whole group",
         Exit.OUTSIDE, forget("rocm"), converges=False),
    Case("source manifest tampered with", "its bytes are hashed before anything is copied",
         Exit.INTEGRITY, source("GET", "/ci/rocm/manifests/sha256", faults.replaces(b"{}"))),
    Case("layer corrupt", "skopeo's copy fails twice; no tag is given", Exit.INTEGRITY,
         source("GET", BLOBS, faults.corrupts)),
    Case("layer truncated once", "copied again", Exit.OK,
         source("GET", BLOBS, faults.truncates(), 1), ends="promoted"),
    Case("layer truncated always", "given up after all attempts", Exit.TRANSIENT,
         source("GET", BLOBS, faults.truncates())),
    Case("child of the index missing", "refused: MS422", Exit.REFUSED,
         load_source(images.without_child(images.multi_arch(seed=94))), before=True,
         converges=False),
    Case("nested index", "refused: MS413", Exit.REFUSED, load_source(images.nested_index(7)),
         before=True, converges=False),
    Case("`quay.expires-after` in the image", "refused: MS414", Exit.REFUSED,
         load_source(images.image(labels={"quay.expires-after": "2w"})), before=True,
         converges=False),
    Case("429 twice, with Retry-After", "everybody waits as long, then goes on", Exit.OK,
         target("GET", MANIFESTS, faults.slow_down(0.2), 2), ends="promoted"),
    Case("429 forever", "given up after all attempts", Exit.TRANSIENT,
         target("PUT|POST", "/v2/", faults.slow_down(0))),
    *(
        Case(f"{status} on a write, once", "copied again", Exit.OK,
             target("PUT", TAG, faults.answers(status), 1), ends="promoted")
        for status in (500, 502, 503)
    ),
    *(
        Case(f"{status} on a write, always", "given up after all attempts", Exit.TRANSIENT,
             target("PUT", MANIFESTS, faults.answers(status)))
        for status in (500, 502, 503)
    ),
    Case("500 on a read, once", "read again", Exit.OK,
         target("GET", MANIFESTS, faults.answers(500), 1), ends="promoted"),
    Case("write done, reply lost", "the read-back finds it there: done", Exit.OK,
         target("PUT", MANIFESTS, faults.loses_the_reply, 3), ends="promoted"),
    Case("write done, answered 502", "the read-back finds it there: done", Exit.OK,
         target("PUT", TAG, faults.does_it_and_answers(502)), ends="promoted"),
    Case("201, and not stored", "the read-back doesn't find it: failed", Exit.INTEGRITY,
         target("PUT", TAG, faults.pretends)),
    Case("201, and not stored, once", "copied again", Exit.OK,
         target("PUT", TAG, faults.pretends, 1), ends="promoted"),
    Case("what is written is seen later", "looked for until it is seen", Exit.OK,
         target("PUT|GET|HEAD", "/manifests/0", faults.Lag(0.25)), ends="promoted"),
    Case("connection reset, once", "copied again", Exit.OK,
         target("PUT", TAG, faults.resets, 1), ends="promoted"),
    Case("connection reset, always", "given up after all attempts", Exit.TRANSIENT,
         target("PUT", MANIFESTS, faults.resets)),
    Case("connection refused", "given up after all attempts", Exit.TRANSIENT,
         at_address("127.0.0.1:1"), converges=False),
    Case("no such host", "given up at once", Exit.OUTSIDE, at_address("no-such-host.invalid"),
         converges=False),
    Case("TLS: unknown authority", "not trusted, never downgraded", Exit.OUTSIDE,
         with_tls("IP:127.0.0.1", trusted=False), converges=False, real=False),
    Case("TLS: certificate expired", "not trusted, never downgraded", Exit.OUTSIDE,
         with_tls("IP:127.0.0.1", expired=True), converges=False, real=False),
    Case("TLS: another name", "not trusted, never downgraded", Exit.OUTSIDE,
         with_tls("DNS:elsewhere.example"), converges=False, real=False),
    Case("TLS: plain HTTP there", "not trusted, never downgraded", Exit.OUTSIDE, without_tls,
         converges=False, real=False),
    Case("no login", "nothing is copied", Exit.AUTHENTICATION, wants_login(None), converges=False,
         real=False),
    Case("wrong login", "nothing is copied", Exit.AUTHENTICATION, wants_login("wrong"),
         converges=False, real=False),
    Case("authfile missing", "nothing is copied", Exit.AUTHENTICATION, bad_authfile(None),
         converges=False, real=False),
    Case("authfile no JSON", "nothing is copied", Exit.AUTHENTICATION, bad_authfile("{no"),
         converges=False, real=False),
    Case("release tag holds the same digest", "skipped", Exit.OK, holds(RELEASE, "new"),
         before=True, ends="promoted"),
    Case("release tag holds another digest", "refused: MS410", Exit.REFUSED,
         holds(RELEASE, "another"), before=True, ends="in part", converges=False),
    Case("destination moved between plan and apply", "nothing is copied, for the whole group",
         Exit.REFUSED, holds(MINOR, "another"), ends="in part", converges=False),
    Case("another promoter takes the tag", "not taken back; the report says `unknown`",
         Exit.INTEGRITY, overtaken, ends="in part", converges=False),
    Case("tag immutable at the registry (409)", "refused by the registry", Exit.REFUSED,
         target("PUT", TAG, faults.tag_is_immutable()), ends="in part",
         exits=frozenset({Exit.PARTIAL})),
    Case("quota exceeded (403)", "no tag is given", Exit.OUTSIDE, quota, converges=False,
         real=False),
    Case("denied (403)", "no tag is given", Exit.AUTHENTICATION,
         target("POST", "/blobs/uploads", faults.answers(403, "DENIED", "no"))),
    Case("kill -9 after the first tag", "the same plan goes on where it was", Exit.OK, killed,
         ends="promoted"),
    Case("journal's last line torn", "as if it had never been written", Exit.OK, torn,
         ends="promoted"),
    Case("journal's folder can't be written", "nothing is copied", Exit.OUTSIDE, no_folder),
    Case("skopeo missing", "no tag is given", Exit.OUTSIDE, no_skopeo),
    Case("skopeo too old", "no tag is given", Exit.OUTSIDE,
         skopeo_that("echo skopeo version 1.4.1")),
    Case("skopeo hangs", "killed when it has moved no byte for `--timeout`, then given up",
         Exit.TRANSIENT,
         skopeo_that("case $1 in --version) echo skopeo version 1.9.3;; *) sleep 30;; esac")),
    Case("skopeo ends with 0 and copied nothing", "the read-back doesn't find it: failed",
         Exit.INTEGRITY, skopeo_that("echo skopeo version 1.9.3")),
)  # fmt: skip


@pytest.fixture(params=["double", "debian"])
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def stage(
    backend: str,
    double: Double,
    other_double: Double,
    authority: Authority,
    stranger: Authority,
    authfile: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stage]:
    monkeypatch.setattr("midstream.adapters.skopeo._GRACE", 0.2)
    (tmp_path / "stage").mkdir()
    parts = (authority, stranger, authfile, tmp_path / "stage")
    if backend == "double":
        yield Stage(Scene(double, other_double, tmp_path), *parts)
        return
    with DebianRegistry(tmp_path / "debian") as debian, Real(debian) as real:
        yield Stage(Scene(double, real, tmp_path), *parts)


def play(case: Case, stage: Stage) -> tuple[Exit, Report | None]:
    """Plan and apply with the fault in its place: the exit code that a person would see."""
    scene = stage.scene
    if case.before:
        case.do(stage)
    made = stage.plan = scene.world.plan()
    if made.exit_code:
        return made.exit_code, None
    if not case.before:
        case.do(stage)
    try:
        report = scene.apply(made, stage.skopeo, stage.folder)
    except MidstreamError as error:
        return Exit(error.exit_code), None
    return report.exit_code, report


@pytest.mark.registry
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_the_promises_hold_under(case: Case, stage: Stage, backend: str) -> None:
    if backend == "debian" and not case.real:
        assert case.name  # the double is the one that can show it
        return
    scene = stage.scene
    found, report = play(case, stage)
    assert found in {case.exit, *case.exits}, report and report.errors
    if case.ends == "promoted":
        assert scene.is_promoted()
    if case.ends == "as before":
        rocm = scene.holds("rocm")
        assert (rocm[UNIQUE], rocm[RELEASE], rocm[MINOR]) == (None, None, "old")
        assert all(scene.holds(each)[LATEST] == "old" for each in NAMES)
    if stage.plan is not None and report is not None:
        scene.promises_hold(stage.plan, report)
    if case.converges and stage.plan is not None:
        scene.converges(stage.plan)


def test_a_name_that_is_none_is_refused_before_anything_runs(
    double: Double, tmp_path: Path, other_double: Double
) -> None:
    scene = Scene(double, other_double, tmp_path)
    for version in ("-v1", "a;id", "a\nb", "x" * 129, "dir:/etc", "1@sha256:" + "0" * 64):
        made = scene.world.plan(values=VALUES | {"version": version})
        assert made.exit_code == Exit.USAGE
    assert scene.target.writes == []


def table() -> str:
    """The table of docs/promotion.md, from the cases above."""
    rows = [f"| {case.name} | {case.happens} | {int(case.exit)} |" for case in CASES]
    return "\n".join(["| fault | what happens | exit |", "|---|---|---|", *rows]) + "\n"


def test_the_documentation_has_this_table() -> None:
    """`MIDSTREAM_WRITE_DOCS=1` writes it."""
    before, begin, rest = PAGE.read_text().partition("<!-- faults -->\n")
    _, end, after = rest.partition("<!-- end of faults -->")
    if os.environ.get("MIDSTREAM_WRITE_DOCS"):
        PAGE.write_text(f"{before}{begin}{table()}{end}{after}")
    assert table() in PAGE.read_text()


def test_a_plan_reads_as_the_same_plan_afterwards(
    double: Double, tmp_path: Path, other_double: Double
) -> None:
    made = Scene(double, other_double, tmp_path).plan()
    assert plans.parse(made.data, "plan.json") == made
