"""External images are named by digest, so that a build tomorrow is the build of today."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.diagnostic import Rule, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.checks.view import View
    from midstream.diagnostic import Diagnostic

NAME = "pinned-base"

UNPINNED = Rule(
    "MS354",
    NAME,
    """\
**What it says.** An external image is named by a tag, or by nothing, and not by its digest.

**Why it matters.** A tag is moved: two builds of one file are then two images.

**The way out.** Name the image with `@sha256:…` in overlays/_shared/images.yaml.

**Source.** hadolint DL3006 and DL3007 ask for a tag; a digest is what makes it stand.
""",
)
RULES = (UNPINNED,)


def check(view: View) -> Iterator[Diagnostic]:
    """Each external image once."""
    seen: set[str] = set()
    for arrow in view.subject.graph.arrows:
        image = arrow.image
        if image in (None, "scratch") or image in seen or arrow.stage not in view.subject.live:
            continue
        seen.add(image or "")
        if "@sha256:" not in (image or ""):
            stage = view.subject.dockerfile.stages[arrow.stage]
            yield view.finding(
                UNPINNED, arrow.span, f"`{image}` is named without a digest",
                "name it with @sha256:…, as `skopeo inspect --raw` and sha256sum give it",
                stage=stage, severity=Severity.WARNING,
            )  # fmt: skip
