"""Metadata files that were fetched once: the last of each kind, for each repository."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.adapters import files
from midstream.packages.repomd import proves

if TYPE_CHECKING:
    from pathlib import Path

    from midstream.packages.repomd import DataFile


class Cache(Struct, frozen=True):
    """The files of one repository, in a folder of its own."""

    folder: Path

    @classmethod
    def of(cls, folder: Path, address: str) -> Cache:
        """That of the repository at an address, below a folder for all of them."""
        return cls(folder / hashlib.sha256(address.encode()).hexdigest()[:16])

    def get(self, kind: str, file: DataFile) -> bytes | None:
        """What was promised; None where it isn't there, is damaged, or can't be read."""
        path = self._path(kind, file)
        if not (file.digest.isalnum() and files.exists(path)):
            return None
        try:
            data = files.read(path)
        except files.CannotRead:  # another run has just put a newer one in its place
            return None
        return data if proves(file, data) else None

    def put(self, kind: str, file: DataFile, data: bytes) -> None:
        """Keep a file that was proved, and none that was there of its kind: a repository is
        published anew every day, and nobody asks for yesterday's. Raises `CannotWrite`."""
        path = self._path(kind, file)
        older = [each for each in self.folder.glob(f"{kind}-*") if each != path]
        files.write(path, data)
        for each in older:
            with suppress(OSError):
                each.unlink()

    def _path(self, kind: str, file: DataFile) -> Path:
        return self.folder / f"{kind}-{file.algorithm}-{file.digest}"
