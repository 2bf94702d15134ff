"""One HTTP exchange: a deadline, a size limit, verified TLS, and connections that are kept.

No retries and no redirects here: who asks decides what may be asked twice, and where a secret
may go.
"""

from __future__ import annotations

import http.client
import json
import select
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from msgspec import Struct

from midstream import __version__
from midstream.adapters import proxy
from midstream.errors import Exit, MidstreamError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_CHUNK = 1 << 16
_SLOWEST = (
    1 << 16
)  # bytes a second: what comes at that pace is a slow line, and not a server's trick
# What OpenSSL says of a plain answer; the words changed over its versions.
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
_REPEATABLE = frozenset({"GET", "HEAD"})


class Transient(MidstreamError):
    """It may well work the next time. `retry_after` is in seconds, where the other side named it.

    After a write this says nothing about whether the write was done: read it back.
    """

    exit_code = Exit.TRANSIENT

    def __init__(
        self, message: str, *, help: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, help=help)
        self.retry_after = retry_after


class Unreachable(Transient):
    """No connection: refused, no route, or the name server did not answer."""


class ConnectionLost(Transient):
    """The other side went away before its answer was complete."""


class TooSlow(Transient):
    """The answer was not complete at the deadline."""


class UnknownHost(MidstreamError):
    """There is no such host name."""

    exit_code = Exit.OUTSIDE


class NotTrusted(MidstreamError):
    """TLS failed: an unknown authority, an expired or foreign certificate, or no TLS at all."""

    exit_code = Exit.OUTSIDE


class BadReply(MidstreamError):
    """The answer is not what the protocol says."""

    exit_code = Exit.OUTSIDE


class TooLarge(BadReply):
    """The answer is larger than anything that was asked for."""


class Url(Struct, frozen=True):
    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def parse(cls, text: str) -> Url:
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not host or parts.username is not None:
            raise BadReply("a registry named an address that can't be used")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme, host, port or (80 if parts.scheme == "http" else 443), target)

    def join(self, reference: str) -> Url:
        """What a `Location` or `Link` header names, seen from here."""
        return Url.parse(urljoin(f"{self}", reference))

    @property
    def origin(self) -> tuple[str, str, int]:
        """Where a secret may be sent: scheme, host and port, as browsers have it."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"{name}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


class Reply(Struct, frozen=True):
    """Its body may be a token, so its `repr` has none."""

    url: Url
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def __repr__(self) -> str:
        return f"Reply({str(self.url)!r}, {self.status})"

    def header(self, name: str) -> str | None:
        """All values of a header that was sent, as one."""
        values = self.headers.get_all(name)
        return ", ".join(values) if values else None


def json_object(data: bytes, what: str) -> dict[str, Any]:
    """An answer's object. Raises `BadReply` where it is none."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise BadReply(f"{what} is no JSON object")
    return content


