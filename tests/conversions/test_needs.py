"""An RPM whose dependencies come from another repository, or that lacks something."""

from __future__ import annotations

from conversions.subjects import subject
from midstream.conversions.shelf import convert_all
from midstream.diagnostic import Severity
from midstream.edit import apply_edits

TEXT = "FROM ubuntu:22.04\nRUN apt-get install -y ffmpeg\n"


def test_both_repositories_are_enabled_before_the_install() -> None:
    result = apply_edits(TEXT, convert_all(subject(TEXT)).edits)
    assert "epel-release" in result
    assert "centos-stream.repo" in result


def test_a_repository_that_is_not_enabled_is_named() -> None:
    (found,) = convert_all(subject(TEXT, repositories=("epel",))).diagnostics
    assert "comes from `crb`" in found.message
    platform = subject(TEXT).platform
    carriers = [each.name for each in platform.repositories.values() if "crb" in each.provides]
    assert found.help == f"add `{carriers[0]}` to `repositories:` of the overlay"


def test_a_name_that_is_not_known_comes_with_a_way_to_look_for_it() -> None:
    for name, advised in (("libzzz-dev", True), ("zzz", False)):
        (found,) = convert_all(subject(TEXT.replace("ffmpeg", name))).diagnostics
        advice = "look for what it provides: dnf install 'pkgconfig(zzz)'"
        assert (advice in (found.help or "")) is advised


def test_what_an_rpm_lacks_is_said_where_it_is_installed() -> None:
    (found,) = convert_all(subject(TEXT)).diagnostics
    assert (found.rule.code, found.severity) == ("MS210", Severity.WARNING)
    assert TEXT[found.span.start : found.span.end] == "ffmpeg"
    assert "`ffmpeg-free`, which stands for `ffmpeg`, lacks H.265" in found.message
    removed = TEXT.replace("install", "remove")
    assert convert_all(subject(removed)).diagnostics == ()


def test_a_warning_hides_nothing_else_of_the_instruction() -> None:
    text = TEXT.replace("ffmpeg", 'ffmpeg && eval "apt-get install x"')
    assert [each.rule.code for each in convert_all(subject(text)).diagnostics] == ["MS210", "MS209"]
