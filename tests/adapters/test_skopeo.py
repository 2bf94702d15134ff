"""The real skopeo against real registries: what it does, and what its failures are called."""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from midstream.adapters import process, skopeo_errors
from midstream.adapters.authfile import CannotLogIn
from midstream.adapters.endpoint import Endpoint
from midstream.adapters.http import ConnectionLost, NotTrusted, TooSlow, UnknownHost, Unreachable
from midstream.adapters.registry_errors import (
    Denied,
    Expired,
    Immutable,
    NotAccepted,
    NotFound,
    QuotaExceeded,
    ReadOnly,
    ServerTrouble,
    TooManyRequests,
    Unauthorized,
)
from midstream.adapters.skopeo import Image, Skopeo, SkopeoTooOld
from midstream.adapters.skopeo_errors import Damaged, Incomplete, MisusedSkopeo, PolicyRejected
from midstream.errors import Exit, MidstreamError
from registries import faults, images
from registries.debian import PASSWORD, USER
from registries.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from registries.certificates import Authority
    from registries.debian import DebianRegistry
    from registries.double import Double
    from registries.exchange import Server


# skopeo itself asks five times after a 429, and waits for 2, 4, 8 … s unless it is told otherwise.
AT_ONCE = {"Retry-After": "0"}


@pytest.fixture
def skopeo() -> Iterator[Skopeo]:
    with Skopeo(timeout=20) as made:
        yield made


def at(server: Server | DebianRegistry, repository: str, reference: str, **how: Path) -> Image:
    address = server.address
    plain = "ca" not in how
    return Image(Endpoint("quay.io", address, plain=plain, **how), repository, reference)


@pytest.mark.registry
@pytest.mark.parametrize(
    "image",
    [
        images.image(seed=11),
        images.image(seed=12, docker=True),
        images.multi_arch(seed=13),
        images.multi_arch(seed=14, docker=True),
        images.multi_arch(seed=15, attested=True),
        images.multi_arch(seed=16, platforms=("linux/arm64",)),
    ],
    ids=["image", "docker", "index", "docker list", "attested", "a foreign platform alone"],
)
def test_every_kind_of_image_keeps_its_digest_and_all_its_parts(
    skopeo: Skopeo, debian: DebianRegistry, repository: str, image: images.Artifact
) -> None:
    debian.site.push(f"{repository}-in", image, "v1")
    source = at(debian, f"{repository}-in", image.digest)
    skopeo.copy(source, at(debian, repository, "v2"), image.media_type)
    assert debian.site.digest(repository, "v2") == image.digest
    assert debian.site.is_whole(repository, "v2")


