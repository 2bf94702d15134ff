"""The client reads what is there, believes nothing, and says what went wrong."""

from __future__ import annotations

import hashlib
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from midstream.adapters import http
from midstream.adapters.blobs import digest_of
from midstream.adapters.endpoint import Endpoint
from midstream.adapters.http import BadReply
from midstream.adapters.registry import Registry
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
from midstream.adapters.registry_keys import Access
from midstream.errors import Exit, IntegrityError, MidstreamError
from registries import faults, images
from registries.debian import PASSWORD, USER
from registries.exchange import Response
from registries.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from registries.certificates import Authority
    from registries.debian import DebianRegistry
    from registries.double import Double
    from registries.exchange import Server
    from registries.proxy import Proxy


def client(server: Server, **options: Any) -> Registry:
    timeout = options.pop("timeout", 10)
    endpoint = Endpoint("quay.io", server.address, plain=True, **options)
    return Registry(endpoint, timeout=timeout)


@pytest.mark.parametrize(
    "image",
    [
        images.image(),
        images.image(docker=True),
        images.multi_arch(),
        images.multi_arch(docker=True),
    ],
    ids=["oci", "docker", "index", "docker list"],
)
def test_a_manifest_is_read_as_its_bytes_are(double: Double, image: images.Artifact) -> None:
    double.load("a/b", image, "v1")
    with client(double) as registry:
        for reference in ("v1", image.digest):
            found = registry.manifest("a/b", reference)
            assert (found.digest, found.data) == (image.digest, image.data)
            assert found.descriptor == image.descriptor
            assert found.is_index is bool(image.children)
            claim = registry.claim("a/b", reference)
            assert (claim.digest, claim.media_type) == (image.digest, image.media_type)
            assert claim.size == len(image.data)


@pytest.mark.registry
def test_the_real_registry_is_read_and_written(debian: DebianRegistry, repository: str) -> None:
    image = images.multi_arch(seed=7)
    debian.site.push(repository, image, "v1")
    with Registry(Endpoint("quay.io", debian.address, plain=True)) as registry:
        found = registry.manifest(repository, "v1")
        assert found.digest == image.digest
        assert list(registry.tags(repository)) == ["v1"]
        assert registry.referrers(repository, image.digest) is None
        assert registry.put_blob(repository, b"record") == digest_of(b"record")
        assert registry.blob(repository, digest_of(b"record")) == b"record"
        registry.put_manifest(repository, "v2", found.data, found.media_type)
        registry.check_writable(repository)
        assert registry.ping().status == 200
    assert debian.site.tags(repository) == {"v1": image.digest, "v2": image.digest}


def test_one_connection_serves_many_requests(double: Double) -> None:
    double.load("a", images.image(), "v1")
    ports = set()
    origin = double.origin
    with client(double) as registry:
        for _ in range(5):
            registry.manifest("a", "v1")
            registry.claim("a", "v1")
        ports = {id(each) for kept in registry._connections._idle.values() for each in kept}  # noqa: SLF001
    assert len(ports) == 1
    assert origin is double.origin


def test_a_connection_that_the_server_ended_is_replaced(double: Double) -> None:
    double.load("a", images.image(), "v1")
    with client(double) as registry:
        registry.manifest("a", "v1")
        double.fails(Fault("GET", "/manifests/", faults.resets, times=1))
        assert registry.manifest("a", "v1").digest == images.image().digest


def test_a_write_whose_reply_was_lost_is_not_sent_again(double: Double) -> None:
    image = images.image()
    double.load("a", image, "v1")
    with client(double) as registry:
        registry.manifest("a", "v1")
        double.fails(Fault("PUT", "/manifests/v2", faults.loses_the_reply))
        with pytest.raises(http.ConnectionLost):
            registry.put_manifest("a", "v2", image.data, image.media_type)
    assert len(double.requests("PUT")) == 1
    assert double.holds("a", "v2") == image.digest


