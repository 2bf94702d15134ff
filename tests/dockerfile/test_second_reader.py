from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerfiles.cases import READABLE
from midstream.diagnostic import Severity
from midstream.dockerfile.scan import parse
from midstream.dockerfile.second_reader import RULES, read_again
from midstream.source import Source

if TYPE_CHECKING:
    from pathlib import Path


def said(text: str) -> list[tuple[str, str, str]]:
    """Code, the text pointed at, and message."""
    read = parse(Source("Dockerfile", text))
    return [(each.rule.code, read.text(each.span), each.message) for each in read_again(read)]


def codes(text: str) -> list[str]:
    return [code for code, _, _ in said(text)]


def test_a_plain_file_is_seen_alike_by_both() -> None:
    text = (
        "ARG V=3\nFROM --platform=linux/amd64 registry:5000/a:$V AS one\nENV A=1\n"
        "RUN a \\\n  # why\n  && b\nFROM one\nENV B=$A C=\"x y\" D='$A'\nENV E  f\n"
        'LABEL n="x $B" m=1 \\\n  o=p\nCMD ["x"]\n'
    )
    assert said(text) == []


@pytest.mark.parametrize(
    ("text", "code", "at", "part"),
    [
        (
            "FROM a\nRUN <<EOF\nmake all\nEOF\nCMD b\n", "MS130", "<<EOF",
            "sees 2 instructions inside this RUN: `MAKE`, `EOF`",
        ),
        (
            "FROM a\nRUN cat <<X > f\nFROM b\nX\n", "MS130", "<<X",
            "; it sees 1 stage too many",
        ),
        (
            "FROM a\nRUN <<EOF\nx \\\nEOF\nCMD y\n", "MS130", "<<EOF",
            "sees 1 instruction inside this RUN: `X`",
        ),
        (
            "FROM a\nRUN <<EOF\nEOF\nRUN <<EOF\nx\\\nEOF\\\nEOF\nCMD y\n", "MS130", "<<EOF", "EOF",
        ),
        (
            "FROM a\nRUN a \\\n\n  && b\n", "MS131", "RUN", "`&&`",
        ),
        (
            "FROM a\nRUN a \\\n", "MS131", "RUN", "doesn't see this RUN",
        ),
        (
            "FROM a\nRUN a \\\\\nRUN b\n", "MS132", "RUN", "a part of the RUN above",
        ),
        (
            "# check=skip=all\n# escape=`\nFROM a\nRUN a `\n  && b\n", "MS132", "RUN", "`&&`",
        ),
        (
            "FROM a\n\\\nRUN a\n", "MS132", "RUN", "sees `\\` in place of this RUN",
        ),
        (
            "\ufeffFROM a\nRUN b\n", "MS133", "FROM", "in place of this FROM",
        ),
        (
            "ARG V=1\nARG B=a:$V\nFROM $B\n", "MS134", "$B",
            "`a:$V` here; by the defaults it is `a:1`",
        ),
        (
            "ARG V\nFROM a:${V:-2}\n", "MS134", "a:${V:-2}", "it is `a:2`",
        ),
        (
            "FROM a\nLABEL a=${X:-y}\n", "MS135", "a=${X:-y}",
            "as the label `a`; by this file it is `y`",
        ),
        (
            "FROM a\nENV A=${X:-y}\n", "MS136", "A=${X:-y}",
            "as the variable `A`; by this file it is `y`",
        ),
        (
            "FROM a\nRUN cat <<X > f\nENV A=1\nX\n", "MS136", "a", "`A` in the last stage, which",
        ),
        (
            "FROM a\nRUN a \\\\\nLABEL a=b\n", "MS135", "a=b", "doesn't see the label",
        ),
        (
            'FROM a\nARG V="1" # why\nLABEL a=b\n', "MS137", 'V="1" # why', "can't find =",
        ),
        (
            "FROM a\nENV A=1\nARG X=1 B\nENV C=1\n", "MS137", "X=1 B", "can't find =",
        ),
    ],
)  # fmt: skip
def test_what_a_tool_would_see_is_said_at_its_place(
    text: str, code: str, at: str, part: str
) -> None:
    found = [(place, message) for each, place, message in said(text) if each == code]
    assert [place for place, _ in found] == [at]
    assert part in found[0][1]


def test_a_kind_of_difference_is_shown_once_and_counted() -> None:
    text = "FROM a\n" + "RUN <<EOF\nmake all\nEOF\n" * 3
    [(code, _, message)] = said(text)
    assert code == "MS130"
    assert message.endswith("(and 2 more like it)")


def test_lines_of_python_that_look_like_stages_are_counted() -> None:
    text = "FROM a\nRUN python3 <<P\nfrom b import c\nfrom d import e\nP\n"
    [(_, _, message)] = said(text)
    assert message.endswith("`FROM`, `P`; it sees 2 stages too many")


def test_bytes_that_are_no_text_can_not_be_read_by_it_at_all() -> None:
    read = parse(Source.from_bytes("Dockerfile", b"FROM a\nRUN \xff\n"))
    [found] = read_again(read)
    assert found.rule.code == "MS137"
    assert "not UTF-8" in found.message


def test_a_file_without_a_stage_is_left_alone() -> None:
    assert said("RUN a\n") == []
    assert said("") == []


def test_what_a_stage_inherits_is_no_difference() -> None:
    assert said("FROM a AS b\nENV P=/x\nFROM b\nENV P=/y:$P\nLABEL l=$P\n") == []


def test_these_are_warnings_with_a_way_out_and_a_page() -> None:
    read = parse(Source("Dockerfile", "\ufeffFROM a\nRUN <<EOF\nx\nEOF\n"))
    assert {each.severity for each in read_again(read)} == {Severity.WARNING}
    assert all(each.help for each in read_again(read))
    assert all("What it says." in rule.page for rule in RULES)


@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE.keys())
def test_no_construct_is_seen_otherwise_without_a_known_cause(text: str) -> None:
    assert "MS139" not in codes(text)


KNOWN = (
    "RUN a \\\n",
    "# c\n",
    "  && b\n",
    "ENV A=1 B=$A\n",
    'LABEL l="x"\n',
    "COPY a b\n",
    "CMD x\n",
)


@given(st.lists(st.sampled_from(KNOWN)).map("".join))
def test_what_it_reads_rightly_gives_no_finding(text: str) -> None:
    text = f"FROM a\n{text}RUN end\n"
    read = parse(Source("Dockerfile", text))
    if not any(found.is_error for found in read.diagnostics):
        assert said(text) == []


@given(st.lists(st.sampled_from([*KNOWN, "<<EOF\n", "EOF\n", "\n", "\\\n", "x\\\\\n", "\ufeff"])))
def test_reading_again_never_raises(parts: list[str]) -> None:
    codes("FROM a\n" + "".join(parts))


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said("FROM a\nLABEL a=b\n")
    assert list(tmp_path.iterdir()) == []


def test_the_library_is_loaded_only_when_it_is_asked() -> None:
    script = (
        "import sys, midstream.dockerfile.second_reader as s; "
        "sys.exit('dockerfile_parse' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], env={"PYTHONPATH": ":".join(sys.path)})
    assert done.returncode == 0
