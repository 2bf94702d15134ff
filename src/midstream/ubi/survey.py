"""What each stage stands on: the base image at the end of its lineage, and its package manager."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.ubi.subject import Footing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from midstream.dockerfile.graph import Arrow
    from midstream.dockerfile.model import Stage
    from midstream.ubi.subject import Subject
    from midstream.ubi.tables import ImageRule


NOTHING = Footing(None, None, frozenset())


def survey(subject: Subject) -> Mapping[int, Footing]:
    """The footing of every live stage, by the stage's index."""
    known = subject.footings
    for stage in subject.live_stages:
        if stage.index not in known:
            known[stage.index] = footing(subject, subject.graph.root(stage.index))
    return known


def stages_on_ubi(subject: Subject) -> Iterator[Stage]:
    """The live stages whose base has the platform's package manager."""
    footings = survey(subject)
    return (each for each in subject.live_stages if footings[each.index].manager is not None)


def footing(subject: Subject, root: Arrow) -> Footing:
    """What an external base, as upstream names it, becomes."""
    image = root.image
    if image is None or image == "scratch":
        return NOTHING
    sibling = subject.siblings.get(image)
    if sibling is not None:
        return Footing(image, sibling.manager, sibling.tools, sibling=True)
    base = subject.platform.base_for(image)
    if base is not None:
        return Footing(image, base.manager, base.tools)
    rule = subject.images.find(image)
    if rule is None:
        return Footing(image, None, frozenset())
    if rule.to is None:
        return Footing(image, None, frozenset(), kept=True)
    becomes = mapped(rule, image) or rule.to
    base = subject.platform.base_for(becomes)
    if base is None:
        return Footing(becomes, None, frozenset())
    return Footing(becomes, base.manager, base.tools)


def mapped(rule: ImageRule, image: str) -> str | None:
    """What a row makes of an image: `{1}`, `{2}` … stand for what the stars of its glob matched.

    `nvidia/cuda:*-ubuntu*` -> `nvidia/cuda:{1}-ubi9` makes `nvidia/cuda:13.0-ubi9` of
    `nvidia/cuda:13.0-ubuntu22.04`. None where `to` needs a part that `image` as written hasn't.
    """
    to = rule.to or image
    expression = "(.*?)".join(re.escape(part) for part in rule.match.split("*"))
    found = re.fullmatch(expression, image, re.DOTALL)
    for number, part in enumerate(found.groups() if found else (), start=1):
        to = to.replace(f"{{{number}}}", part)
    return None if re.search(r"\{\d\}", to) else to
