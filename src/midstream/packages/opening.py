"""Compressed metadata, opened piece by piece: gzip, xz, zstd, bzip2, or as it is."""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from typing import TYPE_CHECKING, Protocol

from midstream.packages.xml import BadMetadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PIECE = 1 << 18  # bytes that come out at a time
_MEMORY = 1 << 28  # bytes that xz may take
_WINDOW = 27  # zstd's window, as a power of two: what `zstd` itself takes without being told


class _Opener(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def pieces(data: bytes, what: str, limit: int) -> Iterator[bytes]:
    """What a file holds. Raises `BadMetadata` where it is cut off, broken, or over `limit` bytes.

    What it is compressed with is known by its first bytes: names of files say what they like.
    """
    size = 0
    for piece in _opened(data, what):
        size += len(piece)
        if size > limit:
            raise BadMetadata(f"{what} holds more than {limit >> 20} MiB")
        yield piece


def _opened(data: bytes, what: str) -> Iterator[bytes]:
    make = next((make for magic, make in _MAGIC.items() if data.startswith(magic)), None)
    if make is None:
        yield from (data[at : at + _PIECE] for at in range(0, len(data), _PIECE))
        return
    while data:  # several streams may stand behind each other
        opener = make()
        try:
            while not opener.eof:
                piece = opener.decompress(data, _PIECE)
                data = b""
                if not piece and opener.needs_input and not opener.eof:
                    raise BadMetadata(f"{what} is cut off")
                yield piece
        except (OSError, EOFError, zlib.error, lzma.LZMAError, _zstd_error()) as error:
            raise BadMetadata(f"{what} can't be decompressed: {error}") from None
        data = opener.unused_data


class _Gzip:
    """zlib's object with the names that the other modules have."""

    def __init__(self) -> None:
        self._object = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def needs_input(self) -> bool:
        return not self._object.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._object.decompress(data or self._object.unconsumed_tail, max_length)


def _xz() -> _Opener:
    return lzma.LZMADecompressor(memlimit=_MEMORY)


def _zstd() -> _Opener:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _WINDOW}
    return zstd.ZstdDecompressor(options=options)


def _zstd_error() -> type[Exception]:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.ZstdError


_MAGIC: dict[bytes, Callable[[], _Opener]] = {
    b"\x1f\x8b": _Gzip,
    b"\xfd7zXZ\x00": _xz,
    b"\x28\xb5\x2f\xfd": _zstd,
    b"BZh": bz2.BZ2Decompressor,
}
