"""`promotion.yaml` and the registries file: what they say, and every mistake at its line."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from midstream.configuration import ConfigurationError
from midstream.overlay.load import load_overlay
from midstream.promotion import policy, registries
from midstream.promotion.plan import Kind
from midstream.promotion.policy import NoValue, Policy, Profile
from midstream.promotion.reference import InvalidReference
from midstream.source import Source
from overlay.trees import HEAD, app

if TYPE_CHECKING:
    from pathlib import Path

    from midstream.overlay.model import Overlay

WHOLE = """\
registries:
  quay.io: {in-flight: 4, per-second: 5}
defaults:
  max-age: 30d
  labels: {refuse: [quay.expires-after], require: [version]}
images:
  rocm:
    source: {repository: quay.io/vllm/staging, tag: "rocm-{commit}", expires: 14d}
    repository: quay.io/vllm/vllm-rocm
    platforms: [linux/amd64, linux/arm64]
    profile: redhat
    labels: {require: {org.example.commit: "{commit}"}, refuse: [draft]}
    attachments: [application/vnd.in-toto+json]
    tags:
      unique: "{version}-{commit:12}"
      release: ["{version}"]
      floating: ["{minor}", latest]
  tpu:
    source: {repository: quay.io/vllm/staging, tag: "tpu-{commit}"}
    repository: quay.io/vllm/vllm-tpu
    platforms: linux/amd64
    max-age: 36h
    attachments: none
    tags: {unique: "{version}-{commit:12}"}
groups:
  release: [rocm, tpu]