def test_tampered_bytes_are_found_by_digest_and_by_tag(double: Double) -> None:
    image, other = images.image(seed=1), images.image(seed=2)
    double.load("a", image, "v1")
    with client(double) as registry:
        double.fails(Fault("GET", "/manifests/sha256", faults.replaces(other.data)))
        with pytest.raises(IntegrityError, match="hash to `sha256:") as found:
            registry.manifest("a", image.digest)
        assert found.value.exit_code is Exit.INTEGRITY
        double.fails(Fault("GET", "/manifests/v1", faults.corrupts))
        with pytest.raises(IntegrityError, match="changed on its way"):
            registry.manifest("a", "v1")


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (faults.truncates(), http.ConnectionLost),
        (faults.shortens, IntegrityError),
        (faults.corrupts, IntegrityError),
    ],
)
def test_a_damaged_blob_is_never_handed_out(
    double: Double, behaviour: faults.Behaviour, kind: type[MidstreamError]
) -> None:
    image = images.image()
    double.load("a", image, "v1")
    double.fails(Fault("GET", "/blobs/", behaviour))
    with client(double) as registry, pytest.raises(kind):
        registry.blob("a", next(iter(image.blobs)))


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (faults.answers(401, "UNAUTHORIZED", "no"), Unauthorized, Exit.AUTHENTICATION),
        (faults.answers(403, "DENIED", "no"), Denied, Exit.AUTHENTICATION),
        (faults.quota_exceeded(), QuotaExceeded, Exit.OUTSIDE),
        (faults.answers(404, "MANIFEST_UNKNOWN"), NotFound, Exit.OUTSIDE),
        (faults.answers(404, "TAG_EXPIRED"), Expired, Exit.OUTSIDE),
        (faults.answers_html(404), NotFound, Exit.OUTSIDE),
        (faults.answers(405, "UNSUPPORTED"), ReadOnly, Exit.OUTSIDE),
        (faults.tag_is_immutable(), Immutable, Exit.REFUSED),
        (faults.answers(412, "UNKNOWN", "immutable tag rule"), Immutable, Exit.REFUSED),
        (faults.answers(400, "MANIFEST_INVALID", "manifest invalid"), NotAccepted, Exit.OUTSIDE),
        (faults.answers(404, "MANIFEST_BLOB_UNKNOWN"), NotAccepted, Exit.OUTSIDE),
        (faults.answers(429), TooManyRequests, Exit.TRANSIENT),
        (faults.answers_html(500), ServerTrouble, Exit.TRANSIENT),
        (faults.answers(502), ServerTrouble, Exit.TRANSIENT),
        (faults.answers(503), ServerTrouble, Exit.TRANSIENT),
        (faults.resets, http.ConnectionLost, Exit.TRANSIENT),
    ],
    ids=[
        "401",
        "403",
        "quota",
        "404",
        "expired",
        "404 html",
        "405",
        "409",
        "412",
        "400",
        "blob unknown",
        "429",
        "500 html",
        "502",
        "503",
        "reset",
    ],
)
def test_each_refusal_has_its_error_and_its_exit_code(
    double: Double, answer: faults.Behaviour, kind: type[MidstreamError], code: Exit
) -> None:
    double.fails(Fault(".*", "/manifests/", answer))
    with client(double) as registry:
        with pytest.raises(MidstreamError) as found:
            registry.manifest("a", "v1")
        assert type(found.value) is kind
        assert found.value.exit_code is code
        assert "127.0.0.1" in found.value.message or "quay.io" in found.value.message
        with pytest.raises(kind):
            registry.put_manifest("a", "v1", b"{}", images.OCI_MANIFEST)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.4", 0.4),
        ("Wed, 21 Oct 2026 07:28:10 GMT", 10.0),
        ("Wed, 21 Oct 2020 07:28:10 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        (None, None),
    ],
)
def test_the_pause_that_a_registry_asks_for_is_passed_on(
    double: Double, header: str | None, seconds: float | None
) -> None:
    headers = {"Date": "Wed, 21 Oct 2026 07:28:00 GMT"} | (
        {"Retry-After": header} if header else {}
    )
    double.fails(Fault("GET", "/manifests/", faults.answers(429, headers=headers)))
    with client(double) as registry, pytest.raises(TooManyRequests) as found:
        registry.manifest("a", "v1")
    assert found.value.retry_after == seconds


