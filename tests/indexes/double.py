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
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serving import Files

if TYPE_CHECKING:
    from collections.abc import Mapping


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


class IndexDouble(Files):
    """A running index."""

    def __init__(self, *, speaks: str = "json") -> None:
        self.speaks = speaks
        self.projects: dict[str, list[Offered]] = {}
        super().__init__()

    @property
    def url(self) -> str:
        return f"{self.root}/simple/"

    def offer(self, project: str, version: str, files: Mapping[str, bytes | str]) -> Offered:
        """Publish a source release, with its true digest."""
        data = sdist(f"{project}-{version}", files)
        return self.publish(project, f"{project}-{version}.tar.gz", data)

    def publish(self, project: str, name: str, data: bytes) -> Offered:
        offered = Offered(name, data, hashlib.sha256(data).hexdigest())
        page = self.projects.setdefault(project, [])
        page[:] = [each for each in page if each.name != name] + [offered]
        return offered

    def answer(self, path: str) -> tuple[int, str, bytes]:
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