def test_an_image_with_tls_and_a_login_arrives_and_the_password_is_nowhere(
    debian_tls: DebianRegistry,
    debian_password: DebianRegistry,
    authority: Authority,
    authfile: Callable[..., Path],
    repository: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    image = images.image(seed=21)
    debian_tls.site.push(repository, image, "v1")
    logins = authfile(f"{debian_password.address}/group")
    caplog.set_level("DEBUG")
    with Skopeo() as skopeo:
        skopeo.copy(
            at(debian_tls, repository, image.digest, ca=authority.certificate),
            at(debian_password, repository, "v1", authfile=logins),
            image.media_type,
        )
        home = skopeo._home  # noqa: SLF001 - what is in it is what the test is about
        assert home is not None
        modes = {path.stat().st_mode & 0o777 for path in (home / "logins").iterdir()}
        assert modes == {0o600}
        assert home.stat().st_mode & 0o777 == 0o700
    assert debian_password.site.digest(repository, "v1") == image.digest
    assert not home.exists()
    assert "skopeo" in caplog.text
    assert PASSWORD not in caplog.text


class Pair:
    """A source and a destination where one thing goes wrong."""

    def __init__(self, source: Double, target: Double) -> None:
        self.source, self.target = source, target
        self.image = images.multi_arch(seed=31, size=50_000)
        source.load("a/in", self.image, "v1")

    def copy(self, skopeo: Skopeo, tag: str = "v2", source: str = "") -> None:
        origin = at(self.source, "a/in", source or self.image.digest)
        skopeo.copy(origin, at(self.target, "a/out", tag), self.image.media_type)


@pytest.fixture
def pair(double: Double, other_double: Double) -> Pair:
    return Pair(double, other_double)


@pytest.mark.parametrize(
    ("method", "target", "what", "expected"),
    [
        ("GET", "/manifests/", faults.answers(404, "MANIFEST_UNKNOWN", "no"), NotFound),
        ("GET", "/manifests/", faults.answers(404, "NAME_UNKNOWN", "no"), NotFound),
        ("GET", "/manifests/", faults.answers_html(404), NotFound),
        ("GET", "/manifests/", faults.answers(404, "TAG_EXPIRED", "Tag v has expired"), Expired),
        ("GET", "/manifests/", faults.answers(401, "UNAUTHORIZED", "no"), Unauthorized),
        ("GET", "/manifests/", faults.answers(403, "DENIED", "no"), Denied),
        ("GET", "/manifests/", faults.answers_html(502), ServerTrouble),
        ("GET", "/manifests/", faults.answers(500), ServerTrouble),
        ("GET", "/manifests/", faults.slow_down(0), TooManyRequests),
        ("GET", "/manifests/", faults.answers_html(429, AT_ONCE), TooManyRequests),
        ("GET", "/manifests/", faults.resets, ConnectionLost),
        ("GET", "/manifests/", faults.truncates(), ConnectionLost),
        ("GET", "/manifests/", faults.corrupts, Damaged),
        ("GET", "/manifests/", faults.replaces(b"{}"), Damaged),
        ("GET", "/blobs/", faults.answers(404, "BLOB_UNKNOWN", "no"), Incomplete),
        ("GET", "/blobs/", faults.answers(500), ServerTrouble),
        ("GET", "/blobs/", faults.truncates(), ConnectionLost),
        ("GET", "/blobs/", faults.corrupts, Damaged),
        ("GET", "/blobs/", faults.shortens, Damaged),
        ("GET", "/v2/$", faults.answers(500), ServerTrouble),
        ("GET", "/v2/$", faults.answers_html(429, AT_ONCE), TooManyRequests),
    ],
    ids=map("case {}".format, itertools.count()),
)
def test_what_is_wrong_at_the_source_has_a_name(
    skopeo: Skopeo,
    pair: Pair,
    method: str,
    target: str,
    what: faults.Behaviour,
    expected: type[MidstreamError],
) -> None:
    pair.source.fails(Fault(method, target, what))
    with pytest.raises(MidstreamError) as caught:
        pair.copy(skopeo)
    assert type(caught.value) is expected
    assert pair.target.holds("a/out", "v2") is None


@pytest.mark.parametrize(
    ("method", "target", "what", "expected"),
    [
        ("PUT", "/manifests/v2", faults.answers(500), ServerTrouble),
        ("PUT", "/manifests/v2", faults.does_it_and_answers(502), ServerTrouble),
        ("PUT", "/manifests/v2", faults.loses_the_reply, ConnectionLost),
        ("PUT", "/manifests/v2", faults.slow_down(), TooManyRequests),
        ("PUT", "/manifests/v2", faults.tag_is_immutable(), Immutable),
        ("PUT", "/manifests/v2", faults.answers(412, "X", "immutable tag rule"), Immutable),
        ("PUT", "/manifests/v2", faults.quota_exceeded(), QuotaExceeded),
        ("PUT", "/manifests/v2", faults.answers(403, "DENIED", "no"), Denied),
        ("PUT", "/manifests/v2", faults.answers(400, "MANIFEST_INVALID", "no"), NotAccepted),
        ("PUT", "/manifests/v2", faults.answers(401, "UNAUTHORIZED", "no"), Unauthorized),
        ("PUT", "/manifests/sha256", faults.answers(500), ServerTrouble),
        ("POST", "/blobs/", faults.answers(403, "DENIED", "Quota exceeded"), QuotaExceeded),
        ("POST", "/blobs/", faults.answers(405, "UNSUPPORTED", "read-only"), ReadOnly),
        ("POST", "/blobs/", faults.answers_html(413), NotAccepted),
        ("PATCH", "/blobs/", faults.resets, ConnectionLost),
        ("PUT", "/blobs/", faults.answers(400, "DIGEST_INVALID", "no"), Damaged),
        ("HEAD", "/blobs/", faults.answers(500), ServerTrouble),
        ("HEAD", "/blobs/", faults.answers(429, headers=AT_ONCE), TooManyRequests),
        ("HEAD", "/blobs/", faults.answers(200), Incomplete),
    ],
    ids=map("case {}".format, itertools.count()),
)
def test_what_is_wrong_at_the_destination_has_a_name(
    skopeo: Skopeo,
    pair: Pair,
    method: str,
    target: str,
    what: faults.Behaviour,
    expected: type[MidstreamError],
) -> None:
    pair.target.fails(Fault(method, target, what))
    with pytest.raises(MidstreamError) as caught:
        pair.copy(skopeo)
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    "tag", ["unauthorized", "denied", "429", "connection-refused", "x509", "quota-exceeded", "v500"]
)
def test_a_name_that_reads_like_a_failure_fools_nobody(
    skopeo: Skopeo, double: Double, tag: str
) -> None:
    word = tag.lower()
    for source in (at(double, f"x/{word}", tag), at(double, "a", "sha256:" + "429" * 21 + "0")):
        with pytest.raises(NotFound) as caught:
            skopeo.copy(source, at(double, f"y/{word}", tag), images.OCI_MANIFEST)
        assert type(caught.value) is NotFound


