"""Upstream's image of a commit: there where upstream's own CI could build it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.adapters.endpoint import Endpoint
from midstream.adapters.skopeo import Image
from midstream.errors import MidstreamError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midstream.adapters.skopeo import Skopeo
    from midstream.upstream.git_source import GitSource

MOST = 60  # commits looked at: two days of vLLM's


class NoImage(MidstreamError):
    """No recent commit of upstream has an image."""


def newest_with_image(
    source: GitSource, ref: str, skopeo: Skopeo, endpoints: Mapping[str, Endpoint]
) -> str:
    """The newest commit of a branch whose image upstream published.

    Raises `NoImage`, and what skopeo says where the registry can't be asked: a registry that is
    down doesn't mean that there is no image.
    """
    repository = source.project.image
    if repository is None:
        raise UsageError(
            f"{source.project.source.name} doesn't say where upstream's images are",
            help="add `image: registry/repository`, which has one tag for each commit",
        )
    source.tip(ref)
    tip = source.history.tip(ref)
    for commit in source.history.recent(tip, MOST):
        if skopeo.inspect(image(f"{repository}:{commit}", endpoints)) is not None:
            return source.newest.commit(commit)
    raise NoImage(
        f"none of the newest {MOST} commits of {ref} has an image in `{repository}`",
        help="is upstream's CI still building? Without --with-image, its newest commit is followed",
    )


def image(text: str, endpoints: Mapping[str, Endpoint]) -> Image:
    """`registry/repository:tag`, and where that registry is served. Raises `UsageError`."""
    found = re.fullmatch(r"([a-z0-9.-]+(?::\d+)?)/([a-z0-9._/-]+):([\w][\w.-]{0,127})", text)
    if found is None or ("." not in found[1] and ":" not in found[1]):
        raise UsageError(f"`{text}` is no image with a registry and a tag")
    return Image(endpoints.get(found[1], Endpoint(found[1])), found[2], found[3])
