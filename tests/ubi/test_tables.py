"""The tables under `overlays/_shared`: what they say, and what is refused."""

from __future__ import annotations

import pytest

from conversions.subjects import shared, tables
from midstream.configuration import ConfigurationError
from midstream.source import Source
from midstream.ubi.tables import (
    PackageTable,
    Repository,
    read_images,
    read_packages,
    read_platform,
    read_repositories,
    without_tag,
)

REPOSITORIES = read_repositories(Source("repositories.yaml", "epel: {title: EPEL}\n"))


def packages(text: str, platform: str = "ubi9") -> PackageTable:
    return read_packages(Source("packages.yaml", text), platform, REPOSITORIES)


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        packages(text)
    return [f"{d.rule.code} {d.message}" for d in raised.value.diagnostics]


def test_a_row_gives_the_rpms_and_where_they_come_from() -> None:
    row = packages("build-essential: {rpm: gcc make}\nccache: {rpm: ccache, from: epel}\n").rows
    assert row["build-essential"].rpms == ("gcc", "make")
    assert row["build-essential"].repository == "ubi"
    assert row["ccache"].repository == "epel"


def test_a_row_may_differ_on_ubi_10() -> None:
    text = "xxd: {rpm: vim-common, rpm10: xxd, from10: epel}\n"
    assert packages(text).rows["xxd"].rpms == ("vim-common",)
    newer = packages(text, "ubi10").rows["xxd"]
    assert (newer.rpms, newer.repository) == (("xxd",), "epel")


def test_a_dropped_package_has_no_rpms_and_the_reason_as_its_note() -> None:
    row = packages("curl: {drop: it is there already}\n").rows["curl"]
    assert (row.rpms, row.note) == ((), "it is there already")


def test_names_with_variables_are_found_whatever_the_variable_is_called() -> None:
    table = packages('"python${PYTHON_VERSION}-dev": {rpm: "python${PYTHON_VERSION}-devel"}\n')
    row = table.find("python$V-dev")
    assert row is not None
    assert table.rpms_for(row, "python$V-dev") == ("python$V-devel",)


def test_a_name_is_not_found_by_a_row_with_a_variable_in_another_place() -> None:
    table = packages('"cuda-${V}-dev": {rpm: "cuda-${V}-devel"}\n')
    assert table.find("cuda-dev-${V}") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {rpm: b, drop: why}\n", "MS570 `drop` and `rpm` exclude each other"),
        ("a: {note: none}\n", "MS570 give the row `rpm:`, or `drop:` with the reason"),
        ("a: {rpm: b, from: nowhere}\n", "MS570 no repository is called `nowhere`"),
    ],
)
def test_a_contradiction_is_refused_at_its_row(text: str, message: str) -> None:
    assert mistakes(text) == [message]


def test_a_typo_and_a_duplicate_are_refused() -> None:
    assert len(mistakes("a: {rpmm: b}\n")) >= 1
    assert len(mistakes("a: {rpm: b}\na: {rpm: c}\n")) >= 1


def test_near_names_are_offered() -> None:
    assert packages("libssl-dev: {rpm: openssl-devel}\n").near("libsl-dev") == ("libssl-dev",)


@pytest.mark.parametrize("platform", ["ubi9", "ubi10"])
def test_the_delivered_tables_can_be_read(platform: str) -> None:
    table, package_rows, images = tables(platform)
    assert table.name == platform
    assert len(package_rows.rows) > 150
    assert images.rules
    assert table.python in table.pythons


@pytest.mark.parametrize("platform", ["ubi9", "ubi10"])
def test_every_package_comes_from_a_repository_that_somebody_carries(platform: str) -> None:
    table, package_rows, _ = tables(platform)
    carried = {"ubi", *(name for r in table.repositories.values() for name in r.provides)}
    assert {row.repository for row in package_rows.rows.values()} <= carried


@pytest.mark.parametrize("platform", ["ubi9", "ubi10"])
def test_what_sets_a_repository_up_is_filled_in_and_names_its_own_release(platform: str) -> None:
    table, _, _ = tables(platform)
    other = "10" if table.release == "9" else "9"
    for repository in table.repositories.values():
        for command in repository.set_up.values():
            assert "{release}" not in command
            assert f"rhel{other}" not in command
            assert f"{other}-stream" not in command
            assert "gpgcheck=0" not in command