def test_tags_come_page_after_page(double: Double) -> None:
    image = images.image()
    tags = [f"v{number:03}" for number in range(25)]
    double.load("a", image, *tags)
    double.page_size = 4
    with client(double) as registry:
        assert list(registry.tags("a")) == tags
        with pytest.raises(NotFound):
            list(registry.tags("b"))
    assert len(double.requests("GET", "tags/list")) == 8


@pytest.mark.parametrize(
    "link",
    ["</v2/a/tags/list?n=1000>; rel=next", '<http://127.0.0.2/v2/a/tags/list>; rel="next"'],
    ids=["a circle", "another host"],
)
def test_a_page_that_leads_nowhere_good_is_an_error(double: Double, link: str) -> None:
    def linked(_request: object, _origin: object) -> Response:
        return Response(200, {"Link": link}, b'{"tags": ["v1"]}')

    double.fails(Fault("GET", "/tags/list", linked))
    with client(double) as registry, pytest.raises(BadReply):
        list(registry.tags("a"))


@pytest.mark.parametrize("filters", [True, False])
def test_referrers_come_page_after_page_and_filtered(double: Double, filters: bool) -> None:
    image = images.image()
    double.load("a", image, "v1")
    records = [images.referrer(image, seed=number) for number in range(5)]
    others = [images.referrer(image, "application/spdx+json", seed) for seed in range(2)]
    for each in records + others:
        double.load("a", each)
    double.page_size, double.filters_referrers = 2, filters
    with client(double) as registry:
        listed = registry.referrers("a", image.digest) or ()
        assert {each["digest"] for each in listed} == {each.digest for each in records + others}
        listed = registry.referrers("a", image.digest, images.IN_TOTO) or ()
        assert {each["digest"] for each in listed} == {each.digest for each in records}
        assert registry.referrers("a", records[0].digest) == ()
        double.has_referrers = False
        assert registry.referrers("a", image.digest) is None


def test_a_blob_is_uploaded_once(double: Double) -> None:
    with client(double) as registry:
        assert registry.put_blob("a", b"record") == digest_of(b"record")
        assert registry.put_blob("a", b"record") == digest_of(b"record")
    assert double.repository("a").blobs == {digest_of(b"record"): b"record"}
    assert len(double.requests("POST")) == 1


def test_a_blob_of_another_repository_is_taken_or_nothing_is_begun(double: Double) -> None:
    double.load("a", images.image(), "v1")
    blob = next(iter(double.repository("a").blobs))
    with client(double) as registry:
        assert registry.mount("b", blob, "a")
        assert double.repository("b").blobs == {blob: double.repository("a").blobs[blob]}
        assert not registry.mount("b", blob, "c")
        double.mounts = False
        assert not registry.mount("c", blob, "a")
    assert double.repository("b").uploads == double.repository("c").uploads == {}


def test_a_check_of_writing_leaves_nothing_there(double: Double) -> None:
    with client(double) as registry:
        registry.check_writable("a")
        assert double.repository("a").uploads == {}
        double.read_only = True
        with pytest.raises(ReadOnly):
            registry.check_writable("a")
        double.read_only = False
        double.fails(Fault("DELETE", "/uploads/", faults.answers(405)))
        registry.check_writable("a")


def test_a_referrer_is_acknowledged_by_a_registry_that_lists_it(double: Double) -> None:
    image = images.image()
    record = images.referrer(image)
    double.load("a", image, "v1")
    double.repository("a").blobs.update(record.blobs)
    with client(double) as registry:
        stored = registry.put_manifest("a", record.digest, record.data, record.media_type)
        assert stored.knows_referrers
        assert stored.claimed == record.digest
        double.has_referrers = False
        stored = registry.put_manifest("a", record.digest, record.data, record.media_type)
        assert not stored.knows_referrers


