"""A floating tag that would go back: `latest` from 0.34.0 to a late fix of 0.33."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.adapters.http import BadReply
from midstream.adapters.registry_errors import NotFound
from midstream.diagnostic import Rule
from midstream.promotion import image
from midstream.promotion.plan import Action, Finding, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packaging.version import Version

    from midstream.promotion.attachments import Side
    from midstream.promotion.image import Image
    from midstream.promotion.plan import TagPlan

# The plain label `version` is often that of the base image, inherited.
_VERSIONS = {
    "io.midstream.upstream": re.compile(r"[^@#]*@(?P<version>[^#]+)"),
    "org.opencontainers.image.version": re.compile(r"(?P<version>.+)"),
}


def findings(new: Image, tags: Iterable[TagPlan], destination: Side) -> Iterator[Finding]:
    """By the versions that both images say they have, and where those don't tell, by their age.

    What can't be read any more, or says neither, holds nobody up.
    """
    seen: dict[str, Image | None] = {}
    for each in tags:
        if each.kind is not Kind.FLOATING or each.action is not Action.MOVE or not each.there:
            continue
        if each.there not in seen:
            seen[each.there] = _read(destination, each.there)
        held = seen[each.there]
        why = _is_newer(held, new) if held else ""
        if why:
            yield Finding.of(
                GOES_BACK,
                f"`{destination}:{each.tag}` holds {why}",
                f"leave `{each.tag}` out of its floating tags; "
                f"or say why: `--allow {GOES_BACK.code}=REASON`",
            )


def _read(side: Side, digest: str) -> Image | None:
    try:
        return image.read(side, digest)
    except (NotFound, BadReply):
        return None


def _is_newer(held: Image, new: Image) -> str:
    """What it is that is newer there; nothing where it isn't."""
    for label in _VERSIONS:
        there, ours = _version(held, label), _version(new, label)
        if there and ours and there != ours:
            return f"{there}, and {ours} is older" if there > ours else ""
    if held.created and new.created and held.created > new.created:
        was, now = held.created.date(), new.created.date()
        if was == now:
            return f"an image that was built later on {now}"
        return f"an image built {was}, and this one was built {now}"
    return ""


def _version(found: Image, label: str) -> Version | None:
    """What all of its platforms say alike, where it is a version by Python's rules."""
    from packaging.version import InvalidVersion, Version

    values = {part.labels.get(label, "") for part in found.parts}
    said = _VERSIONS[label].match(values.pop()) if len(values) == 1 else None
    try:
        return Version(said["version"]) if said else None
    except InvalidVersion:
        return None


GOES_BACK = Rule(
    "MS430",
    "goes-back",
    """\
A floating tag holds a newer image than the one that would be given to it.

**Why it matters.** Whoever pulls `latest` would get an older release than yesterday, and everything
would say that it went well.

**Example.** 0.33.1 fixes an old line after 0.34.0 came out, and its policy has `latest` among the
floating tags.

**Way out.** A group of its own for the old line, whose floating tags are `{minor}` alone. To go
back on purpose, `midstream promote rollback` knows what a tag held before; or say why:
`--allow MS430="0.34.0 is broken"`.

What counts is upstream's release in the label `io.midstream.upstream`, then the label
`org.opencontainers.image.version`. Where both images have the same, or one has none, it is the time
at which they were built.
""",
)
RULES = (GOES_BACK,)
