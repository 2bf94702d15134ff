from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from indexes.double import IndexDouble, sdist
from midstream.adapters import index as room
from midstream.adapters.index import (
    IndexDown,
    IndexForbids,
    NoSuchRelease,
    PackageIndex,
    SourceRelease,
    WrongArchive,
)
from midstream.errors import Exit, MidstreamError
from serving import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = "/simple/demo/"
ARCHIVE = "/files/demo-1.0.tar.gz"
FILES = {"docker/Dockerfile": "FROM scratch\n", "src/big.py": "x = 1\n" * 50_000}


def versions(found: tuple[SourceRelease, ...]) -> list[str]:
    return [each.version for each in found]


def fetch(
    release: SourceRelease, wanted: Callable[[str], bool] = lambda _: True
) -> dict[str, bytes]:
    return PackageIndex().files(release, wanted, lambda _: None)


def only(index: IndexDouble) -> SourceRelease:
    (found,) = PackageIndex().releases("demo")
    assert found.url.startswith(index.url.removesuffix("simple/"))
    return found


# --- which releases there are ---


@pytest.mark.parametrize("speaks", ["json", "html"])
def test_releases_come_in_the_order_of_their_versions(index: IndexDouble, speaks: str) -> None:
    index.speaks = speaks
    for version in ("0.9.0", "0.10.0", "0.9.0.post1", "0.8.5"):
        index.offer("demo", version, FILES)
    assert versions(PackageIndex().releases("demo")) == ["0.8.5", "0.9.0", "0.9.0.post1", "0.10.0"]


def test_a_release_says_its_digest_its_size_and_when_it_came(index: IndexDouble) -> None:
    offered = index.offer("demo", "1.0", FILES)
    found = only(index)
    assert (found.name, found.sha256) == ("demo-1.0.tar.gz", offered.sha256)
    assert (found.size, found.date) == (len(offered.data), "2026-01-02T03:04:05Z")


def test_an_index_that_says_neither_size_nor_date_gives_none(index: IndexDouble) -> None:
    index.speaks = "html"
    index.offer("demo", "1.0", FILES)
    found = only(index)
    assert (found.size, found.date) == (0, "")


@pytest.mark.parametrize("speaks", ["json", "html"])
def test_yanked_releases_and_early_ones_are_left_out(index: IndexDouble, speaks: str) -> None:
    index.speaks = speaks
    index.offer("demo", "1.0", FILES)
    index.offer("demo", "1.1", FILES).yanked = True
    for early in ("2.0rc1", "2.0.dev3", "2.0a0"):
        index.offer("demo", early, FILES)
    assert versions(PackageIndex().releases("demo")) == ["1.0"]


def test_wheels_and_what_has_no_digest_or_no_version_are_left_out(index: IndexDouble) -> None:
    index.publish("demo", "demo-1.0-py3-none-any.whl", b"PK")
    index.publish("demo", "demo-what.tar.gz", b"")
    index.publish("demo", "notes.txt", b"")
    index.offer("demo", "1.2", FILES).sha256 = ""
    index.offer("demo", "1.1", FILES)
    assert versions(PackageIndex().releases("demo")) == ["1.1"]


def test_a_project_that_is_not_there_is_not_found(index: IndexDouble) -> None:
    with pytest.raises(NoSuchRelease, match="no project `demo`") as caught:
        PackageIndex().releases("demo")
    assert caught.value.exit_code is Exit.OUTSIDE
    assert index.asked == [PAGE]


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (401, IndexForbids, Exit.AUTHENTICATION),
        (403, IndexForbids, Exit.AUTHENTICATION),
        (418, MidstreamError, Exit.OUTSIDE),
        (429, IndexDown, Exit.TRANSIENT),
        (500, IndexDown, Exit.TRANSIENT),
        (503, IndexDown, Exit.TRANSIENT),
    ],
)
def test_a_refused_page_is_classed(
    index: IndexDouble, status: int, kind: type[MidstreamError], code: Exit
) -> None:
    index.offer("demo", "1.0", FILES)
    index.faults[PAGE] = Fault(status=status)
    with pytest.raises(MidstreamError, match=f"the index answers {status}") as caught:
        PackageIndex().releases("demo")
    assert (type(caught.value), caught.value.exit_code) == (kind, code)


def test_a_page_that_is_no_index_says_so(index: IndexDouble) -> None:
    index.offer("demo", "1.0", FILES)
    index.speaks = "text/plain"
    with pytest.raises(MidstreamError, match="doesn't answer as one"):
        PackageIndex().releases("demo")


def test_a_page_that_breaks_off_is_transient(index: IndexDouble) -> None:
    index.offer("demo", "1.0", FILES)
    index.faults[PAGE] = Fault(part=0.5)
    with pytest.raises(IndexDown):
        PackageIndex().releases("demo")


def test_a_json_page_that_is_cut_short_is_no_defect_of_ours(index: IndexDouble) -> None:
    index.offer("demo", "1.0", FILES)
    index.faults[PAGE] = Fault(part=0.5, headers={"Connection": "close"})
    with pytest.raises(MidstreamError) as caught:
        PackageIndex().releases("demo")
    assert caught.value.exit_code in (Exit.OUTSIDE, Exit.TRANSIENT)