def test_two_different_digests_of_one_manifest_are_both_checked(double: Double) -> None:
    image = images.image()
    digest = f"sha512:{hashlib.sha512(image.data).hexdigest()}"
    double.load("a", image)
    double.repository("a").manifests[digest] = double.repository("a").manifests[image.digest]
    double.repository("a").manifests["sha512:" + "0" * 128] = double.repository("a").manifests[
        digest
    ]
    with client(double) as registry:
        assert registry.manifest("a", digest).digest == digest
        with pytest.raises(IntegrityError):
            registry.manifest("a", "sha512:" + "0" * 128)
        double.repository("a").manifests["md5:00"] = double.repository("a").manifests[digest]
        with pytest.raises(IntegrityError, match="`md5`"):
            registry.manifest("a", "md5:00")


class TestLogins:
    def test_everything_is_anonymous_where_that_is_enough(self, double: Double) -> None:
        double.load("a", images.image(), "v1")
        double.logins, double.anonymous_pull = {USER: PASSWORD}, True
        with client(double) as registry:
            assert registry.manifest("a", "v1").digest == images.image().digest
            registry.claim("a", "v1")
            with pytest.raises(Unauthorized):
                registry.check_writable("a")
        assert len(double.requests("GET", "/token")) == 2  # to pull, once; to push

    @pytest.mark.parametrize("scheme", ["bearer", "basic"])
    def test_a_login_opens_a_private_repository(
        self, double: Double, authfile: Callable[..., Path], scheme: str
    ) -> None:
        double.load("a/b", images.image(), "v1")
        double.logins, double.scheme = {USER: PASSWORD}, scheme
        with client(double, authfile=authfile(f"{double.address}/a")) as registry:
            registry.check_writable("a/b")
            assert registry.manifest("a/b", "v1").digest == images.image().digest
            before = len(double.log)
            registry.claim("a/b", "v1")
            assert len(double.log) == before + 1  # what was learnt is not asked again
            with pytest.raises(Unauthorized):
                registry.manifest("c/d", "v1")

    def test_a_blob_is_taken_from_where_the_login_may_read(
        self, double: Double, authfile: Callable[..., Path]
    ) -> None:
        double.load("a/b", images.image(), "v1")
        blob = next(iter(double.repository("a/b").blobs))
        double.logins = {USER: PASSWORD}
        with client(double, authfile=authfile(double.address)) as registry:
            registry.check_writable("c/d")  # its token can't read what is mounted
            assert registry.mount("c/d", blob, "a/b")
        with client(double) as registry, pytest.raises(Unauthorized):
            registry.mount("c/d", blob, "a/b")

    def test_a_token_that_ran_out_is_renewed(
        self, double: Double, authfile: Callable[..., Path]
    ) -> None:
        double.load("a", images.image(), "v1")
        double.logins = {USER: PASSWORD}
        with client(double, authfile=authfile(double.address)) as registry:
            registry.manifest("a", "v1")
            double.forget_tokens()
            registry.manifest("a", "v1")
        assert len(double.requests("GET", "/token")) == 2

    def test_a_wrong_login_is_said_and_not_shown(
        self, double: Double, authfile: Callable[..., Path], caplog: pytest.LogCaptureFixture
    ) -> None:
        secret = "pass-that-nobody-may-see"
        double.logins = {USER: PASSWORD}
        path = authfile(double.address, password=secret)
        caplog.set_level("DEBUG")
        with client(double, authfile=path) as registry:
            with pytest.raises(Unauthorized) as found:
                registry.manifest("a", "v1")
            assert found.value.exit_code is Exit.AUTHENTICATION
            assert found.value.help is not None
            assert "skopeo login" in found.value.help
            double.logins = {USER: secret}
            double.fails(Fault("GET", "/manifests/", faults.answers(400, "BAD", f"your {secret}!")))
            with pytest.raises(NotAccepted) as echoed:
                registry.manifest("a", "v1")
            shown = f"{found.value!r} {echoed.value!r} {registry!r} {caplog.text}"
        assert "your …!" in shown
        assert secret not in shown

    def test_an_identity_token_is_traded_for_a_token(self, double: Double, tmp_path: Path) -> None:
        path = tmp_path / "auth.json"
        path.write_text(
            json.dumps({"auths": {double.address: {"auth": "", "identitytoken": "identity"}}})
        )
        double.load("a", images.image(), "v1")
        double.logins = {USER: PASSWORD}
        with client(double, authfile=path) as registry:
            registry.manifest("a", "v1")
        assert len(double.requests("POST", "/token")) == 1

    @pytest.mark.registry
    def test_the_real_registry_takes_a_login(
        self, debian_password: DebianRegistry, repository: str, authfile: Callable[..., Path]
    ) -> None:
        debian_password.site.push(repository, images.image(), "v1")
        address = debian_password.address
        with Registry(Endpoint(address, plain=True, authfile=authfile(address))) as registry:
            assert registry.manifest(repository, "v1").digest == images.image().digest
            registry.check_writable(repository)
        with Registry(Endpoint(address, plain=True)) as registry:
            with pytest.raises(Unauthorized):
                registry.manifest(repository, "v1")
            assert registry.ping().status == 401
        wrong = authfile(address, password="wrong")
        with (
            Registry(Endpoint(address, plain=True, authfile=wrong)) as registry,
            pytest.raises(Unauthorized),
        ):
            registry.manifest(repository, "v1")

    def test_a_token_server_without_tls_is_never_used_for_a_registry_with_tls(
        self, double: Double, debian_tls: DebianRegistry, authority: Authority
    ) -> None:
        endpoint = Endpoint("quay.io", debian_tls.address, ca=authority.certificate)
        with Registry(endpoint) as registry:
            reply = registry.ping()
            reply.headers["www-authenticate"] = f'Bearer realm="{double.url}/token",service="x"'
            with pytest.raises(BadReply, match="without TLS"):
                registry._keys.answer(reply, Access("a", writes=False))  # noqa: SLF001

    @pytest.mark.parametrize(
        "body", [b"{}", b'{"token": 7}', b'{"token": "a\\nb"}', b"[]", b"<html>"]
    )
    def test_a_token_that_is_none_is_an_error(self, double: Double, body: bytes) -> None:
        double.logins = {USER: PASSWORD}
        double.fails(Fault("GET", "/token", faults.replaces(body)))
        with client(double) as registry, pytest.raises(BadReply):
            registry.manifest("a", "v1")

    @pytest.mark.parametrize(
        "challenge", ["", "Negotiate", "Basic realm=x", "Bearer", "Bearer realm=x"]
    )
    def test_a_challenge_that_nobody_can_answer_is_an_error(
        self, double: Double, challenge: str
    ) -> None:
        headers = {"WWW-Authenticate": challenge} if challenge else {}
        double.fails(Fault("GET", "/manifests/", faults.answers(401, headers=headers)))
        with client(double) as registry, pytest.raises((Unauthorized, BadReply)):
            registry.manifest("a", "v1")


