"""An RPM whose dependencies come from another repository than its own."""

from __future__ import annotations

from conversions.subjects import subject
from midstream.conversions.shelf import convert_all
from midstream.edit import apply_edits

TEXT = "FROM ubuntu:22.04\nRUN apt-get install -y ffmpeg\n"


def test_both_repositories_are_enabled_before_the_install() -> None:
    result = apply_edits(TEXT, convert_all(subject(TEXT)).edits)
    assert "epel-release" in result
    assert "centos-stream.repo" in result


def test_a_repository_that_is_not_enabled_is_named() -> None:
    found = convert_all(subject(TEXT, repositories=("epel",))).diagnostics
    assert ["comes from `crb`" in each.message for each in found] == [True]
