"""vLLM's real Dockerfiles: those for UBI raise no alarm, and the others' known traps are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from assumptions.looking import VENV, look
from conversions.subjects import subject
from midstream.assumptions import shelf
from midstream.assumptions.shelf import check_all
from midstream.conversions.shelf import convert_all
from midstream.edit import apply_edits
from midstream.source import Source

if TYPE_CHECKING:
    from midstream.ubi.subject import Subject
    from releases import Releases


def read(releases: Releases, version: str, path: str) -> Subject:
    files = releases.files(version)
    scripts = {name: Source(name, d.decode()) for name, d in files.items() if name.endswith(".sh")}
    return replace(subject(files[path].decode()), context=scripts)


@pytest.mark.releases
@pytest.mark.parametrize("version", ["0.33.0", "0.32.0"])
@pytest.mark.parametrize("target", ["ppc64le", "s390x"])
def test_upstreams_own_images_on_ubi_raise_no_alarm(
    releases: Releases, version: str, target: str
) -> None:
    seen = read(releases, version, f"docker/Dockerfile.{target}")
    assert [f"{each.rule.code} {each.message}" for each in check_all(seen)] == []
    assert shelf.convert_all(seen).edits == ()


@pytest.mark.releases
def test_the_traps_of_the_rocm_image_are_found(releases: Releases) -> None:
    seen = read(releases, "0.33.0", "docker/Dockerfile.rocm")
    found = {each.rule.code for each in check_all(seen)}
    assert {"MS300", "MS304", "MS305"} <= found


@pytest.mark.releases
def test_the_cuda_image_is_settled_after_one_conversion(releases: Releases) -> None:
    before = replace(read(releases, "0.33.0", "docker/Dockerfile"), python=VENV)
    mechanical = convert_all(before)
    edits = (*mechanical.edits, *shelf.convert_all(before).beside(mechanical).edits)
    after = look(apply_edits(before.dockerfile.source.text, edits), python=VENV)
    assert shelf.convert_all(after).edits == ()
    assert convert_all(after).edits == ()
    found = tuple(check_all(replace(after, context=before.context)))
    assert {each.rule.code for each in found} == {"MS302", "MS305", "MS309", "MS318"}
    # What is left of the flag stands in a script, which an overlay changes.
    assert all("install_triton" in each.message for each in found if each.rule.code == "MS302")
