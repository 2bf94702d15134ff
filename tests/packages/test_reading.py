from __future__ import annotations

import hashlib
import shutil
import socket
import ssl
from typing import TYPE_CHECKING

import pytest

from midstream.adapters.http import (
    BadReply,
    ConnectionLost,
    Connections,
    NotTrusted,
    TooSlow,
    Transient,
    Unreachable,
)
from midstream.errors import Exit, MidstreamError
from midstream.packages.primary import Asked
from midstream.packages.reading import Forbidden, NotThere, Repositories, WrongMetadata
from midstream.packages.xml import BadMetadata
from midstream.ubi.metadata import Metadata
from repositories.double import Served
from repositories.making import Rpm, make_repository, module
from serving import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from registries.certificates import Authority

GIT = Asked(frozenset(("git", "ccache")))
REPOMD = "/baseos/x86_64/repodata/repomd.xml"


class Reader:
    """Reads what a server has; `waits` are the pauses that it made."""

    def __init__(self, served: Served, folder: Path, ca: Path | None = None) -> None:
        self.served = served
        self.ca = ca
        self.folder = folder
        self.waits: list[float] = []

    def read(self, address: str, kind: str = "baseurl", arch: str = "x86_64") -> list[str]:
        """The names of the packages that were found."""
        connections = Connections(timeout=5, ca=self.ca)
        reader = Repositories(connections, self.folder, "9", self.waits.append)
        try:
            metadata = Metadata("id", kind, self.served.url + address)
            return [name for each in reader.read(metadata, arch, GIT) for name in each.kept.by_name]
        finally:
            connections.close()

    def failure(self, address: str, kind: str = "baseurl") -> MidstreamError:
        with pytest.raises(MidstreamError) as caught:
            self.read(address, kind)
        return caught.value


@pytest.fixture
def reader(served: Served, tmp_path: Path) -> Reader:
    return Reader(served, tmp_path / "cache")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Served]:
    """A server of a repository that the test may change."""
    make_repository(tmp_path / "served" / "a", [Rpm("git")])
    with Served(tmp_path / "served") as running:
        yield running


def test_a_repository_is_read_with_or_without_a_slash_behind_it(reader: Reader) -> None:
    for address in ("/baseos/$basearch", "/baseos/$basearch/"):
        assert reader.read(address) == ["git"]
    assert reader.read("/baseos/$basearch", arch="s390x") == ["git"]


def test_what_was_read_once_is_not_fetched_again(reader: Reader) -> None:
    reader.read("/baseos/x86_64")
    reader.served.asked.clear()
    assert reader.read("/baseos/x86_64") == ["git"]
    assert reader.served.asked == [REPOMD]


def test_what_is_damaged_in_the_cache_is_fetched_again(reader: Reader) -> None:
    reader.read("/baseos/x86_64")
    (kept,) = reader.folder.glob("*/*")
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1])
    assert reader.read("/baseos/x86_64") == ["git"]
    assert kept.read_bytes() == whole


def test_a_repository_that_is_not_there_is_said(reader: Reader) -> None:
    failure = reader.failure("/nowhere")
    assert isinstance(failure, NotThere)
    assert failure.exit_code is Exit.OUTSIDE
    assert "/nowhere/repodata/repomd.xml` is not there (404)" in failure.message
    assert failure.help == "look at `metadata:` in overlays/_shared/repositories.yaml"


@pytest.mark.parametrize("status", [401, 403])
def test_a_repository_that_wants_a_login_is_said(reader: Reader, status: int) -> None:
    reader.served.faults[REPOMD] = Fault(status=status)
    failure = reader.failure("/baseos/x86_64")
    assert isinstance(failure, Forbidden)
    assert failure.exit_code is Exit.AUTHENTICATION


def test_what_passes_is_tried_again_with_longer_waits(reader: Reader) -> None:
    reader.served.faults[REPOMD] = Fault(status=503, times=2)
    assert reader.read("/baseos/x86_64") == ["git"]
    assert reader.waits == [0.5, 1.0]


def test_what_stays_is_transient(reader: Reader) -> None:
    reader.served.faults[REPOMD] = Fault(status=503)
    failure = reader.failure("/baseos/x86_64")
    assert isinstance(failure, Transient)
    assert failure.message.endswith("repomd.xml`: the server answers 503")
    assert failure.help == "run again later"
    assert len(reader.served.asked) == 3


def test_another_status_is_no_reason_to_try_again(reader: Reader) -> None:
    reader.served.faults[REPOMD] = Fault(status=418)
    failure = reader.failure("/baseos/x86_64")
    assert isinstance(failure, BadReply)
    assert len(reader.served.asked) == 1


