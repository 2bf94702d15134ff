from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from midstream.packages.evr import Evr
from midstream.packages.opening import pieces
from midstream.packages.primary import Asked, Kept, Rpm, read_primary
from midstream.packages.xml import BadMetadata
from repositories import making

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ARCHES = frozenset(("x86_64", "noarch"))


def read(folder: Path, asked: Asked) -> Kept:
    (path,) = folder.glob("repodata/*-primary.xml.*")
    return read_primary(pieces(path.read_bytes(), "`p`", 1 << 30), asked, ARCHES, "`p`")


def rpm(name: str, evr: str, arch: str = "x86_64") -> Rpm:
    return Rpm(name, arch, Evr.parse(evr))


def test_only_what_was_asked_for_is_kept(made: Path) -> None:
    asked = Asked(
        frozenset(("git", "tzdata", "nothing")), frozenset(("vim", "mta")),
        frozenset(("/usr/bin/vim", "/usr/bin/vi")), frozenset((r"python3\.\d+\-devel",)),
    )  # fmt: skip
    kept = read(made / "appstream" / "x86_64", asked)
    devel = {f"python3.{n}-devel": [rpm(f"python3.{n}-devel", f"3.{n}.1-1.el9")] for n in (11, 12)}
    assert kept.by_name == {"tzdata": [rpm("tzdata", "2024a-1.el9", "noarch")], **devel}
    vim, mta = (["vim-enhanced"], ["mta-a", "mta-b"])
    found = {what: [each.name for each in rpms] for what, rpms in kept.by_capability.items()}
    assert found == {"vim": vim, "mta": mta}
    assert {what: [each.name for each in rpms] for what, rpms in kept.by_file.items()} == {
        "/usr/bin/vim": vim
    }
    assert kept.count == 9


def test_every_version_is_kept(made: Path) -> None:
    kept = read(made / "baseos" / "x86_64", Asked(frozenset(("git",))))
    assert {str(each.evr) for each in kept.by_name["git"]} == {"2.43.5-1.el9", "2.47.1-1.el9"}


def test_a_source_package_and_another_architecture_are_none(tmp_path: Path) -> None:
    folder = making.make_repository(
        tmp_path / "r", [making.Rpm("tool", arch="s390x")], arch="s390x", sources=["source-only"]
    )
    kept = read(folder, Asked(frozenset(("tool", "source-only"))))
    assert kept.count == 2
    assert kept.by_name == {}


def test_a_prefix_of_another_name_says_the_same() -> None:
    text = (
        b'<c:metadata xmlns:c="x" xmlns:r="y"><c:package><c:name>a</c:name><c:arch>noarch</c:arch>'
        b'<c:version epoch="2" ver="1" rel="3"/><c:format><r:requires><r:entry name="no"/>'
        b'</r:requires><r:provides><r:entry name="cap"/></r:provides><r:obsoletes>'
        b'<r:entry name="no"/></r:obsoletes></c:format></c:package></c:metadata>'
    )
    asked = Asked(frozenset(("a",)), frozenset(("cap", "no")))
    kept = read_primary([text[:90], text[90:]], asked, ARCHES, "`p`")
    assert kept.by_name == {"a": [rpm("a", "2:1-3", "noarch")]}
    assert list(kept.by_capability) == ["cap"]
    assert kept.by_name["a"][0].nevra == "a-2:1-3.noarch"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"<filelists><package/></filelists>", "no list of packages"),
        (b"<metadata><package>", "no XML: no element found"),
        (b'<!DOCTYPE m [<!ENTITY a "aaaa">]><metadata/>', "document type declaration"),
    ],
)
def test_what_is_no_list_of_packages_is_said(text: bytes, said: str) -> None:
    with pytest.raises(BadMetadata, match=said):
        read_primary([text], Asked(), ARCHES, "`p`")


def test_what_was_not_asked_for_takes_no_memory() -> None:
    package = (
        b"<package><name>package-%d</name><arch>x86_64</arch>"
        b'<version epoch="0" ver="1" rel="1"/><description>%s</description>'
        b'<format><provides><entry name="package-%d"/></provides></format></package>'
    )

    def text() -> Iterator[bytes]:
        yield b"<metadata>"
        yield from (package % (number, b"words " * 100, number) for number in range(5000))
        yield b"</metadata>"

    asked = Asked(frozenset(("package-7",)), frozenset(("package-8",)))
    tracemalloc.start()
    try:
        kept = read_primary(text(), asked, ARCHES, "`p`")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (kept.count, list(kept.by_name), list(kept.by_capability)) == (
        5000, ["package-7"], ["package-8"],
    )  # fmt: skip
    assert most < 500_000  # of 4 MB that went by
