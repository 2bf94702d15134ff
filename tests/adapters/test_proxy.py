"""Proxies are chosen by the variables that skopeo goes by, too."""

from __future__ import annotations

import pytest

from midstream.adapters.http import Connections, Unreachable, Url
from midstream.adapters.proxy import proxy_for
from registries.exchange import Request, Response, Server


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_without_a_setting_there_is_none() -> None:
    assert proxy_for("https", "quay.io", 443) is None


@pytest.mark.parametrize(
    ("setting", "host", "port"),
    [
        ("http://proxy.example:3128", "proxy.example", 3128),
        ("proxy.example:3128", "proxy.example", 3128),
        ("http://proxy.example", "proxy.example", 80),
    ],
)
def test_a_setting_names_the_proxy(
    monkeypatch: pytest.MonkeyPatch, setting: str, host: str, port: int
) -> None:
    monkeypatch.setenv("https_proxy", setting)
    found = proxy_for("https", "quay.io", 443)
    assert found is not None
    assert (found.host, found.port) == (host, port)
    assert proxy_for("http", "quay.io", 80) is None


def test_a_login_for_the_proxy_is_sent_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:s%40cret@proxy.example:1")
    found = proxy_for("https", "quay.io", 443)
    assert found is not None
    assert found.headers == {"Proxy-Authorization": "Basic bWU6c0BjcmV0"}
    assert "bWU6" not in repr(found)


def test_a_setting_that_names_no_host_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://")
    assert proxy_for("https", "quay.io", 443) is None


@pytest.mark.parametrize(
    ("rule", "host", "exempt"),
    [
        ("*", "quay.io", True),
        ("quay.io", "quay.io", True),
        ("quay.io", "cdn.quay.io", True),
        (".quay.io", "cdn.quay.io", True),
        (".quay.io", "quay.io", False),
        ("*.quay.io", "cdn.quay.io", True),
        ("quay.io:443", "quay.io", True),
        ("quay.io:8443", "quay.io", False),
        ("other.example, QUAY.io", "quay.io", True),
        ("ay.io", "quay.io", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "quay.io", False),
        (" , ", "quay.io", False),
        ("", "localhost", True),
        ("", "127.0.0.1", True),
        ("", "::1", True),
    ],
)
def test_some_hosts_are_exempt(
    monkeypatch: pytest.MonkeyPatch, rule: str, host: str, exempt: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:1")
    monkeypatch.setenv("NO_PROXY", rule)
    assert (proxy_for("https", host, 443) is None) is exempt


def test_a_plain_request_names_the_whole_address_to_the_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Response:
        seen.append(request)
        return Response(200, body=b"ok")

    with Server(answer) as server:
        monkeypatch.setenv("HTTP_PROXY", server.url.replace("//", "//me:pw@"))
        url = Url.parse("http://registry.example/v2/")
        connections = Connections()
        assert connections.exchange("GET", url, {}, limit=10).body == b"ok"
        connections.close()
    assert seen[0].target == "http://registry.example:80/v2/"
    assert seen[0].header("Proxy-Authorization") == "Basic bWU6cHc="


def test_tls_goes_through_a_tunnel_which_may_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda _: Response(200)) as server:
        monkeypatch.setenv("HTTPS_PROXY", server.url)
        with pytest.raises(Unreachable, match="tunnel connection failed: 501"):
            Connections().exchange("GET", Url.parse("https://registry.example/"), {}, limit=10)
