"""A package index as PEP 503 and PEP 691 describe it, on a free port, in a thread.

Faults are set by path: `index.faults["/simple/demo/"] = Fault(status=503)`.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import io
import json
import tarfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType


def sdist(name: str, files: Mapping[str, bytes | str]) -> bytes:
    """A source archive: every path stands below one folder. The same files give the same bytes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        folder = tarfile.TarInfo(name)
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return gzip.compress(packed.getvalue(), mtime=0)


@dataclass
class Offered:
    """One file of a project's page. `sha256` is what the page promises; empty for no promise."""

    name: str
    data: bytes
    sha256: str
    yanked: bool = False
    time: str = "2026-01-02T03:04:05.678901Z"

    def as_json(self) -> dict[str, object]:
        return {
            "filename": self.name,
            "url": f"/files/{self.name}",
            "hashes": {"sha256": self.sha256} if self.sha256 else {},
            "size": len(self.data),
            "upload-time": self.time,
            "yanked": "it was wrong" if self.yanked else False,
        }

    def as_html(self) -> str:
        promise = f"#sha256={self.sha256}" if self.sha256 else ""
        yanked = ' data-yanked="it was wrong"' if self.yanked else ""
        name = html.escape(self.name)
        return f'<a href="/files/{name}{promise}"{yanked}>{name}</a><br>'


@dataclass(frozen=True)
class Fault:
    """`status` instead of an answer; or `part` of the bytes that were announced, then the end."""

    status: int = 0
    part: float = 1.0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"no\n"
    times: int = 1_000_000


class IndexDouble:
    """A running index. `asked` holds the paths of all requests so far."""

    def __init__(self, *, speaks: str = "json") -> None:
        self.speaks = speaks
        self.projects: dict[str, list[Offered]] = {}
        self.faults: dict[str, Fault] = {}
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/simple/"

    def offer(self, project: str, version: str, files: Mapping[str, bytes | str]) -> Offered:
        """Publish a source release, with its true digest."""
        data = sdist(f"{project}-{version}", files)
        return self.publish(project, f"{project}-{version}.tar.gz", data)

    def publish(self, project: str, name: str, data: bytes) -> Offered:
        offered = Offered(name, data, hashlib.sha256(data).hexdigest())
        page = self.projects.setdefault(project, [])
        page[:] = [each for each in page if each.name != name] + [offered]
        return offered

    def stop(self) -> None:
        """From now on connections are refused."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

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

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body of an honest answer."""
        folder, _, name = path.strip("/").partition("/")
        if folder == "simple" and name in self.projects:
            return (200, *self._page(name))
        for each in (each for page in self.projects.values() for each in page):
            if folder == "files" and each.name == name:
                return 200, "application/octet-stream", each.data
        return 404, "text/plain", b"not found\n"

    def _page(self, project: str) -> tuple[str, bytes]:
        offered = self.projects[project]
        if self.speaks == "json":
            page = {
                "meta": {"api-version": "1.1"},
                "name": project,
                "versions": [],
                "files": [each.as_json() for each in offered],
            }
            return "application/vnd.pypi.simple.v1+json", json.dumps(page).encode()
        if self.speaks == "html":
            links = "\n".join(each.as_html() for each in offered)
            return "text/html", f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
        return self.speaks, b"welcome to this network\n"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked.append(self.path)
                fault = index.fault(self.path)
                status, kind, body = index.answer(self.path)
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