def test_a_server_that_is_away_is_transient(reader: Reader) -> None:
    reader.served.stop()
    failure = reader.failure("/baseos/x86_64")
    assert isinstance(failure, Unreachable)
    assert failure.exit_code is Exit.TRANSIENT
    assert "refused the connection" in failure.message


def test_a_server_that_says_nothing_is_waited_for_once(tmp_path: Path) -> None:
    waits: list[float] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/a"
        reader = Repositories(Connections(timeout=0.2), tmp_path, "9", waits.append)
        with pytest.raises(TooSlow, match=r"did not answer within 0\.2 s"):
            reader.read(Metadata("id", "baseurl", address), "x86_64", GIT)
    assert waits == []


def test_an_answer_that_breaks_off_is_tried_again(reader: Reader) -> None:
    primary = reader.served.file("baseos/x86_64/repodata/*-primary.xml.*")
    reader.served.faults[primary] = Fault(part=0.5, times=1)
    assert reader.read("/baseos/x86_64") == ["git"]
    reader.served.faults[REPOMD] = Fault(part=0.5)
    assert isinstance(reader.failure("/baseos/x86_64"), ConnectionLost)


def test_a_file_that_is_not_what_repomd_promises_is_refused_and_not_kept(reader: Reader) -> None:
    primary = reader.served.file("baseos/x86_64/repodata/*-primary.xml.*")
    reader.served.extra[primary] = b"<metadata/>"
    failure = reader.failure("/baseos/x86_64")
    assert isinstance(failure, WrongMetadata)
    assert failure.exit_code is Exit.INTEGRITY
    assert "is not what repomd.xml promises: 11 bytes came" in failure.message
    assert not reader.folder.exists()


def test_a_repository_that_is_published_anew_meanwhile_is_read_once_more(own: Served) -> None:
    reader = Reader(own, own.folder / "cache")
    old = (own.folder / "a/repodata/repomd.xml").read_bytes()
    shutil.rmtree(own.folder / "a/repodata")
    make_repository(own.folder / "a", [Rpm("ccache")])
    own.faults["/a/repodata/repomd.xml"] = Fault(status=200, body=old, times=1)
    assert sorted(reader.read("/a")) == ["ccache", "git"]


def test_yesterdays_files_are_not_kept(own: Served) -> None:
    reader = Reader(own, own.folder / "cache")
    reader.read("/a")
    (first,) = reader.folder.glob("*/*")
    shutil.rmtree(own.folder / "a/repodata")
    make_repository(own.folder / "a", [Rpm("ccache")], modules=module("x", "1", []))
    assert sorted(reader.read("/a")) == ["ccache", "git"]
    kept = sorted(each.name.partition("-")[0] for each in reader.folder.glob("*/*"))
    assert kept == ["modules", "primary"]
    assert not first.exists()


def test_the_files_of_two_repositories_are_kept_apart(reader: Reader) -> None:
    reader.read("/baseos/x86_64")
    reader.read("/epel/x86_64")
    reader.served.asked.clear()
    reader.read("/baseos/x86_64")
    assert reader.served.asked == [REPOMD]


def test_a_digest_that_proves_nothing_is_not_taken(own: Served, tmp_path: Path) -> None:
    repomd = own.folder / "a/repodata/repomd.xml"
    data = next(own.folder.glob("a/repodata/*-primary.xml.gz")).read_bytes()
    weak = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    strong = hashlib.sha256(data).hexdigest()
    text = repomd.read_text().replace(
        f'<checksum type="sha256">{strong}', f'<checksum type="sha">{weak}'
    )
    assert weak in text
    repomd.write_text(text)
    assert isinstance(Reader(own, tmp_path / "cache").failure("/a"), WrongMetadata)


def test_a_repomd_without_packages_is_said(own: Served, tmp_path: Path) -> None:
    own.extra["/a/repodata/repomd.xml"] = b"<repomd><revision>1</revision></repomd>"
    failure = Reader(own, tmp_path / "cache").failure("/a")
    assert isinstance(failure, BadMetadata)
    assert "names no list of packages" in failure.message


def test_redirections_are_followed_and_have_an_end(reader: Reader) -> None:
    at = {"Location": "/baseos/x86_64/repodata/repomd.xml"}
    reader.served.faults["/moved/repodata/repomd.xml"] = Fault(status=302, headers=at)
    primary = reader.served.file("baseos/x86_64/repodata/*-primary.xml.*")
    there = primary.replace("/baseos/x86_64", "/moved")
    reader.served.faults[there] = Fault(status=301, headers={"Location": primary})
    assert reader.read("/moved") == ["git"]
    around = {"Location": "/round/repodata/repomd.xml"}
    reader.served.faults["/round/repodata/repomd.xml"] = Fault(status=302, headers=around)
    assert "leads on and on" in reader.failure("/round").message


