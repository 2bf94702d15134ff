"""The real registry starts in each of its forms."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from registries import images
from registries.look import Site

if TYPE_CHECKING:
    from registries.certificates import Authority
    from registries.debian import DebianRegistry

pytestmark = pytest.mark.registry


def test_an_index_comes_back_as_it_was_pushed(debian: DebianRegistry, repository: str) -> None:
    image = images.multi_arch(attested=True)
    debian.site.push(repository, image, "v1", "v2")
    assert debian.site.tags(repository) == {"v1": image.digest, "v2": image.digest}
    assert debian.site.is_whole(repository, "v1")
    assert any(f"{repository}/manifests/v1" in each for each in debian.requests("PUT"))


def test_a_login_is_needed(debian_password: DebianRegistry, repository: str) -> None:
    image = images.image()
    debian_password.site.push(repository, image, "v1")
    assert debian_password.site.digest(repository, "v1") == image.digest
    assert Site(debian_password.address).request("GET", "/v2/")[0] == 401


def test_the_read_only_registry_shows_what_the_other_has_and_takes_nothing(
    debian: DebianRegistry, debian_read_only: DebianRegistry, repository: str
) -> None:
    image = images.image()
    debian.site.push(repository, image, "v1")
    assert debian_read_only.site.digest(repository, "v1") == image.digest
    with pytest.raises(AssertionError, match="405"):
        debian_read_only.site.push(repository, images.image(seed=2), "v2")


def test_tls_is_trusted_with_the_authority_and_refused_otherwise(
    debian_tls: DebianRegistry,
    debian_expired: DebianRegistry,
    debian_wrong_name: DebianRegistry,
    authority: Authority,
    stranger: Authority,
) -> None:
    ca = authority.certificate
    assert debian_tls.site.request("GET", "/v2/")[0] == 200
    for site, why in (
        (Site(debian_expired.address, ca), "expired"),
        (Site(debian_wrong_name.address, ca), "IP address mismatch"),
        (Site(debian_tls.address, stranger.certificate), "unable to get local issuer"),
    ):
        with pytest.raises(ssl.SSLCertVerificationError, match=why):
            site.request("GET", "/v2/")
