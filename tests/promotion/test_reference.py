"""References: what is one, what is none, and that each is printed as it was read."""

from __future__ import annotations

import subprocess
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.promotion.reference import (
    InvalidReference,
    Reference,
    Repository,
    parse_digest,
    parse_tag,
    tag_of,
)

DIGEST = "sha256:" + "a1" * 32

hosts = st.sampled_from(["quay.io", "localhost", "localhost:5000", "127.0.0.1:5000", "a-b.c:1"])
paths = st.from_regex(r"\A[a-z0-9]{1,6}((\.|_|__|-|--|/)[a-z0-9]{1,6}){0,3}\Z")
tags = st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
digests = st.from_regex(r"\Asha256:[0-9a-f]{64}\Z")
names = tags.map(lambda tag: f":{tag}") | digests.map(lambda digest: f"@{digest}")


@given(hosts, paths, names)
def test_a_reference_is_printed_as_it_was_read(host: str, path: str, name: str) -> None:
    text = f"{host}/{path}{name}"
    read = Reference.parse(text)
    assert str(read) == text
    assert Reference.parse(str(read)) == read
    assert Repository.parse(f"{host}/{path}") == read.repository


@given(st.text(max_size=60))
def test_any_other_text_is_refused_and_nothing_else_happens(text: str) -> None:
    with suppress(InvalidReference):
        assert str(Reference.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("vllm", "does not begin with a registry"),
        ("vllm:1", "does not begin with a registry"),
        ("vllm/vllm-rocm:1", "does not begin with a registry"),
        ("quay.io/vllm/app", "no tag and no digest"),
        (f"quay.io/vllm/app:1@{DIGEST}", "a tag and a digest"),
        ("docker://quay.io/vllm/app:1", "transport `docker:`"),
        ("dir:/etc", "transport `dir:`"),
        ("oci:layout:1", "transport `oci:`"),
        ("foo://quay.io/a/b:1", "transport `foo:`"),
        ("--help", "does not begin with a registry"),
        ("-v/a:1", "does not begin with a registry"),
        ("-quay.io/a:1", "does not begin with a registry"),
        ("quay.io/a:-v1", "is no tag"),
        ("quay.io/a:a;id", "is no tag"),
        ("quay.io/a:$(id)", "is no tag"),
        ("quay.io/a:a\nb", "is no tag"),
        ("quay.io/a:1\n", "is no tag"),
        ("quay.io/a:a b", "is no tag"),
        ("quay.io/a:é", "is no tag"),
        ("quay.io/a:\u0661", "is no tag"),
        ("quay.io/a:.hidden", "is no tag"),
        ("quay.io/a:a/b", "no repository's name|is no tag"),
        ("quay.io/a:", "is no tag"),
        ("quay.io/a:" + "x" * 129, "129 characters long, and 128"),
        ("quay.io/A/b:1", "no repository's name"),
        ("Quay.io/a:1", "in lower case"),
        ("quay.io//a:1", "no repository's name"),
        ("quay.io/a/../b:1", "no repository's name"),
        ("quay.io/a/:1", "no repository's name"),
        ("quay.io/a___b:1", "no repository's name"),
        ("quay.io:99999999/a:1", "no registry's name"),
        ("user@quay.io/a:1", "."),
        ("quay.io/" + "a" * 250 + ":1", "258 characters, and 255"),
        (f"quay.io/a@{DIGEST.upper()}", "no digest"),
        ("quay.io/a@sha256:abcd", "no digest"),
        ("quay.io/a@md5:" + "a" * 32, "no digest"),
        ("", "does not begin with a registry"),
    ],
)
def test_a_text_that_is_no_reference_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidReference, match=why):
        Reference.parse(text)


@pytest.mark.parametrize(
    "text", ["quay.io/a:1", f"quay.io/a@{DIGEST}", "a/b", "docker://quay.io/a"]
)
def test_a_repository_is_neither_a_reference_nor_a_short_name(text: str) -> None:
    with pytest.raises(InvalidReference):
        Repository.parse(text)


def test_a_version_with_a_plus_is_a_tag_with_an_underscore() -> None:
    assert tag_of("0.33.0+cu130") == "0.33.0_cu130"
    assert tag_of("0.33.0") == "0.33.0"


def test_a_reference_can_only_be_made_whole() -> None:
    repository = Repository.parse("quay.io/a/b")
    assert str(repository.tagged("v1")) == "quay.io/a/b:v1"
    assert repository.pinned(DIGEST).name == DIGEST
    with pytest.raises(ValueError, match="never both"):
        Reference(repository)
    with pytest.raises(ValueError, match="never both"):
        Reference(repository, parse_tag("a"), parse_digest(DIGEST))


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:1/a--b/c__d.e:_x.-Y",
        "localhost/a:" + "x" * 128,
        f"127.0.0.1:1/{'a' * 243}@{DIGEST}",
    ],
)
def test_skopeo_takes_what_we_take(text: str) -> None:
    assert str(Reference.parse(text)) == text
    done = subprocess.run(
        ["skopeo", "inspect", "--raw", "--", f"docker://{text}"],  # noqa: S607
        capture_output=True,
        check=False,
    )
    assert b"connection refused" in done.stderr