def test_the_way_to_a_registry_can_be_wrong_in_many_ways(
    skopeo: Skopeo,
    double: Double,
    debian_expired: DebianRegistry,
    debian_wrong_name: DebianRegistry,
    debian_tls: DebianRegistry,
    authority: Authority,
    stranger: Authority,
) -> None:
    ca = authority.certificate
    ours = double.load("a", images.image(), "v1")
    for target, expected in (
        (Image(Endpoint("quay.io", "127.0.0.1:1", plain=True), "a", "v"), Unreachable),
        (Image(Endpoint("no-such-host.invalid"), "a", "v"), UnknownHost),
        (at(debian_expired, "a", "v", ca=ca), NotTrusted),
        (at(debian_wrong_name, "a", "v", ca=ca), NotTrusted),
        (at(debian_tls, "a", "v", ca=stranger.certificate), NotTrusted),
        # Never downgraded: a plain registry that isn't named as one.
        (Image(Endpoint("quay.io", double.address), "a", "v"), NotTrusted),
    ):
        with pytest.raises(expected):
            skopeo.copy(at(double, "a", ours), target, images.OCI_MANIFEST)
    assert double.writes == []


def test_a_login_that_is_wrong_missing_or_no_json(
    skopeo: Skopeo,
    double: Double,
    debian_password: DebianRegistry,
    authfile: Callable[..., Path],
    tmp_path: Path,
) -> None:
    source = at(double, "a", double.load("a", images.image(), "v1"))
    wrong = authfile(debian_password.address, password="wrong")
    for logins in (None, wrong, authfile("other.example")):
        how = {"authfile": logins} if logins else {}
        with pytest.raises(Unauthorized):
            skopeo.copy(source, at(debian_password, "a", "v", **how), images.OCI_MANIFEST)
    (tmp_path / "garbage").write_text("{no")
    for path in (tmp_path / "garbage", tmp_path / "missing"):
        target = at(debian_password, "a", "v", authfile=path)
        with pytest.raises(CannotLogIn):
            skopeo.copy(source, target, images.OCI_MANIFEST)


def test_an_identity_token_is_a_login_too(skopeo: Skopeo, double: Double, tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    login = {"auth": "", "identitytoken": "identity"}
    path.write_text(json.dumps({"auths": {double.address: login}}))
    digest = double.load("a", images.image(), "v1")
    double.logins = {USER: PASSWORD}
    source = at(double, "a", digest, authfile=path)
    skopeo.copy(source, at(double, "b", "v", authfile=path), images.OCI_MANIFEST)
    assert double.holds("b", "v") == digest


def test_what_skopeo_says_is_shown_without_secrets_and_without_names() -> None:
    image = Image(Endpoint("quay.io", "quay.io"), "a", "v")
    said = (
        b'level=fatal msg="lookup quay.io: no such host for ab and abcd"\n'
        b'level=warning msg="left behind"\n'
    )
    found = skopeo_errors.classify(
        process.Finished(("skopeo",), 1, b"", said), [image], ["ab", "abcd"]
    )
    assert found.message == "skopeo: lookup …: no such host for … and …"
    assert isinstance(found, UnknownHost)


def test_a_policy_can_refuse_an_image(double: Double, tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "reject"}]}')
    source = at(double, "a", double.load("a", images.image(), "v1"))
    with Skopeo(policy) as skopeo, pytest.raises(PolicyRejected) as caught:
        skopeo.copy(source, at(double, "b", "v"), images.OCI_MANIFEST)
    assert caught.value.exit_code == Exit.REFUSED
    assert double.holds("b", "v") is None


def test_a_hanging_registry_is_left_at_the_deadline(pair: Pair) -> None:
    pair.source.fails(Fault("GET", "/manifests/", faults.stalls(5)))
    began = time.monotonic()
    with Skopeo(timeout=0.3) as skopeo, pytest.raises(TooSlow):
        pair.copy(skopeo)
    assert time.monotonic() - began < 4


