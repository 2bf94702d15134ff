"""The exchange keeps its deadline and its limit, and trusts no certificate that it can't check."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from midstream.adapters.http import (
    BadReply,
    ConnectionLost,
    Connections,
    NotTrusted,
    TooLarge,
    TooSlow,
    UnknownHost,
    Unreachable,
    Url,
)
from midstream.errors import Exit
from registries import faults
from registries.exchange import Response, Server
from registries.faults import Fault
from registries.raw import raw

if TYPE_CHECKING:
    from pathlib import Path

    from registries.certificates import Authority
    from registries.debian import DebianRegistry
    from registries.double import Double


def get(url: str, *, timeout: float = 5, limit: int = 1000, ca: Path | None = None) -> bytes:
    connections = Connections(timeout=timeout, ca=ca)
    try:
        return connections.exchange("GET", Url.parse(url), {}, limit=limit).body
    finally:
        connections.close()


def test_an_answer_is_read_whole() -> None:
    with Server(lambda _: Response(200, body=b"x" * 1000)) as server:
        assert get(server.url) == b"x" * 1000


def test_an_answer_over_the_limit_is_not_read() -> None:
    with Server(lambda _: Response(200, body=b"x" * 1001)) as server, pytest.raises(TooLarge):
        get(server.url)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with raw(head, b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n") as url, pytest.raises(TooLarge):
        get(url)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf",
        b"",
    ],
    ids=["by length", "by chunk", "nothing"],
)
def test_an_answer_that_breaks_off_is_never_taken_for_whole(answer: bytes) -> None:
    with raw(answer) as url, pytest.raises(ConnectionLost) as found:
        get(url)
    assert found.value.exit_code is Exit.TRANSIENT


def test_an_answer_that_is_no_http_is_said() -> None:
    with raw(b"SSH-2.0-OpenSSH\r\n") as url, pytest.raises(BadReply):
        get(url)


def test_a_server_that_says_nothing_or_drips_meets_the_deadline() -> None:
    with raw(b"", pause=1) as url, pytest.raises(TooSlow, match=r"0\.2 s"):
        get(url, timeout=0.2)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    begun = time.monotonic()
    with raw(head, *[b"x"] * 20, pause=0.05) as url, pytest.raises(TooSlow):
        get(url, timeout=0.2)
    assert time.monotonic() - begun < 3


def test_a_large_answer_over_a_slow_line_is_read_to_its_end() -> None:
    parts = [b"x" * 20_000] * 8
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 160000\r\n\r\n"
    with raw(head, *parts, pause=0.1) as url:
        assert len(get(url, timeout=0.4, limit=200_000)) == 160_000


def test_a_refused_connection_and_an_unknown_host_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unreachable, match="refused"):
        get(f"http://127.0.0.1:{port}/")
    with pytest.raises((UnknownHost, Unreachable), match="no-such-host"):
        get("http://no-such-host.invalid/")


def test_the_name_server_that_does_not_answer_is_another_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number, kind in ((socket.EAI_AGAIN, Unreachable), (socket.EAI_NONAME, UnknownHost)):

        def fail(*_: object, number: int = number, **__: object) -> None:
            raise socket.gaierror(number, "no")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        with pytest.raises(kind):
            get("http://registry.example/")


def test_another_failure_of_the_network_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(113, "No route to host")

    monkeypatch.setattr(socket, "create_connection", fail)
    with pytest.raises(Unreachable, match="no route to host"):
        get("http://127.0.0.1:1/")


def test_what_is_no_failure_of_the_network_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(socket, "create_connection", fail)
    with pytest.raises(KeyboardInterrupt):
        get("http://127.0.0.1:1/")


@pytest.mark.registry
class TestTls:
    def test_its_authority_is_trusted(
        self, debian_tls: DebianRegistry, authority: Authority
    ) -> None:
        assert get(f"https://{debian_tls.address}/v2/", ca=authority.certificate) == b"{}"

    @pytest.mark.parametrize(
        ("which", "why"),
        [
            ("debian_expired", "expired"),
            ("debian_wrong_name", "mismatch"),
            ("debian_tls", "unable to get local issuer"),
        ],
    )
    def test_anything_else_is_refused(
        self,
        request: pytest.FixtureRequest,
        authority: Authority,
        stranger: Authority,
        which: str,
        why: str,
    ) -> None:
        server: DebianRegistry = request.getfixturevalue(which)
        ca = stranger.certificate if which == "debian_tls" else authority.certificate
        with pytest.raises(NotTrusted, match=why) as found:
            get(f"https://{server.address}/v2/", ca=ca)
        assert found.value.exit_code is Exit.OUTSIDE

    def test_without_an_authority_of_its_own_the_systems_are_asked(
        self, debian_tls: DebianRegistry
    ) -> None:
        with pytest.raises(NotTrusted, match="can't be trusted"):
            get(f"https://{debian_tls.address}/v2/")

    def test_plain_http_is_never_spoken_instead(self, double: Double) -> None:
        with pytest.raises(NotTrusted, match="does not speak TLS"):
            get(f"https://{double.address}/v2/")
        assert double.log == []

    def test_an_authority_that_is_none_is_said(self, tmp_path: Path) -> None:
        broken = tmp_path / "ca.crt"
        with pytest.raises(NotTrusted, match=r"ca\.crt"):
            get("https://127.0.0.1:1/", ca=broken)
        broken.write_text("no certificate")
        with pytest.raises(NotTrusted, match=r"ca\.crt"):
            get("https://127.0.0.1:1/", ca=broken)

    def test_a_connection_that_ends_in_the_handshake_is_transient(self) -> None:
        with raw(b"") as url, pytest.raises(ConnectionLost):
            get(url.replace("http:", "https:"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "quay.io",
        "ftp://quay.io/",
        "http:///v2",
        "http://u:p@quay.io/",
        "http://q:99999/",
        "http://[::1/",
    ],
)
def test_an_address_that_can_not_be_used_is_refused(text: str) -> None:
    with pytest.raises(BadReply):
        Url.parse(text)


def test_an_address_is_joined_as_browsers_do_it() -> None:
    url = Url.parse("https://quay.io/v2/a/tags/list?n=2")
    assert str(url.join("/v2/?x=1")) == "https://quay.io:443/v2/?x=1"
    assert str(url.join("https://cdn.example:8443/x")) == "https://cdn.example:8443/x"
    assert str(Url.parse("http://[::1]:5000/v2/")) == "http://[::1]:5000/v2/"
    assert url.origin == Url.parse("https://QUAY.io:443/other").origin


def test_a_fault_once_is_met_once(double: Double) -> None:
    double.fails(Fault("GET", "/v2/", faults.resets, times=1))
    with pytest.raises(ConnectionLost):
        get(f"{double.url}/v2/")
    assert get(f"{double.url}/v2/") == b"{}"
