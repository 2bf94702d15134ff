"""What holds for all conversions together, whatever stands in the Dockerfile."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from conversions.subjects import EVERY_REPOSITORY, convert, subject
from midstream.conversions.shelf import CONVERSIONS, RULES, convert_all
from midstream.edit import apply_edits
from midstream.source import Span
from midstream.ubi.subject import Sibling

UBUNTU = "FROM ubuntu:24.04\n"
UBI = "FROM registry.access.redhat.com/ubi9/ubi:9.8\n"


def test_each_rule_has_one_code_and_a_page() -> None:
    assert len({rule.code for rule in RULES}) == len(RULES)
    assert all(rule.page for rule in RULES)
    assert {rule for each in CONVERSIONS for rule in each.RULES} == set(RULES)


def test_a_file_with_nothing_debian_comes_out_byte_for_byte() -> None:
    text = (
        "# syntax=docker/dockerfile:1\r\n"
        "FROM registry.access.redhat.com/ubi9/ubi-minimal:9.8 AS a\r\n"
        "ENV A=1   B=2\r\n"
        "RUN microdnf install -y git \\\r\n"
        "    # a comment\r\n"
        "    && microdnf clean all\r\n"
        "COPY --from=b /usr/lib/x /usr/lib64/\r\n"
        "ENTRYPOINT [\"app\"]"
    )  # fmt: skip
    result = convert(subject(text))
    assert result.text == text
    assert not result.edits


def test_windows_line_ends_stay() -> None:
    text = UBUNTU.replace("\n", "\r\n") + (
        "RUN apt-get update \\\r\n    # why\r\n    && apt-get install -y ccache git\r\nUSER 1\r\n"
    )
    result = convert(subject(text))
    assert "\n" not in result.text.replace("\r\n", "")
    assert "    # why\r\n" in result.text


def test_a_stage_that_is_not_live_is_left_alone() -> None:
    text = UBUNTU + "RUN apt-get update\n" + UBUNTU + "RUN apt-get install -y git\n"
    before = subject(text, live=frozenset((1,)))
    after = apply_edits(text, convert_all(before).edits)
    assert after == UBUNTU + "RUN apt-get update\n" + UBI + "RUN dnf install -y --nodocs git\n"


def test_what_an_overlay_claims_is_left_alone() -> None:
    text = UBUNTU + "RUN apt-get install -y git\nRUN apt-get install -y jq\n"
    start = text.index("RUN apt-get install -y git")
    claimed = (Span(start, text.index("\n", start) + 1),)
    outcome = convert_all(subject(text, claimed=claimed))
    assert apply_edits(text, outcome.edits) == UBI + (
        "RUN apt-get install -y git\nRUN dnf install -y --nodocs jq\n"
    )
    assert not outcome.diagnostics


def test_a_repository_that_the_overlay_does_not_list_is_a_finding() -> None:
    text = UBUNTU + "RUN apt-get update && apt-get install -y ccache\n"
    result = convert(subject(text, repositories=()))
    assert result.messages == [
        "MS204 `ccache` comes from `epel`, which this overlay doesn't enable"
    ]
    assert result.text == UBI + "RUN apt-get update && apt-get install -y ccache\n"


def test_a_source_whose_repository_is_off_is_a_finding() -> None:
    source = "deb https://apt.repos.intel.com/oneapi all main"
    line = f'RUN echo "{source}" > /etc/apt/sources.list.d/x.list\n'
    result = convert(subject(UBUNTU + line, repositories=()))
    assert result.codes == ["MS205"]
    assert result.found[0].help == "add `oneapi` to `repositories:` of the overlay"
    assert result.text == UBI + line


def test_a_sibling_has_its_repositories_already() -> None:
    text = "FROM our/base:1\nRUN apt-get install -y ccache\n"
    ours = Sibling("base", "our/base:1", "microdnf", {}, repositories=frozenset(("epel",)))
    before = subject(text, siblings={"our/base:1": ours})
    assert apply_edits(text, convert_all(before).edits) == (
        "FROM our/base:1\nRUN microdnf install -y --nodocs ccache\n"
    )


def test_a_value_given_from_outside_is_not_rewritten_in_its_default() -> None:
    text = "ARG BASE=ubuntu:24.04\nFROM ${BASE}\n"
    outcome = convert_all(subject(text, arguments={"BASE": "debian:12"}))
    assert not outcome.edits
    assert [each.rule.code for each in outcome.diagnostics] == ["MS230"]


def test_a_base_with_variables_that_no_glob_reaches_is_a_finding() -> None:
    text = "ARG IMAGE=nvidia/cuda:13.0.1-devel\nFROM ${IMAGE}-ubuntu22.04\n"
    outcome = convert_all(subject(text))
    assert not outcome.edits
    assert [each.rule.code for each in outcome.diagnostics] == ["MS230"]


@pytest.mark.parametrize(
    ("platform", "url"),
    [("ubi9", "epel-release-latest-9."), ("ubi10", "epel-release-latest-10.")],
)
def test_a_repository_is_the_platforms_own(platform: str, url: str) -> None:
    result = convert(subject(UBUNTU + "RUN apt-get install -y ccache\n", platform=platform))
    assert url in result.text


def test_a_python_of_another_version_is_not_taken_for_the_platforms() -> None:
    text = UBUNTU + "ARG V=3.11\nRUN apt-get install -y python${V}-dev\n"
    assert not convert(subject(text)).found
    assert convert(subject(text, platform="ubi10")).codes == ["MS206"]


FRAGMENTS = (
    "apt-get update", "apt-get install -y git", "apt-get install -y ccache curl",
    "rm -rf /var/lib/apt/lists/*", "apt-get clean", "make", "echo 'a b' > f", "[ -f x ]",
    "apt-get purge -y git", "add-apt-repository -y ppa:deadsnakes/ppa", "(cd x; make)",
    "if [ -n \"$A\" ]; then apt-get update; fi", "echo x | debconf-set-selections",
    "for i in 1 2; do apt-get update && break; done", "mkdir -p /etc/apt/keyrings",
    "curl -L k | gpg --dearmor > /etc/apt/keyrings/k.gpg", "lsb_release -cs", "set -e",
    "V=$(dpkg --print-architecture)", "{ apt-get update; apt-get install -y jq; }",
    "export DEBIAN_FRONTEND=noninteractive", "apt-get install -y nothing-such", "! apt-get update",
)  # fmt: skip
JOINTS = (
    " && ",
    "; ",
    " || ",
    " | ",
    " \\\n    && ",
    "; \\\n    # why\n    ",
    " && \\\n  # why\n  ",
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=5),
    st.lists(st.sampled_from(JOINTS), min_size=4, max_size=4),
    st.sampled_from(("", "apt-get update", "make")),
)
def test_the_laws_hold_for_any_chain(commands: list[str], joints: list[str], other: str) -> None:
    body = commands[0]
    for joint, command in zip(joints, commands[1:], strict=False):
        body += joint + command
    text = f"{UBUNTU}RUN {body}\n" + (f"RUN {other}\n" if other else "") + "USER 1\n"
    result = convert(subject(text, repositories=EVERY_REPOSITORY))
    assert result.text.endswith("USER 1\n")
    assert result.text.count("# why") == text.count("# why")
    if not result.found:
        assert "apt" not in result.text


def test_a_base_that_becomes_an_image_nobody_describes_is_a_finding() -> None:
    known = subject("FROM our/base:1\nRUN apt-get update\n")
    rule = replace(known.images.rules[0], match="our/base:*", to="quay.io/us/ours:1")
    outcome = convert_all(replace(known, images=replace(known.images, rules=(rule,))))
    assert outcome.edits == ()
    (found,) = outcome.diagnostics
    assert found.rule.code == "MS232"
    assert found.message == "`our/base:1` becomes `quay.io/us/ours:1`, which ubi9 doesn't describe"
    assert "platforms/ubi9.yaml" in (found.help or "")
