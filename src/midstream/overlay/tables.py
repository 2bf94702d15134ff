"""The tables of an overlay tree, read once for each platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from midstream.errors import UsageError
from midstream.overlay.fragments import OVERLAYS
from midstream.source import Source
from midstream.ubi.tables import (
    ImageTable,
    PackageTable,
    Platform,
    read_images,
    read_packages,
    read_pins,
    read_platform,
    read_repositories,
)

if TYPE_CHECKING:
    from midstream.overlay.fragments import Folder

SHARED = f"{OVERLAYS}/_shared"
PINS = f"{OVERLAYS}/images.lock.json"


class Tables(Struct, frozen=True):
    platform: Platform
    packages: PackageTable
    images: ImageTable


def load_tables(folder: Folder, platform: str) -> Tables:
    """The tables under `overlays/_shared`, for a platform.

    Raises `ConfigurationError`, and `UsageError` where a file or the platform is missing.
    """
    repositories = read_repositories(_read(folder, f"{SHARED}/repositories.yaml"))
    known = [name.removesuffix(".yaml") for name in folder.names(f"{SHARED}/platforms")]
    if platform not in known:
        raise UsageError(f"no platform `{platform}`", help=f"known: {', '.join(known) or 'none'}")
    return Tables(
        read_platform(_read(folder, f"{SHARED}/platforms/{platform}.yaml"), repositories),
        read_packages(_read(folder, f"{SHARED}/packages.yaml"), platform, repositories),
        replace(
            read_images(_read(folder, f"{SHARED}/images.yaml"), platform), pins=load_pins(folder)
        ),
    )


def load_pins(folder: Folder) -> dict[str, str]:
    """The digests of base images; none where nobody pinned any. Raises `ConfigurationError`."""
    data = folder.read(PINS)
    return {} if data is None else read_pins(Source.from_bytes(PINS, data))


def _read(folder: Folder, path: str) -> Source:
    data = folder.read(path)
    if data is None:
        raise UsageError(
            f"there is no {path}", help="run midstream in the root of an overlay tree, or --root"
        )
    return Source.from_bytes(path, data)
