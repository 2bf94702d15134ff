"""The fixtures: `tests/conftest.py` gives them to every test."""

from __future__ import annotations

import base64
import itertools
import json
from typing import TYPE_CHECKING

import pytest

from registries.certificates import Authority
from registries.debian import PASSWORD, USER, DebianRegistry
from registries.double import Double
from registries.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_numbers = itertools.count()


@pytest.fixture(scope="session")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DebianRegistry]:
    """The real registry over plain HTTP, for the whole run: take a `repository` of your own."""
    with DebianRegistry(tmp_path_factory.mktemp("debian")) as running:
        yield running


@pytest.fixture(scope="session")
def debian_password(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DebianRegistry]:
    """The real registry, where everything needs the login of `registries.debian`."""
    with DebianRegistry(tmp_path_factory.mktemp("password"), password=True) as running:
        yield running


@pytest.fixture(scope="session")
def debian_read_only(
    tmp_path_factory: pytest.TempPathFactory, debian: DebianRegistry
) -> Iterator[DebianRegistry]:
    """The same images as `debian`, and nothing may be written."""
    folder = tmp_path_factory.mktemp("read-only")
    with DebianRegistry(folder, storage=debian.storage, read_only=True) as running:
        yield running


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that nobody trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture(scope="session")
def debian_tls(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[DebianRegistry]:
    tls = authority.certify("IP:127.0.0.1")
    folder = tmp_path_factory.mktemp("tls")
    with DebianRegistry(folder, tls=tls, ca=authority.certificate) as running:
        yield running


@pytest.fixture(scope="session")
def debian_expired(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[DebianRegistry]:
    tls = authority.certify("IP:127.0.0.1", expired=True)
    with DebianRegistry(tmp_path_factory.mktemp("expired"), tls=tls) as running:
        yield running


@pytest.fixture(scope="session")
def debian_wrong_name(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[DebianRegistry]:
    tls = authority.certify("DNS:elsewhere.example")
    with DebianRegistry(tmp_path_factory.mktemp("wrong-name"), tls=tls) as running:
        yield running


@pytest.fixture
def proxy(debian: DebianRegistry) -> Iterator[Proxy]:
    """A wire that goes wrong, in front of `debian`."""
    with Proxy(debian.address) as running:
        yield running


@pytest.fixture
def double() -> Iterator[Double]:
    with Double() as running:
        yield running


@pytest.fixture
def other_double() -> Iterator[Double]:
    """A second one: another registry, or another host."""
    with Double() as running:
        yield running


@pytest.fixture
def repository() -> str:
    """A repository that no other test uses."""
    return f"group/image-{next(_numbers)}"


@pytest.fixture
def authfile(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file with a login for each key: a host, or a host with a path."""

    def write(*keys: str, user: str = USER, password: str = PASSWORD) -> Path:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        path = tmp_path / f"auth-{next(_numbers)}.json"
        path.write_text(json.dumps({"auths": {key: {"auth": pair} for key in keys}}))
        path.chmod(0o600)
        return path

    return write
