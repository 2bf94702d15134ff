"""One HTTP exchange: a deadline, a size limit, verified TLS, and connections that are kept.

No retries and no redirects here: who asks decides what may be asked twice, and where a secret
may go.
"""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from msgspec import Struct

from midstream import __version__
from midstream.adapters import proxy
from midstream.adapters.connection import Connection, NotHttp, TooMuch
from midstream.errors import Exit, MidstreamError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from pathlib import Path

# What OpenSSL says of a plain answer; the words changed over its versions.
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
_REPEATABLE = frozenset({"GET", "HEAD"})
_PORTS = {"http": 80, "https": 443}
_ALWAYS = {"User-Agent": f"midstream/{__version__}", "Accept-Encoding": "identity"}


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
            host, port = parts.hostname or "", parts.port
            host = host if host.isascii() else host.encode("idna").decode()
        except ValueError:
            parts, host, port = urlsplit(""), "", None
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        good = parts.scheme in _PORTS and parts.username is None
        if not good or not _is_one_word(host) or not _is_one_word(target):
            raise BadReply("a registry named an address that can't be used")
        return cls(parts.scheme, host, port or _PORTS[parts.scheme], target)

    def join(self, reference: str) -> Url:
        """What a `Location` or `Link` header names, seen from here."""
        return Url.parse(urljoin(f"{self}", reference))

    @property
    def origin(self) -> tuple[str, str, int]:
        """Where a secret may be sent: scheme, host and port, as browsers have it."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        return f"{self._name}:{self.port}"

    @property
    def named(self) -> str:
        """As a `Host` header has it: some sign that, without the port that goes without saying."""
        return self._name if self.port == _PORTS[self.scheme] else self.authority

    @property
    def _name(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


class Reply(Struct, frozen=True):
    """Its body may be a token, so its `repr` has none."""

    url: Url
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    def __repr__(self) -> str:
        return f"Reply({str(self.url)!r}, {self.status})"

    def header(self, name: str) -> str | None:
        """All values of a header that was sent, as one."""
        return self.headers.get(name.lower())


def _is_one_word(text: str) -> bool:
    """What a line of a request can hold between its spaces."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


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
        self._idle: dict[tuple[str, str, int], list[Connection]] = {}
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
        return self._once(None, method, url, headers, body, limit)

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, {}
        for connection in (each for several in idle.values() for each in several):
            connection.close()

    def _once(
        self,
        connection: Connection | None,
        method: str,
        url: Url,
        headers: Mapping[str, str],
        body: bytes | None,
        limit: int,
    ) -> Reply:
        # TLS goes through a proxy in a tunnel; a plain request names the whole address to it.
        via = proxy.proxy_for(url.scheme, url.host, url.port)
        plain = via if url.scheme == "http" else None
        sent = {"Host": url.named, **_ALWAYS, **headers, **(plain.headers if plain else {})}
        try:
            connection = connection or self._open(url, via)
            target = str(url) if plain else url.target
            answer = connection.exchange(method, target, sent, body, limit=limit)
        except BaseException as error:
            if connection is not None:
                connection.close()
            failure = _explain(error, url, self._timeout, limit)
            if failure is None:
                raise
            raise failure from None
        if answer.ends:
            connection.close()
        else:
            self._keep(url, connection)
        return Reply(url, answer.status, answer.headers, answer.body)

    def _take(self, url: Url) -> Connection | None:
        with self._lock:
            idle = self._idle.get(url.origin, [])
            while idle:
                connection = idle.pop()
                if connection.is_idle():
                    return connection
                connection.close()
        return None

    def _keep(self, url: Url, connection: Connection) -> None:
        with self._lock:
            self._idle.setdefault(url.origin, []).append(connection)

    def _open(self, url: Url, via: proxy.Proxy | None) -> Connection:
        tls = self._tls() if url.scheme == "https" else None
        host, port = (via.host, via.port) if via else (url.host, url.port)
        connection = Connection(host, port, self._timeout)
        try:
            if tls is not None:
                if via:
                    connection.tunnel(url.authority, via.headers)
                connection.secure(tls, url.host)
        except BaseException:
            connection.close()
            raise
        return connection

    def _tls(self) -> ssl.SSLContext:
        """Made once, and only when needed: reading the system's authorities takes its time."""
        with self._lock:
            if self._context is None:
                self._context = _context(self._ca)
            return self._context


def _explain(error: BaseException, url: Url, timeout: float, limit: int) -> MidstreamError | None:
    """What went wrong on the way, as an error with a way out; None if it is no such thing."""
    where = f"`{url.authority}`"
    failure = _tls_failure(error, where) if url.scheme == "https" else None
    if failure is not None:
        return failure
    match error:
        case TimeoutError():
            return TooSlow(f"{where} did not answer within {timeout:g} s")
        case socket.gaierror():
            return _name_failure(error, url)
        case ConnectionRefusedError():
            return Unreachable(f"{where} refused the connection")
        case ConnectionError():
            return ConnectionLost(f"the connection to {where} broke")
        case OSError():
            return Unreachable(f"no connection to {where}: {_reason(error)}")
        case NotHttp():
            return BadReply(f"{where} does not answer as HTTP says")
        case TooMuch(size=int(size)):
            return TooLarge(f"{where} sends {size} bytes where {limit} are the most")
        case TooMuch():
            return TooLarge(f"{where} sends more than {limit} bytes")
        case _:
            return None


def _tls_failure(error: BaseException, where: str) -> MidstreamError | None:
    import ssl  # many a run speaks it nowhere, or has loaded it by now

    if not isinstance(error, ssl.SSLError):
        return None
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
    import ssl

    try:
        return ssl.create_default_context(cafile=str(ca) if ca else None)
    except (OSError, ssl.SSLError):
        raise NotTrusted(f"can't read certificates from `{ca}`") from None
