"""A snapshot holds what every tag holds, and two of them show what changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.adapters.endpoint import Endpoint
from midstream.adapters.registry import Registry
from midstream.adapters.registry_errors import NotFound, TooManyRequests
from midstream.errors import UsageError
from midstream.promotion.attachments import Side
from midstream.promotion.snapshot import Difference, Snapshot, difference, parse, take
from registries import faults, images
from registries.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registries.debian import DebianRegistry
    from registries.double import Double

TAGS = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["sha256:1", "sha256:2"]))


@pytest.fixture
def side(double: Double) -> Iterator[Side]:
    with Registry(Endpoint("quay.io", double.address, plain=True)) as registry:
        yield Side(registry, "a/b")


def test_every_tag_is_read_and_hashed(double: Double, side: Side) -> None:
    double.page_size = 3
    made = [images.image(seed=number) for number in range(3)]
    for number, each in enumerate(made):
        double.load("a/b", each, f"v{number}", f"w{number}")
    found = take(side)
    assert found.repository == "quay.io/a/b"
    assert found.tags == {f"{k}{n}": made[n].digest for k in "vw" for n in range(3)}


@pytest.mark.registry
def test_the_real_registry_is_read(debian: DebianRegistry, repository: str) -> None:
    image = images.multi_arch()
    debian.site.push(repository, image, "v1", "v2")
    with Registry(Endpoint("quay.io", debian.address, plain=True)) as registry:
        assert take(Side(registry, repository)).tags == {"v1": image.digest, "v2": image.digest}


def test_a_tag_that_goes_while_we_read_is_left_out(double: Double, side: Side) -> None:
    double.load("a/b", images.image(), "v1", "v2")
    double.fails(Fault("GET", "/manifests/v1", faults.answers(404, "MANIFEST_UNKNOWN")))
    assert set(take(side).tags) == {"v2"}


def test_a_registry_that_is_busy_is_asked_again_after_its_pause(double: Double, side: Side) -> None:
    double.load("a/b", images.image(), "v1")
    pauses: list[float] = []
    double.fails(
        Fault("GET", "/manifests/", faults.slow_down(7), times=1),
        Fault("GET", "/manifests/", faults.slow_down(3600), times=1),
        Fault("GET", "/manifests/", faults.answers(503), times=2),
    )
    assert take(side, pause=pauses.append).tags == {"v1": images.image().digest}
    assert pauses == [7, 60, 2, 4]
    double.fails(Fault("GET", "/manifests/", faults.slow_down(1)))
    with pytest.raises(TooManyRequests):
        take(side, pause=pauses.append)
    assert len(pauses) == 8


def test_a_repository_that_is_not_there_has_no_snapshot(side: Side) -> None:
    with pytest.raises(NotFound):
        take(side)


@given(TAGS, TAGS)
def test_a_difference_leads_from_one_to_the_other(old: dict[str, str], new: dict[str, str]) -> None:
    found = difference(Snapshot("r", old), Snapshot("r", new))
    patched = {tag: digest for tag, digest in old.items() if tag not in found.removed}
    patched |= found.added
    patched |= {tag: digest for tag, (_, digest) in found.moved.items()}
    assert patched == new
    assert bool(found) is (old != new)
    assert all(before != after for before, after in found.moved.values())


@given(TAGS)
def test_a_snapshot_comes_back_from_its_json(tags: dict[str, str]) -> None:
    one = Snapshot("quay.io/a/b", tags)
    assert parse(json.dumps(one.as_json()).encode(), "x") == one
    assert list(one.as_json()["tags"]) == sorted(tags)


def test_a_difference_is_shown_in_order() -> None:
    found = Difference({"b": "2", "a": "1"}, {}, {"z": ("1", "2"), "y": ("3", "4")})
    assert json.dumps(found.as_json()) == (
        '{"added": {"a": "1", "b": "2"}, "removed": {}, "moved": '
        '{"y": {"from": "3", "to": "4"}, "z": {"from": "1", "to": "2"}}}'
    )


@pytest.mark.parametrize(
    "data",
    ["", "[]", "{}", '{"repository": 1, "tags": {}}', '{"repository": "r", "tags": {"a": 1}}'],
)
def test_what_is_no_snapshot_is_said(data: str) -> None:
    with pytest.raises(UsageError, match=r"`old\.json` is no snapshot"):
        parse(data.encode(), "old.json")
