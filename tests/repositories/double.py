"""A web server for folders of repositories on 127.0.0.1, with what can go wrong.

Faults are set by path: `server.faults["/a/repodata/repomd.xml"] = Fault(status=503)`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from serving import Files

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

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


class Served(Files):
    """A running server of the files below a folder. `extra` are files that stand in no folder, by
    path."""

    def __init__(self, folder: Path, tls: ssl.SSLContext | None = None) -> None:
        self.folder = folder
        self.extra: dict[str, bytes] = {}
        super().__init__(tls)

    @property
    def url(self) -> str:
        return self.root

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

    def answer(self, path: str) -> tuple[int, str, bytes]:
        if path in self.extra:
            return 200, "application/octet-stream", self.extra[path]
        whole = self.folder / path.partition("?")[0].lstrip("/")
        if whole.is_file():
            return 200, "application/octet-stream", whole.read_bytes()
        return 404, "text/plain", b"not found\n"
