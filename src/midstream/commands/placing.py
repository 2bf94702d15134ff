"""Where the files of a rebase go, and what stands there."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.adapters import files
from midstream.commands import workspace as at
from midstream.history import decisions
from midstream.rebasing.results import edited_by_hand, results
from midstream.source import Source

if TYPE_CHECKING:
    from midstream.cli import Workspace
    from midstream.diagnostic import Diagnostic
    from midstream.history.decisions import Decisions
    from midstream.rebasing.flow import Rebased


class Place(Struct, frozen=True):
    """Where results go: below the tree's root, or into a folder of the person's choice."""

    workspace: Workspace
    out: Path | None
    keeps_lock: bool

    def of(self, rebased: Rebased) -> Path:
        """The path of a result."""
        name = Path(rebased.result.name)
        return self.out / name.name if self.out else self.workspace.root / name

    def edited(self, rebased: Rebased) -> list[Diagnostic]:
        """What somebody changed by hand in the results that stand there."""
        return (
            list(edited_by_hand(rebased, partial(self.read, rebased))) if rebased.is_proved else []
        )

    def read(self, rebased: Rebased, path: str) -> bytes | None:
        """What stands where the file of this path goes; a lock stands in the tree."""
        top = f"{rebased.result.name.rpartition('/')[0]}/"
        if path.startswith(top):
            return files.Tree(self.of(rebased).parent).read(path.removeprefix(top))
        return at.tree(self.workspace).read(path) if self.keeps_lock else None

    def outputs(self, rebased: Rebased) -> dict[Path, bytes]:
        """Every file of a target, the result first."""
        top = self.of(rebased).parent
        within = len(rebased.result.name.rpartition("/")[0]) + 1
        found = {top / path[within:]: data for path, data in results(rebased).items()}
        if self.keeps_lock:
            path = f"{rebased.overlay.folder}/{decisions.NAME}"
            lock = rebased.decisions.continuing(_known(self.workspace, path))
            found[self.workspace.root / path] = lock.as_bytes()
        return found


def _known(workspace: Workspace, path: str) -> Decisions | None:
    data = at.tree(workspace).read(path)
    return decisions.read_decisions(Source.from_bytes(path, data)) if data is not None else None
