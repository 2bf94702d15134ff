"""docs/conversion.md, held to a smaller sample of what it was made from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from corpus import LAWS, PAGE, ROOT, Corpus, breaches_of, examine, line
from midstream.adapters.files import Tree
from midstream.converting import convert
from midstream.dockerfile.scan import parse
from midstream.overlay.tables import load_tables
from midstream.source import Source

if TYPE_CHECKING:
    from pathlib import Path

    from releases import Releases

SAMPLE = ("0.11.0", "0.33.0")


def test_the_page_says_that_every_law_holds() -> None:
    text = PAGE.read_text("utf-8")
    for law in LAWS:
        assert f"| {law} | 0 | 0 |\n" in text


def test_the_page_counts_every_release_once() -> None:
    releases = re.findall(r"^\| (0\.\S+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(set(releases)) == len(releases) >= 60
    assert set(SAMPLE) < set(releases)


@pytest.mark.releases
def test_a_sample_gives_what_the_page_says(releases: Releases, tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    text = PAGE.read_text("utf-8")
    for release in SAMPLE:
        assert line(release, corpus.release(releases.files(release))) in text
    for row in (*corpus.known.values(), *corpus.stressed.values()):
        assert not +row.broken


BEFORE = "FROM ubuntu:24.04\nRUN apt-get install -y git \\\n    && make\n"


def breaches(folder: Path, old: str, new: str) -> list[str]:
    """The laws that are broken where the result has another text than it should."""
    source = Source("Dockerfile", BEFORE)
    tables = load_tables(Tree(ROOT), "ubi9")
    done = convert(source, tables)
    assert old in done.assembled.source.text
    text = done.assembled.source.text.replace(old, new)
    done = replace(done, assembled=replace(done.assembled, source=Source("Dockerfile", text)))
    result = parse(done.assembled.source)
    return sorted(set(breaches_of(source, done, result, tables, folder)))


def test_a_result_that_is_right_breaks_no_law(tmp_path: Path) -> None:
    assert breaches(tmp_path, "make", "make") == []
    row = examine("Dockerfile", BEFORE.encode(), load_tables(Tree(ROOT), "ubi9"), tmp_path)
    assert (row.files, row.runs, row.changed, row.traced) == (1, 1, 2, 1)
    assert not +row.broken


@pytest.mark.parametrize(
    ("old", "new", "laws"),
    [
        ("make", "male", [3]),
        ("make", "(make", [2, 3]),
        ("FROM", "ENV A\nFROM", [1, 3]),
        ("make", "dpkg -l", [3, 5]),
        ("make", "apt-get update", [3, 4, 5]),
    ],
)
def test_a_result_that_is_wrong_breaks_the_laws_that_it_should(
    tmp_path: Path, old: str, new: str, laws: list[int]
) -> None:
    assert set(breaches(tmp_path, old, new)) >= {LAWS[number] for number in laws}
