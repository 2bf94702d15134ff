"""The files that a rebase makes: the result, its ledger, its build plan, and what goes beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from midstream.rebasing.flow import Rebased


def results(rebased: Rebased) -> dict[str, bytes]:
    """Every file of a target by its path in the tree, the result first; without the lock."""
    name = rebased.result.name
    folder = f"{name.rpartition('/')[0]}/{rebased.overlay.target}.files"
    found = {
        name: rebased.result.data,
        f"{name}.ledger.json": rebased.ledger.as_bytes(),
        f"{name}.build.json": rebased.plan.as_bytes(),
    }
    for inner, text in rebased.files.items():
        found[f"{folder}/{inner}"] = text.encode("utf-8", "surrogateescape")
    return found
