from __future__ import annotations

from msgspec.structs import replace

from assumptions.looking import on_ubi, view
from midstream.checks.accepted_repositories import check


def codes(profile: str, *repositories: str) -> list[str]:
    seen = view(on_ubi("RUN a"), profile=profile)
    subject = replace(seen.subject, repositories=repositories)
    return [f"{each.rule.code} {each.message}" for each in check(replace(seen, subject=subject))]


def test_a_repository_that_the_profile_refuses_is_found() -> None:
    (found,) = codes("redhat", "epel")
    assert found.startswith("MS360 `epel` (Extra Packages for Enterprise Linux)")


def test_one_that_it_accepts_or_that_nobody_describes_is_not() -> None:
    assert codes("community", "epel") == []
    assert codes("redhat", "ubi", "strange") == []
