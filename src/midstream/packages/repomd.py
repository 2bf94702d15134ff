"""repomd.xml, which lists a repository's metadata files, and what leads to it from a mirror list.

The formats are createrepo_c's, and that of the metalinks which Fedora's MirrorManager gives.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.packages.xml import BadMetadata, walk

if TYPE_CHECKING:
    from collections.abc import Mapping

_SAFE = ("sha256", "sha384", "sha512")  # what proves a file; MD5 and SHA-1 are passed over
_HREF = re.compile(r"(?!/)(?!.*(?:^|/)\.\.(?:/|$))[\w./+~=@%,-]+")  # a path below the repository


class DataFile(Struct, frozen=True):
    """One metadata file: where it is from the repository's root, and the digest it must have."""

    href: str
    algorithm: str
    digest: str
    size: int | None  # in bytes, as it is sent


class Repomd(Struct, frozen=True):
    """What a repomd.xml says. `digest` is its own SHA-256."""

    digest: str
    revision: str
    files: Mapping[str, DataFile]


def read_repomd(data: bytes, what: str) -> Repomd:
    """Raises `BadMetadata`."""
    revision = ""
    files: dict[str, DataFile] = {}
    found: dict[str, str] = {}
    is_repomd = False

    def element(kind: str, attributes: dict[str, str], text: str) -> None:
        nonlocal revision, found, is_repomd
        if kind == "revision":
            revision = text
        elif kind == "checksum":
            found |= {"algorithm": attributes.get("type", ""), "digest": text.lower()}
        elif kind == "location":
            found["href"] = attributes.get("href", "")
        elif kind == "size":
            found["size"] = text
        elif kind == "data":
            files[attributes.get("type", "")] = _data_file(found, what)
            found = {}
        is_repomd = kind == "repomd"

    walk(data, what, element)
    if not is_repomd:
        raise BadMetadata(f"{what} is no repomd.xml")
    return Repomd(hashlib.sha256(data).hexdigest(), revision, files)


def _data_file(found: dict[str, str], what: str) -> DataFile:
    href, algorithm = found.get("href", ""), found.get("algorithm", "")
    if not _HREF.fullmatch(href):
        raise BadMetadata(f"{what} names a file outside of the repository: `{href}`")
    size = found.get("size", "")
    return DataFile(href, algorithm, found.get("digest", ""), int(size) if size.isdigit() else None)


def proves(file: DataFile, data: bytes) -> bool:
    """Whether a file is the one that repomd.xml promised. Never, by a digest that isn't safe."""
    return file.algorithm in _SAFE and hashlib.new(file.algorithm, data).hexdigest() == file.digest


class Metalink(Struct, frozen=True):
    """Mirrors of a repomd.xml, best first, and the digests that it may have, by algorithm.

    A mirror may be some hours behind: the digests of the last versions count as well.
    """

    addresses: tuple[str, ...]
    digests: frozenset[tuple[str, str]]

    def proves(self, data: bytes) -> bool:
        return any((name, hashlib.new(name, data).hexdigest()) in self.digests for name in _SAFE)


def read_metalink(data: bytes, what: str) -> Metalink:
    """Raises `BadMetadata`, also where it has no mirror or no digest that proves anything."""
    found: list[tuple[int, int, str]] = []
    digests: set[tuple[str, str]] = set()

    def element(kind: str, attributes: dict[str, str], text: str) -> None:
        if kind == "hash" and attributes.get("type") in _SAFE:
            digests.add((attributes["type"], text.lower()))
        elif kind == "url" and text.endswith("/repodata/repomd.xml"):
            rank = attributes.get("preference", "0")
            is_open = text.startswith("http://")
            if is_open or text.startswith("https://"):
                found.append((is_open, -int(rank) if rank.isdigit() else 0, text))

    walk(data, what, element)
    if not (found and digests):
        raise BadMetadata(f"{what} names no mirror with the digest of what is there")
    addresses = [text.removesuffix("repodata/repomd.xml") for _, _, text in sorted(found)]
    return Metalink(tuple(addresses), frozenset(digests))


def read_mirror_list(data: bytes, what: str) -> tuple[str, ...]:
    """A text with one address on a line. Raises `BadMetadata` where there is none."""
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines()]
    found = tuple(each for each in lines if re.match(r"https?://\S+\Z", each))
    if not found:
        raise BadMetadata(f"{what} names no mirror")
    return found
