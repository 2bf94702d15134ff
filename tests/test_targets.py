"""Every target, at the releases that it is said to serve, through the repository's own overlays."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

import pytest
from bench.targets import PAGE, SHOWN, page, rebased

from midstream.ledger import Fate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from midstream.rebasing.flow import Rebased
    from releases import Releases

pytestmark = pytest.mark.releases

DEBIAN = re.compile(
    r"(?<![\w.-])(apt|apt-get|apt-key|apt-mark|add-apt-repository|dpkg|dpkg-deb|debconf\S*"
    r"|lsb_release|update-alternatives|DEBIAN_FRONTEND|ppa:\S+)(?![\w-])"
    r"|/etc/apt|/var/(lib|cache)/apt|\.deb\b|linux-gnu\b|dist-packages|-ubuntu\d|ubuntu:|debian:"
)
ON_UBI_UPSTREAM = [
    (target, version) for version in ("0.33.0", "0.11.0") for target in ("ppc64le", "s390x")
]


@pytest.fixture(scope="module")
def done(releases: Releases) -> dict[tuple[str, str], Rebased]:
    """By target and release."""
    return {
        (target, version): each
        for version, targets in SHOWN.items()
        for target, each in rebased(releases.snapshot(version), targets, releases.cache)
    }


def test_every_target_is_proved_at_its_releases(done: dict[tuple[str, str], Rebased]) -> None:
    wrong = {
        key: [found.message for found in each.findings if found.is_error]
        + [question.id for question in each.questions]
        for key, each in done.items()
        if not each.is_proved
    }
    assert wrong == {}


def test_no_instruction_is_undecided(done: dict[tuple[str, str], Rebased]) -> None:
    left = {key: each.ledger.counts()[Fate.UNDECIDED] for key, each in done.items()}
    assert {key for key, count in left.items() if count} == set()


def test_no_word_of_debian_is_left(done: dict[tuple[str, str], Rebased]) -> None:
    left = [
        (*key, found[0], line)
        for key, each in done.items()
        for line in _read(each)
        if (found := DEBIAN.search(line))
    ]
    assert left == []


def _read(done: Rebased) -> Iterator[str]:
    """The lines of a result, and of the files that it takes, without comments."""
    for text in (done.result.text, *done.files.values()):
        yield from (line for line in text.splitlines() if not line.lstrip().startswith("#"))


@pytest.mark.parametrize(("target", "version"), ON_UBI_UPSTREAM)
def test_what_is_on_ubi_upstream_stays_byte_for_byte_but_for_what_is_added(
    done: dict[tuple[str, str], Rebased], target: str, version: str
) -> None:
    each = done[target, version]
    counts = each.ledger.counts()
    assert counts[Fate.CARRIED] + counts[Fate.EDITED] == len(each.ledger.entries)
    upstream, ours = each.origin.dockerfile.text, each.result.text
    compared = difflib.ndiff(upstream.splitlines(), ours.splitlines())
    gone = [line[2:] for line in compared if line.startswith("- ")]
    assert gone in ([], ['ARG VLLM_VERSION="0.0.0.dev"'])


@pytest.mark.parametrize("version", ["0.33.0", "0.11.0"])
def test_the_cuda_image_takes_our_installers(
    done: dict[tuple[str, str], Rebased], version: str
) -> None:
    each = done["cuda", version]
    text = each.result.text
    for path in each.files:
        assert f"COPY --from=midstream-files --chmod=0755 {path} " in text
    assert "dnf install" in each.files["tools/install_gdrcopy.sh"]
    assert not re.search(r"^(COPY|ADD) tools/install_", text, re.MULTILINE)


def test_the_page_is_what_the_command_makes(releases: Releases, tmp_path: Path) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(releases.snapshot, tmp_path), "run: make pages"