class TestRedirects:
    def test_a_blob_on_another_host_is_read_without_the_login(
        self, double: Double, other_double: Double, authfile: Callable[..., Path]
    ) -> None:
        image = images.image()
        double.load("a", image, "v1")
        other_double.load("a", image, "v1")
        double.logins = {USER: PASSWORD}
        digest = next(iter(image.blobs))
        target = f"{other_double.url}/v2/a/blobs/{digest}"
        with client(double, authfile=authfile(double.address)) as registry:
            registry.manifest("a", "v1")
            double.fails(Fault("GET", "/blobs/", faults.redirects(target)))
            assert registry.blob("a", digest) == image.blobs[digest]
        assert [each.request.header("Authorization") for each in other_double.log] == [""]
        assert all(
            each.request.header("Authorization") for each in double.requests("GET", "/blobs/")
        )

    def test_another_hosts_challenge_gets_no_login(
        self, double: Double, other_double: Double, authfile: Callable[..., Path]
    ) -> None:
        other_double.logins, other_double.scheme = {USER: PASSWORD}, "basic"
        double.fails(Fault("GET", "/manifests/", faults.redirects(f"{other_double.url}/v2/")))
        with (
            client(double, authfile=authfile(double.address)) as registry,
            pytest.raises(Unauthorized),
        ):
            registry.manifest("a", "v1")
        assert [each.request.header("Authorization") for each in other_double.log] == [""]

    def test_a_circle_ends(self, double: Double) -> None:
        double.fails(Fault("GET", "/manifests/", faults.redirects("/v2/a/manifests/v1")))
        with client(double) as registry, pytest.raises(BadReply, match="circle"):
            registry.manifest("a", "v1")

    def test_a_write_is_not_redirected(self, double: Double, other_double: Double) -> None:
        double.fails(Fault("PUT", "/manifests/", faults.redirects(f"{other_double.url}/v2/")))
        with client(double) as registry, pytest.raises(NotAccepted, match="307"):
            registry.put_manifest("a", "v1", b"{}", images.OCI_MANIFEST)
        assert other_double.log == []

    def test_a_redirect_to_an_address_without_tls_is_refused(
        self, debian_tls: DebianRegistry, authority: Authority, double: Double
    ) -> None:
        with Registry(Endpoint("q", debian_tls.address, ca=authority.certificate)) as registry:
            url = registry.endpoint.url
            reply = http.Reply(url, 307, registry.ping().headers, b"")
            reply.headers["location"] = f"{double.url}/v2/"
            registry._connections.exchange = lambda *_, **__: reply  # type: ignore[method-assign]  # noqa: SLF001
            with pytest.raises(BadReply, match="without TLS"):
                registry.manifest("a", "v1")


