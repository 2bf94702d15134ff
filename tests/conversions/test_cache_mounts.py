"""Cache mounts of a RUN that the overlay changes elsewhere."""

from __future__ import annotations

from conversions.subjects import subject
from midstream.conversions import cache_mounts
from midstream.edit import apply_edits
from midstream.source import Span

TEXT = """\
FROM ubuntu:22.04
RUN --mount=type=cache,target=/var/cache/apt --mount=type=cache,target=/var/lib/apt make all
"""


def test_an_edit_of_a_command_leaves_the_mounts_to_their_conversion() -> None:
    at = TEXT.index("make")
    edits = cache_mounts.convert(subject(TEXT, claimed=(Span(at, at + 4),))).edits
    assert apply_edits(TEXT, edits).endswith(
        "RUN --mount=type=cache,target=/var/cache/dnf make all\n"
    )


def test_a_mount_that_the_overlay_changes_is_its_own() -> None:
    at = TEXT.index("/var/lib/apt")
    edits = cache_mounts.convert(subject(TEXT, claimed=(Span(at, at + 12),))).edits
    assert "target=/var/lib/apt" in apply_edits(TEXT, edits)
