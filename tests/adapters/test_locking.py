from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from midstream.adapters.locking import AnotherRun, locked

if TYPE_CHECKING:
    from pathlib import Path


def test_a_lock_that_another_holds_is_not_waited_for_unless_one_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a" / "lock"

    def take(wait: float) -> bool:
        with locked(path, "renders", wait):
            return True

    with ThreadPoolExecutor(1) as pool:
        with locked(path, "renders"):
            with pytest.raises(AnotherRun, match="another run renders: it holds"):
                take(0)
            waiting = pool.submit(take, 60)
        assert waiting.result()
    assert take(0)
