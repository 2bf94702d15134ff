"""An answer is read as RFC 9112 has it, and what isn't one is refused."""

from __future__ import annotations

import http.client
import socket
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midstream.adapters.connection import Answer, Connection, EndedEarly, NotHttp, TooMuch
from midstream.adapters.http import BadReply, Connections, Url
from registries.exchange import Request, Response, Server
from registries.raw import raw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registries.certificates import Authority
    from registries.debian import DebianRegistry

OK = b"HTTP/1.1 200 OK\r\n"


def to(url: str) -> closing[Connection]:
    where = Url.parse(url)
    return closing(Connection(where.host, where.port, 5))


def ask(*parts: bytes, method: str = "GET", limit: int = 1000) -> Answer:
    with raw(*parts) as url, to(url) as connection:
        return connection.exchange(method, "/", {"Host": "x"}, None, limit=limit)


def test_an_answer_with_a_length_leaves_the_connection_open() -> None:
    found = ask(OK + b"Content-Length: 2\r\n\r\nok")
    assert found == Answer(200, {"content-length": "2"}, b"ok", ends=False)
    assert ask(OK + b"content-length:2\r\n\r\nok").body == b"ok"


def test_a_line_that_comes_in_pieces_is_one_line() -> None:
    said = OK + b"Content-Length: 2\r\nX: y\r\n\r\nok"
    assert ask(*[said[at : at + 1] for at in range(len(said))]).headers["x"] == "y"


def test_what_comes_in_chunks_is_joined() -> None:
    head = OK + b"Transfer-Encoding: Chunked\r\n\r\n"
    found = ask(head, b"3\r\nabc\r\n", b"1;name=value\r\nd\r\n0\r\nAfter: all\r\n\r\n")
    assert (found.body, found.ends) == (b"abcd", False)
    assert "after" not in found.headers


def test_without_a_length_the_end_of_the_connection_is_the_end() -> None:
    found = ask(OK + b"\r\n", b"half", b" and half")
    assert (found.body, found.ends) == (b"half and half", True)
    with pytest.raises(TooMuch):
        ask(OK + b"\r\n", b"x" * 1001)


def test_the_real_answer_comes_after_those_for_the_time_being() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    found = ask(early + OK + b"Content-Length: 0\r\n\r\n")
    assert (found.status, found.headers) == (200, {"content-length": "0"})
    with pytest.raises(NotHttp):
        ask(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")


@pytest.mark.parametrize(
    ("method", "first"),
    [("HEAD", b"200 OK"), ("GET", b"204 No Content"), ("GET", b"304 Not Modified")],
)
def test_some_answers_have_no_body_whatever_their_length(method: str, first: bytes) -> None:
    found = ask(b"HTTP/1.1 " + first + b"\r\nContent-Length: 7\r\n\r\n", method=method)
    assert (found.body, found.ends) == (b"", False)


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"Connection: Close\r\nContent-Length: 2\r\n\r\nok",
        OK + b"Content-Length: 2\r\n\r\nok, and what nobody asked for",
    ],
    ids=["an old server", "one that says so", "one that is out of step"],
)
def test_a_connection_is_not_used_again_after(said: bytes) -> None:
    found = ask(said)
    assert (found.body, found.ends) == (b"ok", True)


def test_a_header_may_be_sent_twice() -> None:
    lines = b"Link: <a>\r\nlink:<b>\t\r\nX: one two\r\nY:\r\nContent-Length: 0\r\n\r\n"
    found = ask(OK + lines).headers
    assert (found["link"], found["x"], found["y"]) == ("<a>, <b>", "one two", "")


@pytest.mark.parametrize(
    "said",
    [
        b"220 mail.example ESMTP\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 20\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n",
        OK + b"no colon\r\n\r\n",
        OK + b": no name\r\n\r\n",
        OK + b"Content-Length : 2\r\n\r\nok",
        OK + b" folded: first\r\n\r\n",
        OK + b"X: one\r\n  two\r\n\r\n",  # as it was written until 2014
        OK + b"Content-Length: 2, 2\r\n\r\nok",
        OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"X: a\nContent-Length: 2\r\n\r\nok",
        OK + b"X: \0\r\n\r\n",
        OK + b"Content-Length: 2, 3\r\n\r\nok!",
        OK + b"Content-Length: +2\r\n\r\nok",
        OK + b"Content-Length: -2\r\n\r\nok",
        OK + b"Content-Length: \xb2\r\n\r\nok",
        OK + b"Content-Length: \r\n\r\nok",
        OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok!0\r\n\r\n",
        OK + b"X: " + b"x" * (1 << 17),
        OK + b"Transfer-Encoding: chunked\r\n\r\n2;" + b"x" * (1 << 17),
    ],
)
def test_what_is_no_http_is_refused(said: bytes) -> None:
    with pytest.raises(NotHttp):
        ask(said)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTT",
        OK,
        OK + b"Content-Length: 10\r\n\r\nhalf",
        OK + b"Transfer-Encoding: chunked\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf",
        OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nAfter:",
    ],
)
def test_half_an_answer_is_none(said: bytes) -> None:
    with pytest.raises(EndedEarly):
        ask(said)


