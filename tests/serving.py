"""What the doubles of web servers share: a thread and a port, and faults by path."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from types import TracebackType


class Serving:
    """A server on 127.0.0.1, up inside `with`. Who is one says how a request is handled."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "http" if tls is None else "https"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        raise NotImplementedError

    @property
    def root(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """From now on connections are refused."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


class Quiet(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing on stderr."""


@dataclass(frozen=True)
class Fault:
    """`status` instead of an answer; or `part` of the bytes that were announced, then the end."""

    status: int = 0
    part: float = 1.0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"no\n"
    times: int = 1_000_000


class Files(Serving):
    """A server of files, with what can go wrong: `faults` by path. `asked` holds all paths that
    were asked for."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.faults: dict[str, Fault] = {}
        self.asked: list[str] = []
        super().__init__(tls)

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body of an honest answer."""
        raise NotImplementedError

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        served = self

        class Handler(Quiet):
            def do_GET(self) -> None:
                served.asked.append(self.path)
                fault = served.fault(self.path)
                status, kind, body = served.answer(self.path)
                if fault.status:
                    status, kind, body = fault.status, "text/plain", fault.body
                self.send_response(status)
                self.send_header("Content-Type", kind)
                for name, value in fault.headers.items():
                    self.send_header(name, value)
                if fault.headers.get("Connection") != "close":
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: int(len(body) * fault.part)])

        return Handler

    def fault(self, path: str) -> Fault:
        """What goes wrong with this request, if anything; each fault as often as it says."""
        fault = self.faults.get(path, Fault())
        if path in self.faults:
            if fault.times > 1:
                self.faults[path] = replace(fault, times=fault.times - 1)
            else:
                del self.faults[path]
        return fault
