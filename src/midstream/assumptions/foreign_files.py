"""Files taken out of a Debian image into one on UBI: `COPY --from=ubuntu:24.04 /usr/bin/x`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.assumptions.places import finding
from midstream.diagnostic import Rule
from midstream.ubi.survey import stages_on_ubi

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.graph import Arrow
    from midstream.ubi.subject import Subject

NAME = "foreign-files"

FROM_ELSEWHERE = Rule(
    "MS321",
    NAME,
    """\
**What it says.** A stage on UBI takes files out of an image that is no stage here, and that
`overlays/_shared/images.yaml` has another image for: it is a Debian image, or a like one.

**Why it matters.** A program from there was linked against that image's glibc and libraries. With a
newer glibc than the platform's it doesn't start, and nothing says so while the image is built.

**The way out.** Install the platform's package with an edit; or build the program in a stage that
stands on UBI. If the files hold no programs, waive the finding with that reason.
""",
)
RULES = (FROM_ELSEWHERE,)


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Each COPY --from and each mount of such an image, in every live stage on UBI."""
    for stage in stages_on_ubi(subject):
        for arrow in subject.graph.needs(stage.index)[1:]:
            if _is_debians(subject, arrow):
                yield finding(
                    subject, stage, FROM_ELSEWHERE, arrow.span,
                    f"files are taken out of `{arrow.image}`, which was built on another glibc",
                    f"install them on {subject.platform.name} with an edit, or waive MS321 with "
                    "the reason why they run there",
                )  # fmt: skip


def _is_debians(subject: Subject, arrow: Arrow) -> bool:
    image = arrow.image
    if image is None or image in subject.siblings:
        return False
    rule = subject.images.find(image)
    return rule is not None and rule.to is not None and subject.platform.base_for(image) is None
