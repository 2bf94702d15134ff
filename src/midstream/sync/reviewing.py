"""One pull request for each branch: opened, kept up to date, and closed when it is moot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from midstream.errors import Exit, MidstreamError
from midstream.sync.describing import read_block
from midstream.sync.running import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from midstream.adapters.forge import Forge
    from midstream.sync.describing import Description
    from midstream.sync.running import Result

SUPERSEDED = "The base branch holds the same results by now, so there is nothing left to review."


class Reviewed(Struct, frozen=True):
    """What became of a target's pull request."""

    target: str
    did: str
    url: str = ""
    error: MidstreamError | None = None

    @property
    def exit(self) -> Exit:
        return Exit(self.error.exit_code) if self.error else Exit.OK


def review(
    forge: Forge,
    base: str,
    result: Result,
    is_moot: Callable[[Result], bool],
    describe: Callable[[Result], Description],
) -> Reviewed:
    """Bring the pull request of a target to what its branch holds now.

    `describe` may have to rebase; it is asked only where the open one speaks of another commit.
    """
    standing = result.standing
    if standing is None or result.outcome not in (Outcome.MOVED, Outcome.SAME):
        return Reviewed(result.target, "left as it is")
    try:
        tip = result.new or standing.tip
        open_one = forge.find(standing.branch, base)
        if tip is None or is_moot(result):
            if open_one is None:
                return Reviewed(result.target, "none is needed")
            forge.close(open_one, SUPERSEDED)
            return Reviewed(result.target, "closed", open_one.url)
        if open_one is not None and _speaks_of(open_one.body, tip):
            return Reviewed(result.target, "up to date", open_one.url)
        said = describe(result)
        if open_one is None:
            made = forge.open(standing.branch, base, said.title, said.body)
            return Reviewed(result.target, "opened", made.url)
        forge.update(open_one, said.title, said.body)
        return Reviewed(result.target, "updated", open_one.url)
    except MidstreamError as error:
        return Reviewed(result.target, "failed", error=error)


def _speaks_of(body: str, commit: str) -> bool:
    block = read_block(body)
    return block is not None and block.get("commit") == commit