"""


def nobody(target: str) -> Overlay:
    raise AssertionError(f"asked for the overlay of {target}")


def read(text: str) -> Policy:
    return policy.read(Source("overlays/promotion.yaml", text), nobody)


def mistakes(text: str) -> list[str]:
    source = Source("promotion.yaml", text)
    with pytest.raises(ConfigurationError) as caught:
        policy.read(source, nobody)
    return [
        f"{source.position(each.span.start).line}: {each.message}"
        for each in caught.value.diagnostics
    ]


def test_a_whole_policy_is_read() -> None:
    found = read(WHOLE)
    rocm, tpu = found.images["rocm"], found.images["tpu"]
    assert str(rocm.destination) == "quay.io/vllm/vllm-rocm"
    assert str(rocm.origin.repository) == "quay.io/vllm/staging"
    assert rocm.origin.expires == timedelta(days=14)
    assert rocm.platforms == ("linux/amd64", "linux/arm64")
    assert [each.text for each in rocm.tags[Kind.FLOATING]] == ["{minor}", "latest"]
    assert set(rocm.labels.require) == {"version", "org.example.commit"}
    assert rocm.labels.refuse == ("quay.expires-after", "draft")
    assert (rocm.profile, tpu.profile) == (Profile.REDHAT, Profile.COMMUNITY)
    assert (rocm.max_age, tpu.max_age) == (timedelta(days=30), timedelta(hours=36))
    assert rocm.attachments == ("application/vnd.in-toto+json",)
    assert tpu.attachments is None
    assert found.registries["quay.io"].in_flight == 4
    assert found.group_of("tpu").images == ("rocm", "tpu")


def test_an_image_without_a_group_has_one_of_its_own() -> None:
    found = read(WHOLE.replace("release: [rocm, tpu]", "release: [rocm]"))
    assert found.group_of("tpu").images == ("tpu",)


def test_a_template_is_filled_in_and_a_plus_becomes_an_underscore() -> None:
    unique = read(WHOLE).images["rocm"].tags[Kind.UNIQUE][0]
    values = {"version": "0.33.0+rocm", "commit": "4f1c0e" + "0" * 34}
    assert unique.tag(values) == "0.33.0_rocm-4f1c0e000000"
    with pytest.raises(InvalidReference, match="130 characters"):
        unique.tag(values | {"version": "x" * 117})


def test_a_missing_value_is_shown_where_it_is_wanted() -> None:
    unique = read(WHOLE).images["rocm"].tags[Kind.UNIQUE][0]
    with pytest.raises(NoValue, match="no value for") as caught:
        unique.tag({"version": "1"})
    [found] = caught.value.diagnostics
    assert found.source.position(found.span.start).line == 15


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("tag: ", "tga: ", ["8: unknown key `tga`"]),
        ("max-age: 30d", "max-age: soon", ["4: `soon` is no age"]),
        ("36h", "1w", ["22: `1w` is no age"]),
        ("linux/arm64", "arm64", ["10: `arm64` is no platform"]),
        ("profile: redhat", "profile: strict", ["11: there is no profile `strict`"]),
        (
            "quay.io/vllm/vllm-rocm",
            "vllm-rocm",
            [
                "9: `vllm-rocm` is no image reference: it does not begin with a registry, like "
                "`quay.io/`"
            ],
        ),
        (
            "repository: quay.io/vllm/vllm-tpu",
            "repository: docker://quay.io/x",
            [
                "20: `docker://quay.io/x` is no image reference: it begins with the transport "
                "`docker:`; leave that out"
            ],
        ),
        ("latest]", "'{minor}']", ["17: `{minor}` stands here twice"]),
        ("latest]", "'{minor']", ["17: `{minor` is no template"]),
        (
            "latest]",
            "'-{minor}']",
            [
                "17: `-0` is no tag: letters, digits, `_`, `.` and `-`, and no `.` or `-` at its "
                "start"
            ],
        ),
        (
            'unique: "{version}-{commit:12}"\n',
            "release: x\n",
            ["16: `release` stands here twice", "15: there is no `unique` tag: some registries"],
        ),
        ("[rocm, tpu]", "[rocm, cpu]", ["26: there is no image `cpu`"]),
        ("[rocm, tpu]", "[rocm, tpu]\n  more: tpu", ["27: `tpu` is in the group `release`, too"]),
        ("in-flight: 4", "in-flight: 0", ["2: `in-flight` is at least 1"]),
        ("attachments: none", "attachments: some", ["23: expected `all`, `none`, or a list"]),
        ("  tpu:\n", "  TPU:\n", ["18: an image's name is lower case", "26: there is no image"]),
        ("labels: {refuse", "labels: {refuses", ["5: unknown key `refuses`"]),
    ],
    ids=[f"mistake {number}" for number in range(17)],
)
def test_a_mistake_is_shown_at_its_line(old: str, new: str, expected: list[str]) -> None:
    assert old in WHOLE
    found = mistakes(WHOLE.replace(old, new, 1))
    assert len(found) == len(expected)
    for each, wanted in zip(sorted(found), sorted(expected), strict=True):
        assert each.startswith(wanted)


def test_all_mistakes_are_shown_at_once() -> None:
    found = mistakes(WHOLE.replace("30d", "x").replace("36h", "y").replace("arm64", "/"))
    assert len(found) == 3


def test_what_an_image_leaves_out_is_its_overlays() -> None:
    overlay = HEAD.replace("{stage: final}", "{stage: final, platforms: [linux/s390x]}")
    tree = app(
        "promote: {repository: quay.io/vllm/app, tags: {unique: '{commit}', floating: [next]}}\n"
    )
    tree.files["overlays/app/overlay.yaml"] = tree.files["overlays/app/overlay.yaml"].replace(
        HEAD.encode(), overlay.encode()
    )
    text = "images: {app: {target: app, source: {repository: quay.io/vllm/staging}}}"
    found = policy.read(
        Source("promotion.yaml", text), lambda target: load_overlay(tree, target, "2.1")
    )
    image = found.images["app"]
    assert str(image.destination) == "quay.io/vllm/app"
    assert image.platforms == ("linux/s390x",)
    assert [each.text for each in image.tags[Kind.FLOATING]] == ["next"]


def test_an_overlay_that_is_not_there_is_a_mistake_at_the_target() -> None:
    text = "images:\n  app:\n    target: app\n    source: {repository: quay.io/a}\n"
    source = Source("promotion.yaml", text)
    with pytest.raises(ConfigurationError) as caught:
        policy.read(source, lambda target: load_overlay(app(), f"no-{target}", None))
    [first, *_] = caught.value.diagnostics
    assert source.position(first.span.start).line == 3
    assert "no overlay for `no-app`" in first.message


def test_the_registries_file_maps_a_name_to_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("")
    text = "quay.io: {address: '127.0.0.1:5000', ca: ca.crt}\nlocalhost:1: {plain: true}\n"
    found = registries.read(Source("registries.yaml", text), tmp_path)
    assert found["quay.io"].served_at == "127.0.0.1:5000"
    assert found["quay.io"].ca == tmp_path / "ca.crt"
    assert found["localhost:1"].plain


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quay.io: {ca: nowhere}", "there is no file"),
        ("quay.io: {adress: x}", "unknown key `adress`"),
        ("https://quay.io: {}", "is no registry"),
        ("quay.io: {address: 'http://x'}", "is no registry"),
        ("quay.io: {plain: true, ca: ca.crt}", "nothing for a `ca` to vouch for"),
        ("quay.io: {plain: yes}", "expected true or false"),
    ],
)
def test_a_mistake_in_the_registries_file_is_shown(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "ca.crt").write_text("")
    with pytest.raises(ConfigurationError) as caught:
        registries.read(Source("registries.yaml", text), tmp_path)
    assert message in caught.value.diagnostics[0].message
