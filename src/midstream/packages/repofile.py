"""A file of /etc/yum.repos.d, as vendors publish it: which repositories it enables."""

from __future__ import annotations

import configparser

from midstream.packages.xml import BadMetadata
from midstream.ubi.metadata import Metadata

_KINDS = ("metalink", "mirrorlist", "baseurl")
_OFF = frozenset(("0", "no", "false"))


def read_repofile(data: bytes, what: str, release: str) -> tuple[Metadata, ...]:
    """Raises `BadMetadata`, also where it enables none."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(data.decode())
    except (configparser.Error, UnicodeDecodeError):
        raise BadMetadata(f"{what} is no file of repositories") from None
    found = []
    for name in parser.sections():
        section = parser[name]
        kind = next((kind for kind in _KINDS if section.get(kind, "").strip()), None)
        if kind is None or section.get("enabled", "1").strip().lower() in _OFF:
            continue
        # A baseurl may list several; any of them will do.
        address = section[kind].split()[0].rstrip(",").replace("$releasever", release)
        found.append(Metadata(name, kind, address))
    if not found:
        raise BadMetadata(f"{what} enables no repository")
    return tuple(found)
