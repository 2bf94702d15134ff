from __future__ import annotations

import pytest
from msgspec.structs import replace

from assumptions.looking import VENV, on_ubi, told, view
from midstream.checks.virtual_environment import check

HERE = "ENV VIRTUAL_ENV=/opt/app"
PATH = "ENV PATH=/opt/app/bin:$PATH"


def messages(*lines: str) -> list[str]:
    seen = view(on_ubi(*lines))
    seen = replace(seen, subject=replace(seen.subject, python=VENV))
    return [each.message for each in check(seen)]


@pytest.mark.parametrize(
    "lines",
    [
        (HERE, PATH),
        (PATH,),
        ("ENV VIRTUAL_ENV=/opt/app/", "ENV PATH=${VIRTUAL_ENV}bin:/opt/app/bin"),
        ("ENV VIRTUAL_ENV=/else", HERE, PATH),
    ],
)
def test_the_overlays_environment_in_the_image_is_right(lines: tuple[str, ...]) -> None:
    assert messages(*lines) == []


def test_an_environment_that_upstream_moved_is_found() -> None:
    assert messages("ENV VIRTUAL_ENV=/opt/env", PATH) == [
        "the image's virtual environment is `/opt/env`, and the overlay's `/opt/app`"
    ]


@pytest.mark.parametrize("lines", [(HERE,), (HERE, PATH, "ENV PATH=/usr/bin"), ()])
def test_an_environment_that_is_not_on_path_is_found(lines: tuple[str, ...]) -> None:
    assert messages(*lines) == ["`/opt/app/bin` isn't on the image's PATH"]


def test_with_the_systems_layout_there_is_nothing_to_be_in() -> None:
    assert told(check(view(on_ubi("ENV VIRTUAL_ENV=/opt/env")))) == []