def test_a_slow_copy_is_never_ended_while_its_bytes_flow(tmp_path: Path, pair: Pair) -> None:
    script = f"for n in 1 2 3 4 5 6 7; do head -c 9000 /dev/zero; sleep 0.2; done; >{tmp_path}/end"
    with Skopeo(program=newer(tmp_path, script), timeout=0.8) as skopeo:
        pair.copy(skopeo)
    assert (tmp_path / "end").exists()


# What stands in for skopeo where the real one can't show it: another version, and a hang.


def stand_in(folder: Path, script: str) -> str:
    path = folder / "skopeo"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_a_skopeo_that_is_too_old_or_missing_copies_nothing(tmp_path: Path, pair: Pair) -> None:
    old = Skopeo(program=stand_in(tmp_path, "echo skopeo version 1.4.1"))
    with pytest.raises(SkopeoTooOld, match=r"1\.4\.1 is older than 1\.9\.0"):
        pair.copy(old)
    odd = Skopeo(program=stand_in(tmp_path, "echo hello"))
    with pytest.raises(skopeo_errors.SkopeoFailed, match="is a version"):
        pair.copy(odd)
    with pytest.raises(process.ProgramMissing):
        pair.copy(Skopeo(program=str(tmp_path / "nowhere")))


def test_the_version_is_asked_once_for_the_very_file_that_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked: list[str] = []
    ask = Skopeo.version_text

    def asking(self: Skopeo) -> str:
        asked.append(self.program)
        return ask(self)

    monkeypatch.setattr(Skopeo, "version_text", asking)
    first = Skopeo().version()
    assert Skopeo().version() == first
    assert asked == ["skopeo"]
    installed = tmp_path / "bin" / "skopeo"
    installed.parent.mkdir()
    installed.write_bytes(Path("/usr/bin/skopeo").read_bytes())
    installed.chmod(0o755)
    monkeypatch.setenv("PATH", f"{installed.parent}:{os.environ['PATH']}")
    for _ in range(2):
        assert Skopeo().version() == first
    os.utime(installed, ns=(1, 1))  # another build has another time
    Skopeo().version()
    assert len(asked) == 3
    # A script may start any skopeo, so it is asked each time.
    stand_in(installed.parent, "echo skopeo version 1.4.1")
    for _ in range(2):
        with pytest.raises(SkopeoTooOld):
            Skopeo().version()
    (tmp_path / "cache" / "midstream" / "skopeo-version.json").write_text("{")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert Skopeo().version() == first


def newer(folder: Path, then: str) -> str:
    ask = 'if [ "$1" = --version ]; then echo skopeo version 1.22.0; exit; fi'
    return stand_in(folder, f"{ask}\n{then}")


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        ("echo 'Usage:'; echo '  skopeo copy'; exit 0", MisusedSkopeo),
        ("echo 'level=fatal msg=\"unknown flag: --registries-conf\"' >&2; exit 1", MisusedSkopeo),
        ("exit 2", NotFound),
        ("echo 'level=fatal msg=\"x: manifest unknown\"' >&2; exit 2", NotFound),
        (
            "echo 'level=fatal msg=\"x: unexpected HTTP status: 503 No\"' >&2; exit 1",
            ServerTrouble,
        ),
        (
            'echo \'level=fatal msg="pinging: StatusCode: 500, \\"oh\\""\' >&2; exit 1',
            ServerTrouble,
        ),
        ("echo 'FATA[0000] toomanyrequests: slow' >&2; exit 1", TooManyRequests),
        ("exit 1", skopeo_errors.SkopeoFailed),
        ("kill -9 $$", skopeo_errors.SkopeoStopped),
    ],
    ids=map("case {}".format, itertools.count()),
)
def test_other_versions_say_it_in_other_ways(
    tmp_path: Path, pair: Pair, then: str, expected: type[MidstreamError]
) -> None:
    with Skopeo(program=newer(tmp_path, then)) as skopeo, pytest.raises(expected):
        pair.copy(skopeo)