def test_a_repository_stands_for_what_its_globs_name() -> None:
    ours = Repository("x", "X", {}, ("x",), (), ("ppa:team/*", "https://example.org/apt*"))
    assert ours.replaces("ppa:team/tools")
    assert ours.replaces("https://example.org/apt/jammy")
    assert not ours.replaces("https://example.com/apt")


def test_a_platform_may_have_another_set_up_on_ubi_10() -> None:
    text = "x: {title: X, set_up: {dnf: nine}, set_up10: {dnf: 'ten {release}'}}\n"
    repositories = read_repositories(Source("repositories.yaml", text))
    nine = read_platform(shared("platforms/ubi9.yaml"), repositories)
    ten = read_platform(shared("platforms/ubi10.yaml"), repositories)
    assert nine.repositories["x"].set_up == {"dnf": "nine"}
    assert ten.repositories["x"].set_up == {"dnf": "ten 10"}


def test_metadata_is_where_the_release_and_the_architecture_say() -> None:
    text = (
        "x:\n  title: X\n"
        "  metadata: {a: {baseurl: 'https://x/{release}/$basearch', basearch: {aarch64: sbsa}}}\n"
        "  metadata10: {b: {metalink: 'https://y/{release}', arches: [x86_64]}}\n"
    )
    repositories = read_repositories(Source("repositories.yaml", text))
    (nine,) = repositories["x"].on("9").metadata
    (ten,) = repositories["x"].on("10").metadata
    assert (nine.at("aarch64"), nine.at("s390x")) == ("https://x/9/sbsa", "https://x/9/s390x")
    assert (ten.id, ten.kind, ten.at("x86_64"), ten.arches) == (
        "b", "metalink", "https://y/10", ("x86_64",),
    )  # fmt: skip


@pytest.mark.parametrize("platform", ["ubi9", "ubi10"])
def test_every_delivered_repository_that_is_set_up_can_be_read(platform: str) -> None:
    repositories = read_repositories(shared("repositories.yaml"))
    known = read_platform(shared(f"platforms/{platform}.yaml"), repositories)
    read = {name for name, each in known.repositories.items() if each.metadata}
    assert read == {"ubi", *(name for name, each in known.repositories.items() if each.set_up)}
    addresses = [part.at("x86_64") for name in read for part in known.repositories[name].metadata]
    assert not any("{" in each or "$" in each for each in addresses)
    assert all(each.startswith("https://") for each in addresses)


def test_an_image_is_kept_or_replaced_and_not_both() -> None:
    text = "- {match: a, to: b, keep: true, why: both}\n"
    with pytest.raises(ConfigurationError):
        read_images(Source("images.yaml", text), "ubi9")


def test_an_image_with_two_rows_is_refused() -> None:
    text = "- {match: a, to: b, why: one}\n- {match: a, to: c, why: two}\n"
    with pytest.raises(ConfigurationError) as raised:
        read_images(Source("images.yaml", text), "ubi9")
    assert [d.rule.code for d in raised.value.diagnostics] == ["MS571"]


@pytest.mark.parametrize(
    ("image", "bare"),
    [
        ("ubuntu:24.04", "ubuntu"),
        ("registry.example.org:5000/a/b", "registry.example.org:5000/a/b"),
        ("registry.example.org:5000/a/b:1@sha256:00", "registry.example.org:5000/a/b"),
    ],
)
def test_tag_and_digest_come_off_and_a_port_stays(image: str, bare: str) -> None:
    assert without_tag(image) == bare


@pytest.mark.parametrize("platform", ["ubi9", "ubi10"])
def test_every_image_that_a_base_becomes_is_described(platform: str) -> None:
    known = read_platform(
        shared(f"platforms/{platform}.yaml"), read_repositories(shared("repositories.yaml"))
    )
    rules = read_images(shared("images.yaml"), platform).rules
    becomes = [rule.to.replace("{1}", "13.0") for rule in rules if rule.to]
    assert becomes
    assert [image for image in becomes if known.base_for(image) is None] == []
