"""One connection to a server, as HTTP/1.1 has it: a request goes out, its whole answer comes back.

The standard library's client reads a few header lines with its parser of mail: to import that is a
tenth of a short run, and to use it is half of all that an exchange takes. What is read here is what
RFC 9112 says, and what isn't that is refused.
"""

from __future__ import annotations

import select
import socket
import time
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

_CHUNK = 1 << 16
_LONGEST_HEAD = 1 << 16  # bytes
_LONGEST_NUMBER = 15  # digits of a length
_SLOWEST = 1 << 16  # bytes a second: at that pace it is a slow line, and not a server's trick
_START = b"HTTP/1."
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")


class NotHttp(Exception):
    """What came is no answer as HTTP has it."""


class TooMuch(Exception):
    """More than was asked for. `size`: in bytes, where the server named it."""

    def __init__(self, size: int | None = None) -> None:
        super().__init__(size)
        self.size = size


class Answer(Struct, frozen=True):
    """`headers` have names in lower case; what was sent twice is joined by a comma.

    `ends`: nothing more may be asked on this connection.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    ends: bool


class EndedEarly(ConnectionError):
    """The other side went away before its answer was complete."""


class Connection:
    """To one server, or to the proxy before it. Not for several threads at once.

    What goes wrong is an `OSError` (a `ConnectionError` where it broke, a `TimeoutError` at the
    deadline), `NotHttp` or `TooMuch`; the connection is of no use after it.
    """

    def __init__(self, host: str, port: int, timeout: float) -> None:
        """`timeout` is in seconds, for whatever is done at once: to connect, to send, to read."""
        # As text it would be encoded as a name of the IDNA, and to import that takes a millisecond.
        name = host.encode() if host.isascii() else host
        self._socket: socket.socket = socket.create_connection((name, port), timeout)  # type: ignore[arg-type]
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._unread = bytearray()

    def tunnel(self, authority: str, headers: Mapping[str, str]) -> None:
        """Have a proxy pass on all that follows. Raises `OSError` where it doesn't."""
        self._deadline = time.monotonic() + self._timeout
        self._send("CONNECT", authority, {"Host": authority, **headers}, None)
        status, _ = self._head()
        if not 200 <= status < 300:
            raise OSError(f"tunnel connection failed: {status}")
        if self._unread:  # a server of TLS says nothing before it is asked
            raise NotHttp

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Speak TLS from here on, with the server of that name."""
        self._socket = context.wrap_socket(self._socket, server_hostname=host)

    def exchange(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        limit: int,
    ) -> Answer:
        """Send a request and read its whole answer, of at most `limit` bytes."""
        self._deadline = time.monotonic() + self._timeout
        self._send(method, target, headers, body)
        status, found = self._head()
        while status < 200:  # the real answer is still to come
            if status == 101:
                raise NotHttp
            status, found = self._head()
        has_end, data = True, b""
        if method != "HEAD" and status not in (204, 304):
            has_end, data = self._body(found, limit)
        closes = "close" in found.get("connection", "").lower()
        return Answer(status, found, data, ends=closes or not has_end or bool(self._unread))

    def is_idle(self) -> bool:
        """Whether it can be used again: one with something to read has been ended, or is out of
        step."""
        try:
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            return not poll.poll(0)
        except (OSError, ValueError):
            return False

    def close(self) -> None:
        self._socket.close()

    # --- a request ---------------------------------------------------------------------------

    def _send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None
    ) -> None:
        if body is None and method in ("POST", "PUT", "PATCH"):
            body = b""
        lines = [f"{method} {target} HTTP/1.1", *(f"{key}: {headers[key]}" for key in headers)]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        if any("\r" in each or "\n" in each for each in lines):
            raise ValueError("a line of a request has an end of a line in it")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self._socket.sendall(head + body if body else head)

    # --- an answer ---------------------------------------------------------------------------

    def _head(self) -> tuple[int, dict[str, str]]:
        while (end := self._unread.find(b"\r\n\r\n")) < 0:
            begin = self._unread[: len(_START)]
            if len(self._unread) > _LONGEST_HEAD or not _START.startswith(begin):
                raise NotHttp
            self._more()
        head = self._unread[:end].decode("latin-1")
        del self._unread[: end + 4]
        first, *lines = head.split("\r\n")
        status, headers = _status(first), _headers(lines)
        if first.startswith("HTTP/1.0 "):
            headers["connection"] = "close"
        return status, headers

    def _body(self, headers: Mapping[str, str], limit: int) -> tuple[bool, bytes]:
        """Whether it says where it ends, and what it is."""
        coding = headers.get("transfer-encoding")
        if coding is not None:
            if coding.lower() != "chunked":
                raise NotHttp
            return True, self._chunks(limit)
        if "content-length" not in headers:
            return False, self._rest(limit)
        size = _number(headers["content-length"])
        if size > limit:
            raise TooMuch(size)
        return True, self._take(size)

    def _chunks(self, limit: int) -> bytes:
        body = bytearray()
        while True:
            digits = self._line(len(body)).partition(";")[0].strip()
            if not digits or len(digits) > _LONGEST_NUMBER or set(digits) - _HEXADECIMAL:
                raise NotHttp
            size = int(digits, 16)
            if not size:
                break
            if len(body) + size > limit:
                raise TooMuch
            body += self._take(size, len(body))
            if self._line(len(body)):
                raise NotHttp
        while self._line(len(body)):  # what may be said of it at its end
            pass
        return bytes(body)

    def _rest(self, limit: int) -> bytes:
        while len(self._unread) <= limit:
            try:
                self._more(len(self._unread))
            except EndedEarly:
                body = bytes(self._unread)
                self._unread.clear()
                return body
        raise TooMuch

    def _take(self, size: int, before: int = 0) -> bytes:
        while len(self._unread) < size:
            self._more(before + len(self._unread))
        with memoryview(self._unread) as whole:
            data = bytes(whole[:size])
        del self._unread[:size]
        return data

    def _line(self, before: int) -> str:
        while (end := self._unread.find(b"\r\n")) < 0:
            if len(self._unread) > _LONGEST_HEAD:
                raise NotHttp
            self._more(before)
        line = self._unread[:end].decode("latin-1")
        del self._unread[: end + 2]
        return line

    def _more(self, got: int = 0) -> None:
        """Read what is there. `got`: bytes of the body so far, for which there is more time."""
        if time.monotonic() > self._deadline + got / _SLOWEST:
            raise TimeoutError
        part = self._socket.recv(_CHUNK)
        if not part:
            raise EndedEarly
        self._unread += part


def _status(line: str) -> int:
    version, _, rest = line.partition(" ")
    digits = rest[:3]
    good = version in ("HTTP/1.0", "HTTP/1.1") and digits.isdecimal()
    if not good or len(digits) < 3 or rest[3:4] not in ("", " "):
        raise NotHttp
    return int(digits)


def _headers(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""
    for line in lines:
        if "\r" in line or "\n" in line or "\0" in line:
            raise NotHttp
        if name and line[0] in " \t":  # a line that goes on, as it was written until 2014
            found[name] += f" {line.strip()}"
            continue
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or not name or " " in name or "\t" in name:
            raise NotHttp
        value = value.strip(" \t")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _number(text: str) -> int:
    """A length, which a server may say twice."""
    said = {each.strip() for each in text.split(",")}
    digits = said.pop()
    good = digits.isdecimal() and len(digits) <= _LONGEST_NUMBER
    if said or not good:
        raise NotHttp
    return int(digits)