def test_what_is_too_long_is_not_read() -> None:
    with pytest.raises(TooMuch) as found:
        ask(OK + b"Content-Length: 1001\r\n\r\n")
    assert found.value.size == 1001
    with pytest.raises(TooMuch):
        ask(OK + b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1001)


_TOKENS = st.text("abcXYZ-09", min_size=1, max_size=8)
_VALUES = st.text("abc XYZ,;=/.09", max_size=20).map(str.strip)  # it keeps spaces at the end


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([b"200 OK", b"404 Not Found", b"500"]),
    st.lists(st.tuples(_TOKENS.filter(lambda each: "c" not in each), _VALUES), max_size=5),
    st.lists(st.binary(min_size=1, max_size=40), max_size=4),
    st.booleans(),
)
def test_the_standard_library_reads_the_same(
    first: bytes, headers: list[tuple[str, str]], parts: list[bytes], chunked: bool
) -> None:
    lines = [f"{name}: {value}\r\n".encode() for name, value in headers]
    body = b"".join(parts)
    if chunked:
        lines.append(b"Transfer-Encoding: chunked\r\n")
        body = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in parts) + b"0\r\n\r\n"
    else:
        lines.append(b"Content-Length: %d\r\n" % len(body))
    said = b"HTTP/1.1 " + first + b"\r\n" + b"".join(lines) + b"\r\n" + body
    found = ask(said)
    with raw(said) as url:
        oracle = http.client.HTTPConnection(url.removeprefix("http://").strip("/"), timeout=5)
        oracle.request("GET", "/")
        expected = oracle.getresponse()
        assert (found.status, found.body) == (expected.status, expected.read())
        oracle.close()
    for name in {name.lower() for name, _ in headers}:
        assert found.headers[name] == expected.getheader(name)


def test_a_request_says_its_host_as_people_write_it() -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Response:
        seen.append(request)
        return Response(200)

    with Server(answer) as server:
        connections = Connections()
        connections.exchange("PUT", Url.parse(server.url), {}, None, limit=10)
        connections.close()
    assert seen[0].header("Host") == server.address
    assert seen[0].header("Content-Length") == "0"
    assert Url.parse("https://quay.io/v2/").named == "quay.io"
    assert Url.parse("http://[::1]:443/v2/").named == "[::1]:443"


def test_a_line_of_a_request_is_one_line() -> None:
    with raw(OK) as url, to(url) as connection, pytest.raises(ValueError, match="end of a line"):
        connection.exchange("GET", "/", {"X": "y\r\nZ: z"}, None, limit=10)
    for text in ("http://a/b c", "http://a/\x7f", "http://a b/", "http://a/\u00e9"):
        with pytest.raises(BadReply):
            Url.parse(text)
    assert Url.parse("http://b\u00fccher.example/").host == "xn--bcher-kva.example"


class TestTunnel:
    @pytest.mark.registry
    def test_tls_goes_through_it(
        self,
        debian_wrong_name: DebianRegistry,
        authority: Authority,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """That registry's certificate is for a host that nobody could reach without the proxy."""
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with _proxy(debian_wrong_name.address) as (address, asked):
            monkeypatch.setenv("HTTPS_PROXY", f"http://me:pw@{address}")
            connections = Connections(timeout=5, ca=authority.certificate)
            url = Url.parse("https://elsewhere.example/v2/")
            assert connections.exchange("GET", url, {}, limit=10).body == b"{}"
            assert connections.exchange("GET", url, {}, limit=10).body == b"{}"
            connections.close()
        head = b"CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: elsewhere.example:443\r\n"
        assert asked == [head + b"Proxy-Authorization: Basic bWU6cHc=\r\n\r\n"]

    def test_a_proxy_that_says_more_than_yes_is_none(self) -> None:
        said = b"HTTP/1.1 200 OK\r\n\r\nand more"
        with raw(said) as url, to(url) as connection, pytest.raises(NotHttp):
            connection.tunnel("quay.io:443", {})


@contextmanager
def _proxy(to: str) -> Iterator[tuple[str, list[bytes]]]:
    """One that leads one caller to an address; and what it was asked."""
    asked: list[bytes] = []
    host, _, port = to.rpartition(":")

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        near, _ = listening.accept()
        with near, socket.create_connection((host, int(port))) as far:
            asked.append(near.recv(4096))
            near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=pass_on, args=(far, near))
            back.start()
            pass_on(near, far)
            back.join()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        served = threading.Thread(target=serve)
        served.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}", asked
        served.join()