@pytest.mark.parametrize(
    "headers", [{}, {"Location": "http://u:p@127.0.0.1/x"}, {"Location": "ftp://x/"}]
)
def test_an_upload_without_a_good_place_is_an_error(
    double: Double, headers: dict[str, str]
) -> None:
    def answered(_request: object, _origin: object) -> Response:
        return Response(202, headers)

    double.fails(Fault("POST", "/uploads/", answered))
    with client(double) as registry, pytest.raises(BadReply):
        registry.put_blob("a", b"x")


@pytest.mark.parametrize(
    "body", [b"<html>", b"[1]", b"", b"[" * 100_000], ids=["html", "a list", "nothing", "deep"]
)
def test_an_answer_that_is_no_json_object_is_an_error(double: Double, body: bytes) -> None:
    double.load("a", images.image(), "v1")
    double.fails(Fault("GET", "/(tags|manifests)/", faults.replaces(body)))
    with client(double) as registry:
        with pytest.raises(BadReply):
            list(registry.tags("a"))
        with pytest.raises(BadReply):
            _ = registry.manifest("a", "v1").content


def test_a_manifest_without_its_own_type_has_that_of_the_header(double: Double) -> None:
    data = b'{"schemaVersion": 2, "layers": []}'
    with client(double) as registry:
        registry.put_manifest("a", "v1", data, images.OCI_MANIFEST)
        assert registry.manifest("a", "v1").media_type == images.OCI_MANIFEST
        assert registry.manifest("a", "v1").content["schemaVersion"] == 2


def test_names_of_all_sorts_stay_inside_their_path(double: Double) -> None:
    with client(double) as registry:
        for reference in ("../../v1", "a?b", "a b", "a\r\nHost: x", "é", "#"):
            with pytest.raises(NotFound):
                registry.manifest("a", reference)
    assert all(each.request.target.startswith("/v2/a/manifests/") for each in double.log)
    assert all(each.request.target.count("/") == 4 for each in double.log)


def test_threads_share_a_registry(proxy: Proxy, debian: DebianRegistry, repository: str) -> None:
    image = images.image()
    debian.site.push(repository, image, "v1")
    found: list[str] = []
    with client(proxy) as registry:

        def read() -> None:
            found.extend(registry.manifest(repository, "v1").digest for _ in range(5))

        threads = [threading.Thread(target=read) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert found == [image.digest] * 40


def test_the_hub_is_called_by_its_real_address() -> None:
    assert str(Endpoint("docker.io").url) == "https://registry-1.docker.io:443/v2/"
    assert str(Endpoint("quay.io").url) == "https://quay.io:443/v2/"
    assert str(Endpoint("quay.io", "[::1]:5000", plain=True).url) == "http://[::1]:5000/v2/"


@pytest.mark.parametrize("status", [500, 404])
def test_a_registry_that_is_none_is_said(double: Double, status: int) -> None:
    double.fails(Fault("GET", "/v2/", faults.answers_html(status)))
    with client(double) as registry, pytest.raises(MidstreamError):
        registry.ping()
