"""What each stage stands on."""

from __future__ import annotations

import pytest

from conversions.subjects import subject, tables
from midstream.ubi.subject import Sibling
from midstream.ubi.survey import mapped, survey
from midstream.ubi.tables import ImageRule


@pytest.mark.parametrize(
    ("image", "manager"),
    [
        ("ubuntu:24.04", "dnf"),
        ("nvidia/cuda:13.0.1-devel-ubuntu22.04", "dnf"),
        ("registry.access.redhat.com/ubi9/ubi-minimal:9.8", "microdnf"),
        ("registry.access.redhat.com/ubi9/ubi-minimal@sha256:00", "microdnf"),
        ("pytorch/manylinux2_28-builder:cuda13.0", None),
        ("example.org/unknown:1", None),
        ("scratch", None),
    ],
)
def test_the_package_manager_follows_the_base(image: str, manager: str | None) -> None:
    assert survey(subject(f"FROM {image}\n"))[0].manager == manager


def test_the_base_is_found_through_the_lineage_and_through_arguments() -> None:
    text = "ARG B=ubuntu:24.04\nFROM ${B} AS a\nFROM a AS b\nFROM b\n"
    assert [footing.manager for footing in survey(subject(text)).values()] == ["dnf"] * 3


def test_a_kept_image_is_marked() -> None:
    footing = survey(subject("FROM pytorch/manylinux2_28-builder:cuda13.0\n"))[0]
    assert footing.kept
    assert footing.manager is None


def test_a_sibling_says_itself_what_it_is() -> None:
    ours = Sibling("base", "our/base:1", "microdnf", {}, frozenset(("git",)))
    footing = survey(subject("FROM our/base:1\n", siblings={"our/base:1": ours}))[0]
    assert (footing.manager, footing.sibling) == ("microdnf", True)
    assert footing.tools == {"git"}


def rule(match: str, to: str | None) -> ImageRule:
    place = tables("ubi9")[2].rules[0].place
    return ImageRule(match, to, "why", (), place)


def test_what_the_stars_matched_is_carried_over() -> None:
    row = rule("nvidia/cuda:*-ubuntu*", "nvidia/cuda:{1}-ubi9")
    assert mapped(row, "nvidia/cuda:${V}-devel-ubuntu22.04") == "nvidia/cuda:${V}-devel-ubi9"


def test_a_part_that_is_not_there_makes_no_image() -> None:
    assert mapped(rule("a:*", "b:{1}"), "${X}") is None