def test_a_hanging_skopeo_is_killed_with_what_it_started(
    tmp_path: Path, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"sleep 30 & echo $! > {tmp_path}/child; wait"
    monkeypatch.setattr("midstream.adapters.skopeo._GRACE", 0.2)
    program = newer(tmp_path, script)
    with Skopeo(program=program, timeout=0.1) as skopeo, pytest.raises(TooSlow):
        pair.copy(skopeo)
    assert not is_running(int((tmp_path / "child").read_text()))


def test_all_that_run_can_be_stopped_from_another_thread(tmp_path: Path, pair: Pair) -> None:
    program = newer(tmp_path, f"touch {tmp_path}/began; sleep 30")
    caught: list[BaseException] = []

    def copy() -> None:
        try:
            with Skopeo(program=program) as skopeo:
                pair.copy(skopeo)
        except MidstreamError as error:
            caught.append(error)

    thread = threading.Thread(target=copy)
    thread.start()
    deadline = time.monotonic() + 60
    while not (tmp_path / "began").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.end_all()
    thread.join(60)
    assert isinstance(caught[0], skopeo_errors.SkopeoStopped)


def test_skopeo_sees_nothing_of_the_persons_own_settings(
    tmp_path: Path, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f'env > {tmp_path}/env; printf "%s\\n" "$@" > {tmp_path}/argv; exit 1'
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", "/nowhere")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    with Skopeo(program=newer(tmp_path, script)) as skopeo, suppress(MidstreamError):
        pair.copy(skopeo)
    seen = dict(each.split("=", 1) for each in (tmp_path / "env").read_text().splitlines())
    assert "CONTAINERS_REGISTRIES_CONF" not in seen
    assert "REGISTRY_AUTH_FILE" not in seen
    assert seen["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert seen["HOME"] != os.environ["HOME"]
    argv = (tmp_path / "argv").read_text().splitlines()
    assert argv[-3:-1] == ["--", f"docker://{pair.source.address}/a/in@{pair.image.digest}"]
    assert argv[argv.index("--format") + 1] == "oci"
    assert not any("creds" in each or "password" in each or "token" in each for each in argv)


@pytest.mark.parametrize(("size", "threads"), [(1000, "1"), (2 << 20, None), (0, None)])
def test_only_a_small_image_is_copied_by_one_thread(
    tmp_path: Path, pair: Pair, size: int, threads: str | None
) -> None:
    with Skopeo(program=newer(tmp_path, f"env > {tmp_path}/env; exit 1")) as skopeo:
        origin, target = at(pair.source, "a/in", "v"), at(pair.target, "a/out", "v")
        with pytest.raises(MidstreamError):
            skopeo.copy(origin, target, pair.image.media_type, size=size)
    seen = dict(each.split("=", 1) for each in (tmp_path / "env").read_text().splitlines())
    assert seen.get("GOMAXPROCS") == threads


def test_what_another_run_has_copied_changes_nothing(pair: Pair) -> None:
    """Root's skopeo would know of it, and mount; whose run it is must not matter."""
    for repository in ("a/first", "a/second"):
        with Skopeo(timeout=20) as skopeo:
            origin = at(pair.source, "a/in", pair.image.digest)
            skopeo.copy(origin, at(pair.target, repository, "v"), pair.image.media_type)
    assert not pair.target.requests("POST", "mount=")
    assert pair.target.holds("a/second", "v") == pair.image.digest


@pytest.mark.parametrize(("size", "mounts"), [(100 << 20, True), (50_000, False)])
def test_large_images_of_one_run_are_mounted_from_each_other(
    skopeo: Skopeo, pair: Pair, size: int, mounts: bool
) -> None:
    for repository in ("a/first", "a/second"):
        origin = at(pair.source, "a/in", pair.image.digest)
        target = at(pair.target, repository, "v")
        skopeo.copy(origin, target, pair.image.media_type, size=size)
        assert pair.target.holds(repository, "v") == pair.image.digest
    assert bool(pair.target.requests("POST", "mount=")) is mounts


def test_a_secret_that_a_registry_repeats_is_taken_out(
    pair: Pair, authfile: Callable[..., Path], skopeo: Skopeo
) -> None:
    logins = authfile(pair.target.address)
    said = faults.answers(403, "DENIED", f"no, {PASSWORD} may not")
    pair.target.fails(Fault("POST", "/blobs/", said))
    origin = at(pair.source, "a/in", pair.image.digest)
    target = at(pair.target, "a/out", "v", authfile=logins)
    with pytest.raises(Denied) as caught:
        skopeo.copy(origin, target, pair.image.media_type)
    assert PASSWORD not in caught.value.message
    assert "may not" in caught.value.message


def test_an_index_is_never_replaced_by_one_platform(skopeo: Skopeo, pair: Pair) -> None:
    pair.copy(skopeo)
    stored = pair.target.repositories["a/out"].manifests[pair.image.digest]
    assert len(json.loads(stored.data)["manifests"]) == 2


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False
