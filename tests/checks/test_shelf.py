from __future__ import annotations

from assumptions.looking import on_ubi, told, view
from midstream.checks.shelf import CHECKS, check_all


def test_every_check_has_its_say_in_order() -> None:
    text = on_ubi("RUN apt-get update && dnf install --nogpgcheck $A")
    codes = [code for code, _, _ in told(check_all(view(text)))]
    assert codes == ["MS350", "MS354", "MS352", "MS358", "MS356", "MS355", "MS357"]


def test_no_two_checks_share_a_name_or_a_code() -> None:
    names = [each.NAME for each in CHECKS]
    codes = [rule.code for each in CHECKS for rule in each.RULES]
    assert len(set(names)) == len(names)
    assert len(set(codes)) == len(codes)
    assert all(rule.page.startswith("**What it says.**") for each in CHECKS for rule in each.RULES)
