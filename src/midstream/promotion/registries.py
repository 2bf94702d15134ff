"""`--registries FILE`: where a registry really is, for whoever stands in for it or hides it.

    quay.io: {address: "127.0.0.1:5000", plain: true, ca: ca.crt, authfile: auth.json}

Plans and records keep the name on the left. Everything else that is read or written goes to the
address; what the file doesn't name is reached under its own name, over TLS.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from midstream import configuration
from midstream.adapters.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midstream.configuration import Node, Record
    from midstream.source import Source

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?")


def read(source: Source, folder: Path) -> Mapping[str, Endpoint]:
    """By the name that people write. Paths in the file are seen from `folder`."""
    root, mistakes = configuration.load(source)
    found = {}
    for key, node in root.entries():
        host = _host(key)
        record = node.record(optional=("address", "plain", "ca", "authfile"))
        address = record.get("address")
        found[host] = Endpoint(
            host,
            _host(address) if address else "",
            plain=record.flag("plain"),
            ca=_path(record, "ca", folder),
            authfile=_path(record, "authfile", folder),
        )
        if record.flag("plain") and "ca" in record:
            node.wrong("`plain: true` has no TLS, so there is nothing for a `ca` to vouch for")
    mistakes.raise_if_any()
    return found


def _host(node: Node) -> str:
    text = node.text()
    if not _HOST.fullmatch(text):
        node.wrong(f"`{text}` is no registry", help="a name, or a name and a port: quay.io:443")
    return text


def _path(record: Record, key: str, folder: Path) -> Path | None:
    node = record.get(key)
    if node is None:
        return None
    path = folder / Path(node.text()).expanduser()
    if not path.is_file():
        node.wrong(f"there is no file `{path}`")
    return path
