from __future__ import annotations

import bz2
import gzip
import lzma
import sys
from typing import TYPE_CHECKING

import pytest

from midstream.packages.opening import pieces
from midstream.packages.xml import BadMetadata

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = b"<metadata/>\n" * 100_000
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
    "bzip2": bz2.compress,
}


def opened(data: bytes, limit: int = 1 << 30) -> bytes:
    return b"".join(pieces(data, "`x`", limit))


@pytest.mark.parametrize("name", COMPRESS)
def test_each_compression_is_opened_in_pieces(name: str) -> None:
    found = list(pieces(COMPRESS[name](TEXT), "`x`", 1 << 30))
    assert b"".join(found) == TEXT
    assert max(map(len, found)) <= 1 << 18


@pytest.mark.parametrize("name", COMPRESS)
def test_streams_behind_each_other_are_one_file(name: str) -> None:
    data = COMPRESS[name](b"one ") + COMPRESS[name](b"two")
    assert opened(data) == b"one two"


@pytest.mark.parametrize("name", COMPRESS)
def test_what_is_cut_off_is_said(name: str) -> None:
    whole = COMPRESS[name](TEXT)
    for cut in (whole[: len(whole) // 2], whole[:-1]):
        with pytest.raises(BadMetadata, match="`x` is cut off"):
            opened(cut)


@pytest.mark.parametrize("name", COMPRESS)
def test_what_is_broken_is_said(name: str) -> None:
    whole = bytearray(COMPRESS[name](TEXT))
    whole[len(whole) // 2] ^= 0xFF
    with pytest.raises(BadMetadata, match=r"`x` (can't be decompressed|is cut off)"):
        opened(bytes(whole))


@pytest.mark.parametrize("name", COMPRESS)
def test_a_few_bytes_that_hold_gigabytes_end_at_the_limit(name: str) -> None:
    bomb = COMPRESS[name](bytes(1 << 24))
    with pytest.raises(BadMetadata, match="`x` holds more than 1 MiB"):
        opened(bomb, 1 << 20)


def test_what_is_not_compressed_comes_as_it_is() -> None:
    assert opened(b"") == b""
    assert opened(TEXT) == TEXT


def test_memory_that_a_file_asks_for_has_an_end() -> None:
    large, fast = zstd.CompressionParameter.window_log, zstd.CompressionParameter.strategy
    options: dict[int, int] = {large: 30, fast: 1}
    compressor = zstd.ZstdCompressor(options=options)
    data = compressor.compress(bytes(1 << 20)) + compressor.flush()
    with pytest.raises(BadMetadata, match="`x` can't be decompressed"):
        opened(data)