def test_a_refused_connection_is_transient_and_says_why(index: IndexDouble) -> None:
    index.stop()
    with pytest.raises(IndexDown, match="refused") as caught:
        PackageIndex().releases("demo")
    assert "MIDSTREAM_INDEX_URL" in (caught.value.help or "")


def test_an_outage_that_ends_soon_is_waited_for(index: IndexDouble) -> None:
    index.offer("demo", "1.0", FILES)
    index.faults[PAGE] = Fault(status=503, times=2)
    assert versions(PackageIndex().releases("demo")) == ["1.0"]
    assert index.asked == [PAGE] * 3


def test_an_index_can_not_make_anybody_wait_for_an_hour(index: IndexDouble) -> None:
    index.offer("demo", "1.0", FILES)
    index.faults[PAGE] = Fault(status=503, headers={"Retry-After": "3600"})
    with pytest.raises(IndexDown):
        PackageIndex().releases("demo")


def test_an_endpoint_that_is_given_comes_before_the_environment(
    index: IndexDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDSTREAM_INDEX_URL", "http://127.0.0.1:1/simple/")
    index.offer("demo", "1.0", FILES)
    assert versions(PackageIndex(index.url).releases("demo")) == ["1.0"]


# --- what is in one ---


def test_the_wanted_files_are_given_and_no_others(index: IndexDouble) -> None:
    index.offer("demo", "1.0", FILES)
    got = fetch(only(index), lambda path: path.startswith("docker/"))
    assert got == {"docker/Dockerfile": b"FROM scratch\n"}


def test_every_byte_that_arrives_is_told(index: IndexDouble) -> None:
    offered = index.offer("demo", "1.0", FILES)
    told: list[int] = []
    PackageIndex().files(only(index), lambda _: True, told.append)
    assert sum(told) == len(offered.data)
    assert told[-1] == 0, "an empty piece is the end"


def test_bytes_behind_the_archive_are_a_part_of_its_digest(index: IndexDouble) -> None:
    data = sdist("demo-1.0", FILES) + bytes(1_000_000)
    index.publish("demo", "demo-1.0.tar.gz", data)
    assert set(fetch(only(index))) == set(FILES)


def test_another_archive_than_the_promised_one_is_refused(index: IndexDouble) -> None:
    index.offer("demo", "1.0", FILES).sha256 = "0" * 64
    with pytest.raises(WrongArchive, match=f"expected {'0' * 64}") as caught:
        fetch(only(index))
    assert caught.value.exit_code is Exit.INTEGRITY


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.99])
def test_half_an_archive_is_transient(index: IndexDouble, part: float) -> None:
    index.offer("demo", "1.0", {"a": bytes(range(256)) * 4000, "b": hashlib.sha512(b"x").digest()})
    index.faults[ARCHIVE] = Fault(part=part)
    with pytest.raises(IndexDown):
        fetch(only(index))


def test_half_an_archive_of_unknown_length_is_never_taken_for_all_of_it(
    index: IndexDouble,
) -> None:
    index.offer("demo", "1.0", FILES)
    index.faults[ARCHIVE] = Fault(part=0.5, headers={"Connection": "close"})
    with pytest.raises(MidstreamError) as caught:
        fetch(only(index))
    assert caught.value.exit_code in (Exit.TRANSIENT, Exit.INTEGRITY)


def test_what_is_no_archive_is_said_to_be_none(index: IndexDouble) -> None:
    index.publish("demo", "demo-1.0.tar.gz", b"<html>please log in</html>")
    with pytest.raises(IndexDown, match="broke off or is no archive"):
        fetch(only(index))


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (403, Exit.AUTHENTICATION),
        (404, Exit.OUTSIDE),
        (410, Exit.OUTSIDE),
        (502, Exit.TRANSIENT),
    ],
)
def test_a_refused_archive_is_classed(index: IndexDouble, status: int, code: Exit) -> None:
    index.offer("demo", "1.0", FILES)
    release = only(index)
    index.faults[ARCHIVE] = Fault(status=status)
    with pytest.raises(MidstreamError, match=r"can't fetch `demo-1\.0\.tar\.gz`") as caught:
        fetch(release)
    assert caught.value.exit_code is code


def test_an_index_that_went_away_before_the_archive_is_transient(index: IndexDouble) -> None:
    index.offer("demo", "1.0", FILES)
    release = only(index)
    index.stop()
    with pytest.raises(IndexDown, match="refused"):
        fetch(release)


def test_a_file_beyond_all_measure_is_refused(
    index: IndexDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_LARGEST", 10)
    index.offer("demo", "1.0", {"docker/Dockerfile": "FROM scratch\n"})
    with pytest.raises(WrongArchive, match="has 13 bytes"):
        fetch(only(index))


def test_links_and_folders_in_an_archive_are_passed_over(index: IndexDouble) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        link = tarfile.TarInfo("demo-1.0/docker/Dockerfile")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    index.publish("demo", "demo-1.0.tar.gz", gzip.compress(packed.getvalue()))
    assert fetch(only(index)) == {}


def test_a_defect_in_what_looks_at_the_files_is_no_failure_of_the_network(
    index: IndexDouble,
) -> None:
    def broken(_: str) -> bool:
        raise ZeroDivisionError

    index.offer("demo", "1.0", FILES)
    with pytest.raises(ZeroDivisionError):
        fetch(only(index), broken)
