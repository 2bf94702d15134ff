"""The fixtures: `tests/conftest.py` gives them to every test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import urllib3

from indexes.double import IndexDouble

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[IndexDouble]:
    """An empty index that midstream is told to use; nobody waits between two tries."""
    monkeypatch.setattr(urllib3.Retry, "get_backoff_time", lambda _: 0.0)
    with IndexDouble() as running:
        monkeypatch.setenv("MIDSTREAM_INDEX_URL", running.url)
        yield running
