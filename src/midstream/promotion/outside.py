"""What a promotion asks of the outside world, and the one that it really has."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol, Self

from midstream.adapters.endpoint import Endpoint
from midstream.adapters.registry import Registry
from midstream.promotion.attachments import Side

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from midstream.adapters.skopeo import Image, Skopeo
    from midstream.promotion.pace import Gates
    from midstream.promotion.reference import Reference, Repository


class Outside(Protocol):
    """Reads by the registry's client, copies by skopeo, and the pace that both keep."""

    @property
    def gates(self) -> Gates: ...

    def side(self, repository: Repository) -> Side:
        """A repository to read, and to write attachments to."""

    def copy(self, source: Reference, target: Reference, media_type: str, size: int) -> None:
        """Copy an image once. Neither its return nor its failure says what the target holds."""


class Registries:
    """Every registry under the name that people write; `endpoints` says where some really are.

    `skopeo` makes what copies, when there is something to copy.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        gates: Gates,
        skopeo: Callable[[], Skopeo] | None = None,
    ) -> None:
        self.gates = gates
        self._make_skopeo = skopeo
        self._skopeo: Skopeo | None = None
        self._endpoints = dict(endpoints)
        self._registries: dict[str, Registry] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for registry in self._registries.values():
            registry.close()
        if self._skopeo is not None:
            self._skopeo.close()

    @property
    def skopeo(self) -> Skopeo:
        with self._lock:
            if self._skopeo is None:
                from midstream.adapters.skopeo import Skopeo

                self._skopeo = self._make_skopeo() if self._make_skopeo else Skopeo()
            return self._skopeo

    @property
    def skopeo_used(self) -> str:
        """The version that has copied; empty where nothing was copied."""
        return self._skopeo.version_used if self._skopeo else ""

    def endpoint(self, host: str) -> Endpoint:
        return self._endpoints.get(host) or Endpoint(host)

    def registry(self, host: str) -> Registry:
        with self._lock:
            if host not in self._registries:
                around = self.gates.around(host)
                self._registries[host] = Registry(self.endpoint(host), around=around)
            return self._registries[host]

    def side(self, repository: Repository) -> Side:
        return Side(self.registry(repository.host), repository.path)

    def copy(self, source: Reference, target: Reference, media_type: str, size: int) -> None:
        with self.gates.turns((source.repository.host, target.repository.host)):
            self.skopeo.copy(self._image(source), self._image(target), media_type, size=size)

    def _image(self, reference: Reference) -> Image:
        from midstream.adapters.skopeo import Image

        host, path = reference.repository.host, reference.repository.path
        return Image(self.endpoint(host), path, reference.name)