class Connections:
    """Kept connections to any number of hosts. May be used by several threads at once."""

    def __init__(self, *, timeout: float = 30, ca: Path | None = None) -> None:
        self._timeout = timeout
        self._ca = ca
        self._idle: dict[tuple[str, str, int], list[http.client.HTTPConnection]] = {}
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None

    def exchange(
        self,
        method: str,
        url: Url,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        limit: int,
    ) -> Reply:
        """Send one request and read its whole answer, whatever its status.

        `limit` is in bytes. Raises `Transient` and its kin, `UnknownHost`, `NotTrusted` and
        `BadReply`.
        """
        kept = self._take(url)
        if kept is not None:
            try:
                return self._once(kept, method, url, headers, body, limit)
            except ConnectionLost:
                # The server may end a kept connection at any time; reading again harms nobody.
                if method not in _REPEATABLE:
                    raise
        return self._once(self._open(url), method, url, headers, body, limit)

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, {}
        for connection in (each for several in idle.values() for each in several):
            connection.close()

    def _once(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        url: Url,
        headers: Mapping[str, str],
        body: bytes | None,
        limit: int,
    ) -> Reply:
        try:
            reply, reusable = _talk(connection, method, url, headers, body, limit, self._timeout)
        except BaseException as error:
            connection.close()
            failure = _explain(error, url, self._timeout)
            if failure is None:
                raise
            raise failure from None
        if reusable:
            self._keep(url, connection)
        else:
            connection.close()
        return reply

    def _take(self, url: Url) -> http.client.HTTPConnection | None:
        with self._lock:
            idle = self._idle.get(url.origin, [])
            while idle:
                connection = idle.pop()
                if connection.sock is not None and not _readable(connection.sock):
                    return connection
                connection.close()
        return None

    def _keep(self, url: Url, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._idle.setdefault(url.origin, []).append(connection)

    def _open(self, url: Url) -> http.client.HTTPConnection:
        via = proxy.proxy_for(url.scheme, url.host, url.port)
        host, port = (via.host, via.port) if via else (url.host, url.port)
        if url.scheme == "http":
            connection = http.client.HTTPConnection(host, port, timeout=self._timeout)
        else:
            connection = http.client.HTTPSConnection(
                host, port, timeout=self._timeout, context=self._tls()
            )
            if via:
                connection.set_tunnel(url.host, url.port, via.headers)
        return connection

    def _tls(self) -> ssl.SSLContext:
        """Made once, and only when needed: reading the system's authorities takes its time."""
        with self._lock:
            if self._context is None:
                self._context = _context(self._ca)
            return self._context


def _talk(
    connection: http.client.HTTPConnection,
    method: str,
    url: Url,
    headers: Mapping[str, str],
    body: bytes | None,
    limit: int,
    timeout: float,
) -> tuple[Reply, bool]:
    deadline = time.monotonic() + timeout
    sent = {"User-Agent": f"midstream/{__version__}", "Accept-Encoding": "identity", **headers}
    # TLS goes through a proxy in a tunnel; a plain request names the whole address to it.
    via = proxy.proxy_for(url.scheme, url.host, url.port) if url.scheme == "http" else None
    target = str(url) if via else url.target
    connection.request(method, target, body, sent | (via.headers if via else {}))
    answer = connection.getresponse()
    data = answer.read() if method == "HEAD" else _read(answer, url, limit, deadline)
    return Reply(url, answer.status, answer.headers, data), not answer.will_close


def _read(answer: http.client.HTTPResponse, url: Url, limit: int, deadline: float) -> bytes:
    expected = answer.length
    if expected is not None and expected > limit:
        raise TooLarge(f"`{url.authority}` sends {expected} bytes where {limit} are the most")
    parts: list[bytes] = []
    size = 0
    while part := answer.read(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > limit:
            raise TooLarge(f"`{url.authority}` sends more than {limit} bytes")
        if time.monotonic() > deadline + size / _SLOWEST:
            raise TimeoutError
    if expected is not None and size < expected:  # `read` with a size takes a short body as it is
        raise http.client.IncompleteRead(b"", expected - size)
    return b"".join(parts)


def _explain(error: BaseException, url: Url, timeout: float) -> MidstreamError | None:
    """What went wrong on the way, as an error with a way out; None if it is no such thing."""
    where = f"`{url.authority}`"
    match error:
        case ssl.SSLError():
            return _tls_failure(error, where)
        case TimeoutError():
            return TooSlow(f"{where} did not answer within {timeout:g} s")
        case socket.gaierror():
            return _name_failure(error, url)
        case ConnectionRefusedError():
            return Unreachable(f"{where} refused the connection")
        case ConnectionError() | http.client.IncompleteRead():
            return ConnectionLost(f"the connection to {where} broke")
        case OSError():
            return Unreachable(f"no connection to {where}: {_reason(error)}")
        case http.client.HTTPException():
            return BadReply(f"{where} does not answer as HTTP says")
        case _:
            return None


def _tls_failure(error: ssl.SSLError, where: str) -> MidstreamError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return NotTrusted(
            f"the certificate of {where} can't be trusted: {error.verify_message.lower()}",
            help="name its authority as `ca:` in the registries file; the check is never left out",
        )
    if error.reason in _NO_TLS:
        return NotTrusted(
            f"{where} does not speak TLS",
            help="plain http is used only where the registries file says `plain: true`",
        )
    if isinstance(error, ssl.SSLZeroReturnError | ssl.SSLEOFError):
        return ConnectionLost(f"the connection to {where} broke")
    return NotTrusted(f"TLS with {where} failed: {_reason(error)}")


def _name_failure(error: socket.gaierror, url: Url) -> MidstreamError:
    if error.errno == socket.EAI_AGAIN:
        return Unreachable(f"the name server did not answer for `{url.host}`")
    return UnknownHost(
        f"there is no host `{url.host}`", help="look at the spelling of the registry"
    )


def _reason(error: OSError) -> str:
    return (error.strerror or str(error) or type(error).__name__).lower()


def _context(ca: Path | None) -> ssl.SSLContext:
    """With an authority of its own, an endpoint is trusted by that one only."""
    try:
        return ssl.create_default_context(cafile=str(ca) if ca else None)
    except (OSError, ssl.SSLError):
        raise NotTrusted(f"can't read certificates from `{ca}`") from None


def _readable(sock: socket.socket) -> bool:
    """An idle connection with something to read has been ended, or is out of step."""
    try:
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))
    except (OSError, ValueError):
        return True
