"""All conversions, in the order in which their findings are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.conversions import apt_to_dnf, base_image, cache_mounts, debconf
from midstream.ubi.outcome import Outcome

if TYPE_CHECKING:
    from midstream.ubi.subject import Subject

CONVERSIONS = (base_image, apt_to_dnf, cache_mounts, debconf)


def convert_all(subject: Subject) -> Outcome:
    """What every conversion has to say about a Dockerfile."""
    return Outcome.merged(conversion.convert(subject) for conversion in CONVERSIONS)
