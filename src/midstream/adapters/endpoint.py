"""Where a registry is served, and whom it is asked as."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.adapters.http import Url

if TYPE_CHECKING:
    from pathlib import Path


class Endpoint(Struct, frozen=True):
    """Where a registry is served. `host` is what people write; `address` is what is called.

    `plain` is http, and is never guessed. `ca` is then the only authority that is trusted.
    Logins are looked up by `address`, as skopeo does.
    """

    host: str
    address: str = ""
    plain: bool = False
    ca: Path | None = None
    authfile: Path | None = None

    @property
    def served_at(self) -> str:
        name = self.address or self.host
        return "registry-1.docker.io" if name == "docker.io" else name

    @property
    def url(self) -> Url:
        return Url.parse(f"{'http' if self.plain else 'https'}://{self.served_at}/v2/")
