"""Reading and writing files: whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.errors import Exit, MidstreamError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


class CannotRead(UsageError):
    """A file is missing, or may not be read."""


class CannotWrite(MidstreamError):
    """The disk is full, or the folder may not be written to. The old file is as it was."""

    exit_code = Exit.OUTSIDE


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CannotRead(f"can't read `{path}`: {_reason(error)}") from None


def exists(path: Path) -> bool:
    """Whether there is something that may be looked at; `Path.exists` fails where it may not."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def write(path: Path, data: bytes) -> None:
    """Replace a file whole: a reader sees the old bytes or the new ones, never a half.

    Keeps the mode of a file that is there. Raises `CannotWrite`, and leaves nothing behind.
    """
    write_all({path: data})


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Replace several files, each whole: where one has no room, none of them is replaced.

    Raises `CannotWrite`, and leaves nothing behind.
    """
    scratches: dict[Path, Path] = {}
    path = Path()
    try:
        for path, data in contents.items():
            scratches[path] = _scratch(path)
            _fill(scratches[path], data, path)
        for path in contents:
            scratches[path].replace(path)
            del scratches[path]
    except OSError as error:
        raise CannotWrite(
            f"can't write `{path}`: {_reason(error)}", help="the old file, if any, is unchanged"
        ) from None
    finally:
        for scratch in scratches.values():
            with suppress(OSError):
                scratch.unlink()


def _scratch(path: Path) -> Path:
    """An empty file beside another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    # What `tempfile` does, without the 5 ms that importing it takes.
    os.close(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return scratch


def _fill(scratch: Path, data: bytes, path: Path) -> None:
    """Write it down to the disk, with the mode that the file at `path` has or would get."""
    mode = path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~_umask()
    with scratch.open("wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())


def make_folder(path: Path) -> None:
    """Make a folder, and those above it. Raises `CannotWrite`."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"can't make `{path}`: {_reason(error)}") from None


class Tree(Struct, frozen=True):
    """The files below a folder, by paths with `/` between their parts."""

    root: Path

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where there is none. Raises `CannotRead`."""
        whole = self.root / path
        try:
            return read(whole) if whole.is_file() else None
        except OSError as error:
            raise CannotRead(f"can't read `{whole}`: {_reason(error)}") from None

    def names(self, folder: str) -> tuple[str, ...]:
        """The names in a folder, sorted; none where there is no such folder.

        Raises `CannotRead`.
        """
        whole = self.root / folder
        try:
            return tuple(sorted(each.name for each in whole.iterdir())) if whole.is_dir() else ()
        except OSError as error:
            raise CannotRead(f"can't read `{whole}`: {_reason(error)}") from None


def cache_root() -> Path:
    """`$XDG_CACHE_HOME/midstream`, by the XDG base directory specification."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    # The specification says to ignore a path that isn't absolute.
    base = Path(home) if home.startswith("/") else Path.home() / ".cache"
    return base / "midstream"


def state_root() -> Path:
    """`$XDG_STATE_HOME/midstream`: what is kept from run to run, and can't be fetched again."""
    home = os.environ.get("XDG_STATE_HOME", "")
    base = Path(home) if home.startswith("/") else Path.home() / ".local" / "state"
    return base / "midstream"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