@pytest.fixture
def secured(made: Path, authority: Authority) -> Iterator[Served]:
    """The repositories over TLS."""
    certificate = authority.certify("IP:127.0.0.1")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate.certificate, certificate.key)
    with Served(made, tls) as running:
        yield running


def test_a_certificate_is_checked(secured: Served, authority: Authority, tmp_path: Path) -> None:
    assert Reader(secured, tmp_path, authority.certificate).read("/baseos/x86_64") == ["git"]
    failure = Reader(secured, tmp_path).failure("/baseos/x86_64")
    assert isinstance(failure, NotTrusted)
    assert failure.help is not None
    assert failure.help.startswith("SSL_CERT_FILE names")


def test_nothing_leads_from_tls_to_plain_http(
    secured: Served, served: Served, authority: Authority, tmp_path: Path
) -> None:
    onward = {"Location": f"{served.url}{REPOMD}"}
    secured.faults[REPOMD] = Fault(status=302, headers=onward)
    failure = Reader(secured, tmp_path, authority.certificate).failure("/baseos/x86_64")
    assert "it leads from https to http, which is refused" in failure.message
    assert served.asked == []


# --- mirrors ---


def test_a_metalink_leads_to_the_best_mirror(reader: Reader) -> None:
    reader.served.metalink("/metalink?repo=epel-9&arch=x86_64", "epel/x86_64")
    assert reader.read("/metalink?repo=epel-9&arch=$basearch", "metalink") == ["ccache", "git"]


def test_a_mirror_that_fails_or_is_another_is_passed_over(reader: Reader) -> None:
    served = reader.served
    served.metalink("/m", "epel/x86_64", "gone", "baseos/x86_64", "epel/x86_64")
    served.faults["/epel/x86_64/repodata/repomd.xml"] = Fault(status=404, times=2)
    assert reader.read("/m", "metalink") == ["ccache", "git"]
    asked = [each.split("/")[1] for each in served.asked]
    assert list(dict.fromkeys(asked)) == ["m", "epel", "gone", "baseos"]
    assert asked[-1] == "epel"


def test_a_mirror_may_be_a_version_behind_but_no_more(reader: Reader, served: Served) -> None:
    data = (served.folder / "epel/x86_64/repodata/repomd.xml").read_bytes()
    behind = hashlib.sha256(data).hexdigest()
    served.metalink("/m", "epel/x86_64", current="a" * 64, older=behind)
    assert reader.read("/m", "metalink") == ["ccache", "git"]
    served.metalink("/m", "epel/x86_64", "epel/x86_64", current="a" * 64)
    failure = reader.failure("/m", "metalink")
    assert isinstance(failure, WrongMetadata)
    assert "is not what the metalink promises (2 mirrors were tried)" in failure.message


def test_where_no_mirror_does_the_worst_failure_is_told(reader: Reader) -> None:
    reader.served.metalink("/m", "epel/x86_64", "baseos/x86_64")
    reader.served.faults["/epel/x86_64/repodata/repomd.xml"] = Fault(status=503)
    failure = reader.failure("/m", "metalink")
    assert isinstance(failure, WrongMetadata)


def test_a_mirror_list_and_a_file_of_repositories_lead_on(reader: Reader) -> None:
    url = reader.served.url
    reader.served.extra["/list"] = f"# mirrors\n{url}/gone/\n{url}/epel/$basearch/\n".encode()
    assert reader.read("/list", "mirrorlist") == ["ccache", "git"]
    reader.served.extra["/x.repo"] = (
        f"[a]\nbaseurl={url}/epel/$basearch\n[b]\nbaseurl={url}/baseos/x86_64\n"
        f"[c]\nbaseurl={url}/gone\nenabled=0\n"
    ).encode()
    assert reader.read("/x.repo", "repofile") == ["ccache", "git", "git"]


def test_what_leads_nowhere_is_said(reader: Reader) -> None:
    for kind in ("metalink", "mirrorlist", "repofile"):
        assert isinstance(reader.failure("/none", kind), NotThere)
    reader.served.extra["/m"] = b"<metalink/>"
    assert isinstance(reader.failure("/m", "metalink"), BadMetadata)


def test_a_query_is_not_shown(reader: Reader) -> None:
    assert "secret" not in reader.failure("/none?token=secret", "metalink").message
