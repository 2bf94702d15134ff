"""A web server for folders of repositories on 127.0.0.1, with what can go wrong.

Faults are set by path: `server.faults["/a/repodata/repomd.xml"] = Fault(status=503)`.
"""

from __future__ import annotations

import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Self

from indexes.double import Fault

if TYPE_CHECKING:
    import ssl
    from pathlib import Path
    from types import TracebackType

METALINK = """\
<?xml version="1.0" encoding="utf-8"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/" type="dynamic"
  xmlns:mm0="http://fedorahosted.org/mirrormanager">
 <files>
  <file name="repomd.xml">
   <size>1</size>
   <verification>
    <hash type="md5">00</hash>
    <hash type="sha256">{digest}</hash>
   </verification>
   <mm0:alternates>
    <mm0:alternate>
     <size>1</size>
     <verification><hash type="sha256">{older}</hash></verification>
    </mm0:alternate>
   </mm0:alternates>
   <resources maxconnections="1">
    <url protocol="rsync" type="rsync" preference="100">rsync://m.example/repodata/repomd.xml</url>
{urls}
   </resources>
  </file>
 </files>
</metalink>
"""


class Served:
    """A running server of the files below a folder. `asked` holds all paths that were asked for;
    `extra` are files that stand in no folder, by path."""

    def __init__(self, folder: Path, tls: ssl.SSLContext | None = None) -> None:
        self.folder = folder
        self.faults: dict[str, Fault] = {}
        self.asked: list[str] = []
        self.extra: dict[str, bytes] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "http" if tls is None else "https"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def file(self, pattern: str) -> str:
        """The path of the one file that a glob finds, as it is asked for."""
        (found,) = self.folder.glob(pattern)
        return f"/{found.relative_to(self.folder)}"

    def metalink(self, path: str, *mirrors: str, current: str = "", older: str = "") -> None:
        """Publish a metalink for these folders, best first. It promises the first one's repomd.xml,
        or what `current` and `older` say."""
        repomd = (self.folder / mirrors[0] / "repodata" / "repomd.xml").read_bytes()
        urls = "\n".join(
            f'    <url protocol="http" preference="{99 - at}">{self.url}/{mirror}/repodata/'
            f"repomd.xml</url>"
            for at, mirror in enumerate(mirrors)
        )
        digest = current or hashlib.sha256(repomd).hexdigest()
        text = METALINK.format(digest=digest, older=older or "0" * 64, urls=urls)
        self.extra[path] = text.encode()

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

    def answer(self, path: str) -> tuple[int, bytes]:
        if path in self.extra:
            return 200, self.extra[path]
        whole = self.folder / path.partition("?")[0].lstrip("/")
        return (200, whole.read_bytes()) if whole.is_file() else (404, b"not found\n")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.asked.append(self.path)
                fault = served.fault(self.path)
                status, body = served.answer(self.path)
                if fault.status:
                    status, body = fault.status, fault.body
                self.send_response(status)
                for name, value in fault.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: int(len(body) * fault.part)])

            def log_message(self, *_: object) -> None:
                """Say nothing on stderr."""

        return Handler

    def fault(self, path: str) -> Fault:
        """What goes wrong with this request, if anything; each fault as often as it says."""
        fault = self.faults.get(path, Fault())
        if path in self.faults:
            left = fault.times - 1
            if left > 0:
                self.faults[path] = Fault(fault.status, fault.part, fault.headers, fault.body, left)
            else:
                del self.faults[path]
        return fault
