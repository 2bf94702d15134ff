"""The doctor says what would go wrong, and changes nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from midstream.adapters import process
from midstream.adapters.endpoint import Endpoint
from midstream.adapters.registry import Registry
from midstream.diagnostic import Severity
from midstream.errors import Exit
from midstream.promotion import attachments, doctor
from midstream.promotion.attachments import Side
from midstream.promotion.doctor import (
    Check,
    check_authfile,
    check_policy,
    check_readable,
    check_registry,
    check_skopeo,
    check_writable,
    exit_code,
)
from registries import faults, images
from registries.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from registries.certificates import Authority
    from registries.debian import DebianRegistry
    from registries.double import Double


@pytest.fixture
def side(double: Double) -> Iterator[Side]:
    with Registry(Endpoint("quay.io", double.address, plain=True)) as registry:
        yield Side(registry, "a/b")


class TestSkopeo:
    def test_the_installed_one_is_well(self) -> None:
        found = check_skopeo(lambda: process.check(process.run("skopeo", "--version")).decode())
        assert found.is_well
        assert found.message.startswith("version 1.")

    @pytest.mark.parametrize(
        ("said", "well"),
        [
            ("skopeo version 1.9.3", True),
            ("skopeo version 1.22.0-dev", True),
            ("skopeo version 1.10", True),
            ("skopeo version 1.8.9", False),
            ("skopeo version 0.1.40", False),
            ("something else", False),
        ],
    )
    def test_an_old_one_is_not(self, said: str, well: bool) -> None:
        found = check_skopeo(lambda: said)
        assert found.is_well is well
        assert exit_code([found]) is (Exit.OK if well else Exit.OUTSIDE)

    def test_a_missing_one_is_said(self) -> None:
        def missing() -> str:
            return process.check(process.run("skopeo-that-is-nowhere", "--version")).decode()

        found = check_skopeo(missing)
        assert "not found" in found.message
        assert found.help == "install skopeo 1.9 or newer"


@pytest.mark.parametrize(
    ("content", "severity", "part"),
    [
        ('{"default": [{"type": "insecureAcceptAnything"}]}', None, "insecureAcceptAnything"),
        ('{"default": []}', None, "nothing"),
        ('{"default": [{"type": "reject"}]}', Severity.WARNING, "refused"),
        ("{}", Severity.ERROR, "no `default`"),
        ("nonsense", Severity.ERROR, "no policy"),
        (None, Severity.ERROR, "no such file"),
    ],
)
def test_the_policy_is_read(
    tmp_path: Path, content: str | None, severity: Severity | None, part: str
) -> None:
    path = tmp_path / "policy.json"
    if content is not None:
        path.write_text(content)
    found = check_policy(path)
    assert found.severity is severity
    assert part in found.message


class TestLogins:
    def test_a_file_for_its_owner_alone_is_well(self, authfile: Callable[..., Path]) -> None:
        assert check_authfile(authfile("quay.io")).is_well

    @pytest.mark.parametrize("mode", [0o644, 0o640, 0o620])
    def test_a_file_that_others_may_use_is_warned_of(
        self, authfile: Callable[..., Path], mode: int
    ) -> None:
        path = authfile("quay.io")
        path.chmod(mode)
        found = check_authfile(path)
        assert found.severity is Severity.WARNING
        assert found.help == f"chmod 600 {path}"
        assert exit_code([found]) is Exit.OK

    def test_a_file_that_is_none_is_an_error(self, tmp_path: Path) -> None:
        path = tmp_path / "auth.json"
        assert exit_code([check_authfile(path)]) is Exit.AUTHENTICATION
        path.write_text("not json")
        assert "no JSON" in check_authfile(path).message

    def test_no_logins_at_all_are_well_and_it_is_said_for_which_registries(self) -> None:
        wanted = [("quay.io", "a/b"), ("quay.io", "c"), ("ghcr.io", "d")]
        found = check_authfile(None, wanted)
        assert found.is_well
        assert found.message == (
            "there are none for `ghcr.io`, `quay.io`; only public repositories can be read"
        )

    def test_a_registry_that_a_file_has_no_login_for_is_named(
        self, authfile: Callable[..., Path]
    ) -> None:
        path = authfile("quay.io/a/b")
        wanted = [("quay.io", "a/b"), ("quay.io", "c"), ("ghcr.io", "d")]
        said = "readable, and only for its owner; none in it for `ghcr.io`"
        assert check_authfile(path, wanted).message == said
        assert "none" not in check_authfile(path, wanted[:2]).message

    def test_no_password_is_shown(self, authfile: Callable[..., Path]) -> None:
        path = authfile("quay.io", password="pass-that-nobody-may-see")
        found = repr(check_authfile(path))
        assert "nobody-may-see" not in found


class TestRegistry:
    def test_plain_http_is_warned_of(self, side: Side) -> None:
        first, clock = check_registry(side.registry, time.time())
        assert first.severity is Severity.WARNING
        assert "plain http" in first.message
        assert clock.is_well

    @pytest.mark.registry
    def test_trusted_tls_is_well(self, debian_tls: DebianRegistry, authority: Authority) -> None:
        with Registry(Endpoint("q", debian_tls.address, ca=authority.certificate)) as registry:
            assert all(each.is_well for each in check_registry(registry, time.time()))

    @pytest.mark.registry
    @pytest.mark.parametrize("which", ["debian_expired", "debian_wrong_name"])
    def test_tls_that_can_not_be_trusted_is_an_error(
        self, request: pytest.FixtureRequest, authority: Authority, which: str
    ) -> None:
        server: DebianRegistry = request.getfixturevalue(which)
        with Registry(Endpoint("q", server.address, ca=authority.certificate)) as registry:
            [found] = check_registry(registry, time.time())
        assert "certificate" in found.message
        assert exit_code([found]) is Exit.OUTSIDE

    @pytest.mark.parametrize(("skew", "words"), [(300, "300 s ahead of"), (-90, "90 s behind")])
    def test_a_wrong_clock_is_warned_of(
        self, double: Double, side: Side, skew: int, words: str
    ) -> None:
        date = {"Date": "Wed, 21 Oct 2026 07:28:00 GMT"}
        double.fails(Fault("GET", "/v2/", faults.answers(401, headers=date)))
        _, clock = check_registry(side.registry, 1792567680 + skew)
        assert clock.severity is Severity.WARNING
        assert words in clock.message

    def test_a_registry_without_a_time_is_no_matter(self, double: Double, side: Side) -> None:
        double.fails(Fault("GET", "/v2/", faults.answers(401, headers={"Date": "today"})))
        _, clock = check_registry(side.registry, 0)
        assert clock == Check("quay.io clock", "isn't told")


class TestRepository:
    def test_one_that_can_be_read_and_written_is_well(self, double: Double, side: Side) -> None:
        double.load("a/b", images.image(), "v1")
        before = dict(double.repository("a/b").blobs)
        assert check_readable(side).is_well
        assert double.writes == []
        assert check_writable(side).is_well
        assert double.repository("a/b").blobs == before
        assert double.repository("a/b").uploads == {}

    def test_one_that_is_not_there_is_an_error_at_the_source_only(self, side: Side) -> None:
        assert exit_code([check_readable(side)]) is Exit.OUTSIDE
        assert check_readable(side, must_exist=False).is_well

    def test_one_that_needs_a_login_is_an_error(self, double: Double, side: Side) -> None:
        double.logins = {"somebody": "else"}
        found = [check_readable(side, must_exist=False), check_writable(side)]
        assert exit_code(found) is Exit.AUTHENTICATION
        assert all("wants a login" in each.message for each in found)

    @pytest.mark.registry
    def test_a_read_only_registry_can_be_read_and_not_written(
        self, debian: DebianRegistry, debian_read_only: DebianRegistry, repository: str
    ) -> None:
        debian.site.push(repository, images.image(), "v1")
        with Registry(Endpoint("q", debian_read_only.address, plain=True)) as registry:
            assert check_readable(Side(registry, repository)).is_well
            assert not check_writable(Side(registry, repository)).is_well


def test_every_rule_has_its_own_code_and_a_page() -> None:
    rules = (*doctor.RULES, *attachments.RULES)
    assert len({each.code for each in rules}) == len(rules)
    assert all("MS450" <= each.code <= "MS499" for each in rules)
    assert all("**Why it matters.**" in each.page and "MS" not in each.page for each in rules)


def test_every_page_of_a_rule_begins_with_words() -> None:
    for rule in doctor.RULES:
        assert rule.page[0].isalpha(), rule.code
