from __future__ import annotations

import hashlib

import pytest

from midstream.packages.repofile import read_repofile
from midstream.packages.repomd import (
    DataFile,
    proves,
    read_metalink,
    read_mirror_list,
    read_repomd,
)
from midstream.packages.xml import BadMetadata
from repositories.double import METALINK

REPOMD = """\
<?xml version="1.0"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo">
  <revision>1700000000</revision>
  <data type="primary">
    <checksum type="{algorithm}">{digest}</checksum>
    <open-checksum type="sha256">00</open-checksum>
    <location href="{href}"/>
    <size>12</size>
  </data>
</repomd>
"""


def repomd(href: str = "repodata/p.xml.gz", algorithm: str = "sha256", digest: str = "ab") -> bytes:
    return REPOMD.format(href=href, algorithm=algorithm, digest=digest).encode()


def test_a_repomd_says_its_revision_and_files() -> None:
    data = repomd(digest="AB")
    read = read_repomd(data, "`r`")
    assert read.revision == "1700000000"
    assert read.digest == hashlib.sha256(data).hexdigest()
    assert read.files == {"primary": DataFile("repodata/p.xml.gz", "sha256", "ab", 12)}


@pytest.mark.parametrize(
    "href", ["/etc/passwd", "../../x", "repodata/../../x", "https://evil.example/x", "", "a b"]
)
def test_a_file_outside_of_the_repository_is_refused(href: str) -> None:
    with pytest.raises(BadMetadata, match="names a file outside of the repository"):
        read_repomd(repomd(href), "`r`")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<html><body>not found</body></html>", "no repomd.xml"),
        (b"<repomd><data></repomd>", "no XML: mismatched tag, line 1"),
        (b"", "no XML: no element found"),
        (b"<!DOCTYPE repomd [<!ENTITY a 'b'>]><repomd>&a;</repomd>", "document type declaration"),
        (b"<!DOCTYPE repomd SYSTEM 'file:///etc/passwd'><repomd/>", "document type declaration"),
    ],
)
def test_what_is_no_repomd_is_said(data: bytes, said: str) -> None:
    with pytest.raises(BadMetadata, match=said):
        read_repomd(data, "`r`")


def test_only_a_safe_digest_proves_a_file() -> None:
    for name in ("sha256", "sha512"):
        assert proves(DataFile("x", name, hashlib.new(name, b"data").hexdigest(), None), b"data")
    assert not proves(DataFile("x", "sha256", hashlib.sha256(b"d").hexdigest(), None), b"data")
    weak = hashlib.sha1(b"data", usedforsecurity=False).hexdigest()
    assert not proves(DataFile("x", "sha1", weak, None), b"data")
    assert not proves(DataFile("x", "sha", weak, None), b"data")
    assert not proves(DataFile("x", "", "", None), b"")


def metalink(*urls: tuple[str, int], digest: str = "aa", older: str = "bb") -> bytes:
    lines = [f'<url preference="{rank}">{url}/repodata/repomd.xml</url>' for url, rank in urls]
    return METALINK.format(digest=digest, older=older, urls="\n".join(lines)).encode()


def test_mirrors_are_tried_over_tls_first_and_by_their_preference() -> None:
    data = metalink(
        ("http://c.example", 100), ("https://a.example/e", 90), ("https://b.example", 95)
    )
    found = read_metalink(data, "`m`").addresses
    assert found == ("https://b.example/", "https://a.example/e/", "http://c.example/")


def test_a_metalink_allows_the_last_versions_too() -> None:
    now, then = (hashlib.sha256(each).hexdigest() for each in (b"now", b"then"))
    link = read_metalink(metalink(("https://a.example", 1), digest=now, older=then), "`m`")
    assert link.proves(b"now")
    assert link.proves(b"then")
    assert not link.proves(b"another")


@pytest.mark.parametrize(
    "data",
    [metalink(), metalink(("ftp://a.example", 1)), b"<metalink/>"],
    ids=["no mirror", "ftp", "empty"],
)
def test_a_metalink_without_a_mirror_is_said(data: bytes) -> None:
    with pytest.raises(BadMetadata, match="names no mirror"):
        read_metalink(data, "`m`")


def test_a_metalink_without_a_digest_proves_nothing_and_is_refused() -> None:
    data = metalink(("https://a.example", 1)).replace(b'type="sha256"', b'type="md5"')
    with pytest.raises(BadMetadata, match="names no mirror with the digest"):
        read_metalink(data, "`m`")


def test_a_mirror_list_is_its_lines() -> None:
    assert read_mirror_list(b"# hello\nhttps://a.example/x/\n\nhttp://b.example\n", "`l`") == (
        "https://a.example/x/", "http://b.example",
    )  # fmt: skip
    with pytest.raises(BadMetadata, match="names no mirror"):
        read_mirror_list(b"# nothing\n<html>", "`l`")


def test_a_file_of_repositories_gives_those_that_it_enables() -> None:
    text = (
        b"[one]\nname=One\nbaseurl=https://a.example/$releasever/$basearch, https://b.example\n"
        b"[off]\nbaseurl=https://c.example\nenabled = 0\n"
        b"[two]\nmetalink=https://d.example/m?x=1\nbaseurl=\nenabled=1\n"
    )
    one, two = read_repofile(text, "`f`", "9")
    assert (one.id, one.kind, one.at("s390x")) == ("one", "baseurl", "https://a.example/9/s390x")
    assert (two.id, two.kind, two.at("x86_64")) == ("two", "metalink", "https://d.example/m?x=1")


@pytest.mark.parametrize("data", [b"<html>", b"\xff", b"[a]\nname=x\n", b""])
def test_what_is_no_file_of_repositories_is_said(data: bytes) -> None:
    with pytest.raises(BadMetadata, match=r"`f` (is no file of|enables no) repositor"):
        read_repofile(data, "`f`", "9")
