"""One connection to a server, as HTTP/1.1 has it: a request goes out, its whole answer comes back.

httptools reads the answers: it is Node's own parser, and holds servers to RFC 9112. The standard
library's client reads header lines with its parser of mail: to import that is a tenth of a short
run, and to use it is half of all that an exchange takes.
"""

from __future__ import annotations

import select
import socket
import time
from typing import TYPE_CHECKING

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from msgspec import Struct

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

_CHUNK = 1 << 16
_LONGEST_HEAD = 1 << 16  # bytes
_SLOWEST = 1 << 16  # bytes a second: at that pace it is a slow line, and not a server's trick


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

    def tunnel(self, authority: str, headers: Mapping[str, str]) -> None:
        """Have a proxy pass on all that follows. Raises `OSError` where it doesn't."""
        self._deadline = time.monotonic() + self._timeout
        self._send("CONNECT", authority, {"Host": authority, **headers}, None)
        answer = self._read("CONNECT", 0)
        if not 200 <= answer.status < 300:
            raise OSError(f"tunnel connection failed: {answer.status}")
        if answer.is_out_of_step:  # a server of TLS says nothing before it is asked
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
        found = self._read(method, limit)
        body = b"".join(found.body)
        return Answer(found.status, found.headers, body, ends=found.ends)

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

    def _read(self, method: str, limit: int) -> _Incoming:
        found = _Incoming(method, limit)
        while not found.is_complete:
            if time.monotonic() > self._deadline + found.size / _SLOWEST:
                raise TimeoutError
            part = self._socket.recv(_CHUNK)
            if not part:
                if found.is_until_the_end:
                    break
                raise EndedEarly
            found.feed(part)
        return found


class _Incoming:
    """An answer on its way. What httptools finds, it says by calling the `on_` methods."""

    def __init__(self, method: str, limit: int) -> None:
        self.method = method
        self.limit = limit
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []
        self.size = 0  # of the body, in bytes
        self.is_complete = False
        self.is_out_of_step = False
        self.ends = True
        self._has_head = False
        self._received = 0
        self._parser = HttpResponseParser(self)

    @property
    def is_until_the_end(self) -> bool:
        """Whether the end of the connection is the end of its body."""
        return self._has_head and not {"content-length", "transfer-encoding"} & self.headers.keys()

    def feed(self, part: bytes) -> None:
        """Take what came. Raises `NotHttp` and `TooMuch`."""
        self._received += len(part)
        try:
            self._parser.feed_data(part)
        except (HttpParserError, HttpParserUpgrade) as error:
            # An exception of ours comes back as what the parser failed of.
            if isinstance(error.__context__, NotHttp | TooMuch):
                raise error.__context__ from None
            if not self.is_complete:
                raise NotHttp from None
            self.is_out_of_step = True
        if self.is_complete:
            self.ends = self.ends or self.is_out_of_step
        elif self._received > self.size + _LONGEST_HEAD:
            raise NotHttp

    # --- what the parser calls ---

    def on_message_begin(self) -> None:
        """Another answer begins: the real one behind one for the time being, or one too many."""
        self.is_out_of_step = self.is_complete
        if not self.is_complete:
            self.headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._has_head:
            return  # what may be said of a body at its end
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        if self.is_complete:
            return
        self.status = self._parser.get_status_code()
        if self.status < 200:
            if self.status == 101:
                raise NotHttp
            return
        self._has_head = True
        self.ends = not self._parser.should_keep_alive() or self.is_until_the_end
        if self.method in ("HEAD", "CONNECT") or self.status in (204, 304):
            self.ends = not self._parser.should_keep_alive()
            self.is_complete = True
            return
        if self.headers.get("transfer-encoding", "chunked").lower() != "chunked":
            raise NotHttp
        size = int(self.headers.get("content-length", 0))
        if size > self.limit:
            raise TooMuch(size)

    def on_body(self, data: bytes) -> None:
        if self.is_complete:
            self.is_out_of_step = True
            return
        self.size += len(data)
        if self.size > self.limit:
            raise TooMuch
        self.body.append(data)

    def on_message_complete(self) -> None:
        self.is_complete = self._has_head
