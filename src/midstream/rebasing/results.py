"""The files that a rebase makes, and what somebody changed in those that stand there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from midstream.adapters.blobs import digest_of
from midstream.diagnostic import Diagnostic, Rule, Severity
from midstream.history import decisions
from midstream.rebasing.building import outputs
from midstream.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from midstream.rebasing.flow import Rebased

EDITED = Rule(
    "MS263",
    "edited-result",
    """\
**What it says.** A result isn't as midstream wrote it: somebody edited it by hand. The hash of what
was written stands in the `.build.json` beside it.

**Why it matters.** The next rebase would write over the edit, and what it was for would be lost
without a word. Until then, an image that is built from it isn't what was proved.

**The way out.** `midstream absorb --target T --why …` makes edits of the overlay of it. Or write
the change as an edit under `overlays/T/` yourself, and take the file away (or put it back:
`git checkout -- FILE`); then rebase.
""",
)
RULES = (EDITED,)


def results(rebased: Rebased) -> dict[str, bytes]:
    """Every file of a target by its path in the tree, the result first; without the lock."""
    name = rebased.result.name
    first, *ours = outputs(rebased.result, rebased.overlay.target, rebased.files).items()
    return dict((
        first,
        (f"{name}.ledger.json", rebased.ledger.as_bytes()),
        (_plan(name), rebased.plan.as_bytes()),
        *ours,
    ))  # fmt: skip


def edited_by_hand(rebased: Rebased, read: Callable[[str], bytes | None]) -> Iterator[Diagnostic]:
    """Results that aren't as midstream wrote them, and that this rebase would write over.

    `read` gives what stands at a path of the tree; None for nothing.
    """
    texts = outputs(rebased.result, rebased.overlay.target, rebased.files)
    written = last_written(rebased, read)
    for path, data in texts.items():
        there = read(path)
        if there is not None and there != data and digest_of(there) != written.get(path):
            yield _edited(rebased.overlay.target, Source.from_bytes(path, there), data)


def last_written(rebased: Rebased, read: Callable[[str], bytes | None]) -> Mapping[str, str]:
    """The hashes of what was last written, by path; a lock has that of the result alone."""
    name = rebased.result.name
    known = _content(read(_plan(name))).get("results")
    if isinstance(known, dict):
        return known
    lock = _content(read(f"{rebased.overlay.folder}/{decisions.NAME}"))
    return {name: f"sha256:{lock.get('result')}"}


def _content(data: bytes | None) -> Mapping[str, Any]:
    """What a JSON file says; nothing where it can't be read, since a rebase makes it anew."""
    try:
        found = json.loads(data or b"")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _edited(target: str, there: Source, fresh: bytes) -> Diagnostic:
    """The finding, at the first line that the rebase would make another one."""
    ours = Source.from_bytes(there.name, fresh)
    line = next(
        (n for n in range(1, there.line_count)
         if n >= ours.line_count or there.line(n) != ours.line(n)),
        there.line_count,
    )  # fmt: skip
    start = there.offset(line)
    return Diagnostic(
        rule=EDITED,
        severity=Severity.ERROR,
        message="this isn't as midstream wrote it, and a rebase would write over it",
        source=there,
        span=Span(start, start + len(there.line(line))),
        help=f"make edits of the overlay of it: midstream absorb --target {target} --why …\n"
        f"or take it away, and rebase: rm {there.name}",
    )


def _plan(name: str) -> str:
    return f"{name}.build.json"
