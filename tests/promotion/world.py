"""A promotion's surroundings in tests: registries behind logical names, and a policy."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from midstream.adapters.endpoint import Endpoint
from midstream.adapters.skopeo import Skopeo
from midstream.promotion import planning, policy
from midstream.promotion.outside import Registries
from midstream.promotion.pace import Gates, Patience
from midstream.promotion.planning import Order
from midstream.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from midstream.overlay.model import Overlay
    from midstream.promotion.plan import Plan
    from midstream.promotion.policy import Policy

NOW = datetime(2026, 1, 10, tzinfo=UTC)
QUICK = Patience(attempts=3, first=0.01, longest=0.05, deadline=20)
VALUES = {"version": "0.33.0", "minor": "0.33", "commit": "4f1c0e" + "ab" * 17}

POLICY = """\
defaults: {profile: none}
images:
  rocm:
    source: {repository: staging.example/ci/rocm, tag: "{commit}"}
    repository: quay.io/vllm/vllm-rocm
    tags:
      unique: "{version}-{commit:12}"
      release: "{version}"
      floating: ["{minor}", latest]
"""
UNIQUE = f"0.33.0-{VALUES['commit'][:12]}"


def read_policy(text: str = POLICY) -> Policy:
    def nobody(target: str) -> Overlay:
        raise AssertionError(f"asked for the overlay of {target}")

    return policy.read(Source("overlays/promotion.yaml", text), nobody)


@dataclass
class World:
    """`staging.example` and `quay.io`, wherever they are in this test."""

    source: str
    target: str
    policy: str = POLICY
    ca: Path | None = None
    authfile: Path | None = None
    patience: Patience = QUICK
    stop: threading.Event = field(default_factory=threading.Event)
    retries: list[str] = field(default_factory=list)

    def endpoints(self) -> dict[str, Endpoint]:
        plain = self.ca is None
        return {
            "staging.example": Endpoint("staging.example", self.source, plain=True),
            "quay.io": Endpoint(
                "quay.io", self.target, plain=plain, ca=self.ca, authfile=self.authfile
            ),
        }

    @contextmanager
    def outside(self, skopeo: Skopeo | None = None) -> Iterator[Registries]:
        gates = Gates(
            read_policy(self.policy).registries,
            patience=self.patience,
            stop=self.stop,
            on_retry=lambda _host, error, _pause: self.retries.append(error.message),
        )
        copier = skopeo or Skopeo(timeout=20)
        with Registries(self.endpoints(), gates, lambda: copier) as outside:
            yield outside

    def order(self, *names: str, values: Mapping[str, str] = VALUES, **options: Any) -> Order:
        read = read_policy(self.policy)
        options.setdefault("now", NOW)
        return Order(read, names or tuple(read.images), values, **options)

    def plan(self, *names: str, **options: Any) -> Plan:
        with self.outside() as outside:
            return planning.make(self.order(*names, **options), outside)
