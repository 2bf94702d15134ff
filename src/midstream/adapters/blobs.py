"""A cache of files by their git blob id, each proved whenever it is read."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.adapters import files
from midstream.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class WrongBytes(IntegrityError):
    """What the cache holds under an id isn't what the id stands for."""


def blob_id(data: bytes) -> str:
    """The id that git gives a file (`git hash-object`)."""
    # git's ids are SHA-1 by definition; the archive they came in was proved by SHA-256.
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def digest_of(data: bytes) -> str:
    """A hash as registries, build plans and labels write it: `sha256:…`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Blobs(Struct, frozen=True):
    """Files under a folder, named by their id."""

    folder: Path

    def put(self, data: bytes) -> str:
        """Keep a file; its id. Raises `CannotWrite`."""
        name = blob_id(data)
        path = self._path(name)
        if not files.exists(path):
            files.write(path, data)
        return name

    def get(self, name: str) -> bytes:
        """Raises `WrongBytes`, and `CannotRead` where the file isn't there."""
        path = self._path(name)
        data = files.read(path)
        if blob_id(data) != name:
            raise WrongBytes(
                f"the cached bytes of {name} are not what that id stands for",
                help=f"remove the damaged file, and run again: rm '{path}'",
            )
        return data

    def missing(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(name for name in names if not files.exists(self._path(name)))

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / name[2:]
