"""An HTTP exchange as two values, and a server that hands each request to a function."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    import ssl

    from registries.faults import Fault

WRITES = frozenset({"PUT", "POST", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    def query(self, name: str) -> str | None:
        values = self.queries(name)
        return values[0] if values else None

    def queries(self, name: str) -> list[str]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True).get(name, [])

    def header(self, name: str) -> str:
        """All values as one: skopeo sends a header `Accept` for each type."""
        return ", ".join(value for key, value in self.headers if key.lower() == name.lower())


@dataclass(frozen=True, slots=True)
class Response:
    """`cut`: after so many bytes of the body the connection is reset."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    cut: int | None = None

    def having(self, **changes: Any) -> Response:
        return replace(self, **changes)


NO_REPLY = Response(0)

Answer = Callable[[Request], Response]


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the log keeps: the request, the status that was sent, and the fault, if one hit."""

    request: Request
    status: int
    fault: str | None
    at: float

    def __str__(self) -> str:
        request = f"{self.request.method} {self.request.target} -> {self.status}"
        return f"{request} ({self.fault})" if self.fault else request


class Server:
    """Serves `origin` on a free port of 127.0.0.1; `faults` come between, the first that fits."""

    def __init__(self, origin: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.origin = origin
        self.faults: list[Fault] = []
        self.log: list[Exchange] = []
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._http = _Quiet(("127.0.0.1", 0), _Handler)
        self._http.answers = self
        self._tls = tls
        if tls:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._http.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.address}"

    def fails(self, *faults: Fault) -> None:
        """From now on these go wrong; without any, nothing does."""
        with self._lock:
            self.faults = list(faults)

    @property
    def writes(self) -> list[Exchange]:
        return [each for each in self.log if each.request.method in WRITES]

    def requests(self, method: str, part: str = "") -> list[Exchange]:
        return [
            each
            for each in self.log
            if each.request.method == method and part in each.request.target
        ]

    def answer(self, request: Request) -> Response:
        with self._lock:
            fault = next((each for each in self.faults if each.hits(request)), None)
        response = fault.do(request, self.origin) if fault else self.origin(request)
        name = fault.name if fault else None
        with self._lock:
            self.log.append(Exchange(request, response.status, name, time.monotonic()))
        return response


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    answers: Server

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what tests are about, and nothing to print."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Quiet

    def answer(self) -> None:
        request = Request(
            self.command, self.path, tuple(self.headers.items()), _body(self.headers, self.rfile)
        )
        response = self.server.answers.answer(request)
        if response.status == 0:
            self._reset()
            return
        self._send(response)

    def _send(self, response: Response) -> None:
        lines = [f"HTTP/1.1 {response.status} {self.responses.get(response.status, ('',))[0]}"]
        headers = {"Date": self.date_time_string(), **response.headers}
        headers.setdefault("Content-Length", str(len(response.body)))
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        body = b"" if self.command == "HEAD" else response.body
        with suppress(OSError):
            self.wfile.write(head + (body if response.cut is None else body[: response.cut]))
        if response.cut is not None:
            self._reset()

    def _reset(self) -> None:
        """Close so that the other side sees `connection reset by peer`, as a dying server does."""
        self.close_connection = True
        with suppress(OSError):
            self.wfile.flush()
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def log_message(self, *_: object) -> None:
        """The log is a list, for asserting."""


for _method in ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"):
    setattr(_Handler, f"do_{_method}", _Handler.answer)


def _body(headers: Any, stream: Any) -> bytes:
    if "chunked" in headers.get("Transfer-Encoding", "").lower():
        return b"".join(_chunks(stream))
    return bytes(stream.read(int(headers.get("Content-Length") or 0)))


def _chunks(stream: Any) -> list[bytes]:
    parts: list[bytes] = []
    while size := int(stream.readline().split(b";")[0] or b"0", 16):
        parts.append(stream.read(size))
        stream.readline()
    while stream.readline().strip():  # trailers
        pass
    return parts
