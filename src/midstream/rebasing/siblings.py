"""What an image of ours brings to the targets that are built on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.assumptions.duplicate_user import users_at_end
from midstream.assumptions.missing_tool import tools_at_end
from midstream.errors import UsageError
from midstream.overlay.fragments import OVERLAYS
from midstream.ubi.subject import Sibling
from midstream.ubi.survey import survey

if TYPE_CHECKING:
    from midstream.checks.view import View
    from midstream.overlay.model import Overlay
    from midstream.upstream.origin import Origin


def as_sibling(overlay: Overlay, origin: Origin, view: View | None) -> Sibling:
    """A proved result as others see it: `view` is None where nothing ships."""
    image = image_of(overlay, origin) if overlay.promote is not None else ""
    if view is None:
        return Sibling(overlay.target, image, "dnf", {})
    subject, index = view.subject, view.ship.index
    root = survey(subject)[index]
    return Sibling(
        target=overlay.target,
        image=image,
        manager=root.manager or "dnf",
        environment=dict(subject.graph.scope.environment(index)),
        tools=tools_at_end(subject, index),
        users=users_at_end(subject, index),
        repositories=_set_up_in(view),
    )


def _set_up_in(view: View) -> frozenset[str]:
    """The repositories whose set-up stands in the result."""
    text = view.subject.dockerfile.source.text
    return frozenset(
        each.name
        for each in view.subject.platform.repositories.values()
        if any(command and command in text for command in each.set_up.values())
    )


def image_of(overlay: Overlay, origin: Origin) -> str:
    """The reference under which a target's image is found: its repository, with the release.

    Raises `UsageError` where the overlay doesn't say where it goes.
    """
    if overlay.promote is None:
        raise UsageError(
            f"{OVERLAYS}/{overlay.target} doesn't say where its image goes",
            help=f"add `promote: {{repository: …}}` to {overlay.source.name}",
        )
    tag = (origin.release or "latest").replace("+", "_")
    return f"{overlay.promote.repository}:{tag}"
