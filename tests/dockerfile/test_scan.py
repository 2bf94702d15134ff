from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dockerfiles import buildkit
from dockerfiles.cases import READABLE, REFUSED
from midstream.dockerfile.scan import RULES, parse, render
from midstream.source import Source

if TYPE_CHECKING:
    from midstream.dockerfile.model import Dockerfile

REFUSALS = frozenset(("MS100", "MS104", "MS106", "MS109"))
"""The findings that say: BuildKit's parser refuses this. (Others it finds out later.)"""


def read(text: str) -> Dockerfile:
    return parse(Source("Dockerfile", text))


def codes(text: str) -> list[str]:
    return [found.rule.code for found in read(text).diagnostics]


def marked(text: str) -> list[tuple[str, str]]:
    """Each finding's code, and the text that it points at."""
    whole = read(text)
    return [(found.rule.code, whole.text(found.span)) for found in whole.diagnostics]


# What BuildKit's own parser says


@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE.keys())
def test_every_case_is_read_as_buildkit_reads_it(text: str) -> None:
    assert buildkit.ours(text) == buildkit.theirs(text)


@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE.keys())
def test_what_buildkit_takes_is_not_refused(text: str) -> None:
    assert not REFUSALS & set(codes(text))


@pytest.mark.parametrize(("text", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_what_buildkit_refuses_has_one_finding(text: str, code: str) -> None:
    assert buildkit.theirs(text) is None
    assert [found for found in codes(text) if found in REFUSALS] == [code]


PIECES = (
    "FROM a", "RUN x", "run y", "COPY a b", "ENV A=b", "LABEL c", "ARG X", "CMD ", "ONBUILD ",
    "HEALTHCHECK CMD x", '["a", "b"]', "--f=x", "--g ", "-- ", "cat ", "|",
    "\n", "\n", "\n", "\r\n", "\r", "\\\n", "\\\n", "\\ \n", "\\\\\n", "\\", " ", "\t", "\v", "\f",
    "\x85", "\xa0", "\u2028", "\x1c",
    "# c\n", "  # c\n", "# escape=`\n", "`\n", "# syntax=a\n",
    "<<EOF", "<<-EOF", "<<'EOF'", '<<"E F"', "3<<X", "EOF\n", "\nEOF\n", "\tEOF\n", "X\n",
    "'", '"', "$", "${X^^}", "${X[@]}", "${X:0:1}", "${A:-b c}",
)  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_any_text_of_dockerfile_pieces_is_read_as_buildkit_reads_it(text: str) -> None:
    # BuildKit looks at a flag byte by byte, so that it cuts these characters in two.
    assume(not re.search(r"--[fg]\S*[\x85\xa0\u2028]", text, re.ASCII))
    theirs = buildkit.theirs(text)
    if theirs is None:
        assert REFUSALS & set(codes(text))
    elif any(not each.keyword for each in theirs):  # BuildKit refuses these one step later
        assert "MS103" in codes(text)
    else:
        assert buildkit.ours(text) == theirs
        assert not REFUSALS & set(codes(text))


# Where the parser that stands in for BuildKit is too old to be asked


def test_check_is_a_directive_that_others_may_follow() -> None:
    found = read("# check=skip=all\n# syntax=x\n# escape=`\nFROM a\nRUN b `\n c\n")
    assert found.directives == (("check", "skip=all"), ("syntax", "x"), ("escape", "`"))
    assert [each.value for each in found.instructions] == ["a", "b  c"]


def test_blanks_may_stand_before_a_heredocs_word() -> None:
    found = read("FROM a\nRUN cat << EOF > x\nFROM b\nEOF\nRUN c\n")
    assert [each.value for each in found.instructions] == ["a", "cat << EOF > x", "c"]
    assert found.text(found.instructions[1].heredocs[0].opener) == "<< EOF"


def test_a_heredoc_may_stand_beside_a_trimmed_or_replaced_variable() -> None:
    found = read("FROM a\nRUN cat ${X#*=} ${Y/a/b} <<EOF\nx\nEOF\n")
    assert len(found.instructions[1].heredocs) == 1


# What the model holds


def test_an_instruction_knows_the_places_of_its_parts() -> None:
    found = read("FROM a\n RUN --mount=type=cache \\\n  # why\n  make all\n")
    run = found.instructions[1]
    assert found.text(run.span) == "RUN --mount=type=cache \\\n  # why\n  make all\n"
    assert found.text(run.keyword_span) == "RUN"
    assert [found.text(flag.span) for flag in run.flags] == ["--mount=type=cache"]
    assert found.text(run.arguments) == "make all"
    assert (run.first_line, run.last_line) == (2, 4)


def test_arguments_keep_comments_and_continuations_and_value_has_them_joined() -> None:
    run = (found := read("FROM a\nRUN a \\\n# why\n  && b\n")).instructions[1]
    assert found.text(run.arguments) == "a \\\n# why\n  && b"
    assert run.value == "a   && b"


def test_a_heredoc_knows_its_opener_its_body_and_its_end() -> None:
    found = read("FROM a\nRUN cat 3<<-'EOF' >x\n\ta\n\tEOF\nRUN b\n")
    heredoc = found.instructions[1].heredocs[0]
    assert found.text(heredoc.opener) == "3<<-'EOF'"
    assert found.text(heredoc.body) == "\ta\n"
    assert found.text(heredoc.terminator) == "\tEOF\n"
    assert (heredoc.name, heredoc.file_descriptor) == ("EOF", 3)
    assert (heredoc.chomp, heredoc.expand) == (True, False)
    assert found.text(found.instructions[1].span).endswith("\tEOF\n")


def test_a_heredoc_expands_where_its_word_is_plain_or_escaped() -> None:
    run = read("FROM a\nRUN cat <<A <<\\B <<C'D'\nA\nB\nCD\n").instructions[1]
    assert [(each.name, each.expand) for each in run.heredocs] == [
        ("A", True), ("B", True), ("CD", False),
    ]  # fmt: skip


def test_onbuild_carries_an_instruction_with_its_flags_and_heredocs() -> None:
    found = read("FROM a\nONBUILD RUN --mount=type=tmpfs,target=/t <<EOF\nx\nEOF\nCMD y\n")
    outer = found.instructions[1]
    assert outer.trigger is not None
    assert outer.trigger.keyword == "RUN"
    assert outer.trigger.flag("mount") is not None
    assert found.text(outer.heredocs[0].body) == "x\n"
    assert [each.keyword for each in found.instructions] == ["FROM", "ONBUILD", "CMD"]


def test_flags_are_found_by_name() -> None:
    run = read("FROM a\nRUN --mount=type=a --mount=type=b --Security=x --link y\n").instructions[1]
    assert [each.value for each in run.flags_named("mount")] == ["type=a", "type=b"]
    security, link = run.flag("security"), run.flag("link")
    assert security is not None
    assert security.value == "x"
    assert link is not None
    assert link.value is None
    assert run.flag("network") is None


def test_global_args_stand_before_the_stages() -> None:
    found = read("ARG A=1\nARG B\nFROM a\nARG A\n")
    assert [each.value for each in found.preamble] == ["A=1", "B"]
    assert found.stage_of(found.preamble[0]) is None
    assert found.stage_of(found.instructions[-1]) == found.stages[0]


def test_a_file_without_stages_is_all_preamble() -> None:
    assert [each.value for each in read("ARG A\nARG B\n").preamble] == ["A", "B"]


def test_stages_have_images_names_platforms_and_numbers() -> None:
    found = read(
        "FROM --platform=$P registry:5000/a@sha256:0 As One\nFROM \\\n  b\nFROM scratch AS t\n"
    )
    assert [(s.index, s.label, s.name, s.image, s.platform) for s in found.stages] == [
        (0, "One", "One", "registry:5000/a@sha256:0", "$P"),
        (1, "1", None, "b", None),
        (2, "t", "t", "scratch", None),
    ]
    assert [found.text(stage.image_span) for stage in found.stages] == [
        "registry:5000/a@sha256:0", "b", "scratch",
    ]  # fmt: skip


def test_the_comments_before_a_from_lead_its_stage() -> None:
    found = read("# top\nFROM a\nRUN x\n\n# about b\nFROM b\n")
    first, second = found.stages
    assert found.source.text[first.lead : first.span.start] == "# top\n"
    assert found.source.text[second.lead : second.span.start] == "\n# about b\n"
    assert found.text(first.span) == "FROM a\nRUN x\n"


# Bad input


def test_every_rule_has_a_page_and_a_code_of_its_own() -> None:
    assert all(rule.page for rule in RULES)
    assert [rule.code for rule in RULES] == [f"MS10{n}" for n in range(10)]


def test_a_binary_file_is_one_finding() -> None:
    assert marked("FROM a\0\nFOO\n") == [("MS101", "\0")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ARG A\n", [("MS102", "")]),
        ("ARG A\nRUN x\nCOPY a b\nFROM a\n", [("MS102", "RUN")]),
        ("FROM a\nINSTALL x\n", [("MS103", "INSTALL")]),
        ("FROM a\n\\\n", [("MS103", "\\")]),
        ("FROM a\nRUN cat <<EOF\nx\n", [("MS104", "<<EOF")]),
        ("FROM a b\n", [("MS105", "a b")]),
        ("FROM a with b\n", [("MS105", "a with b")]),
        ("FROM\n", [("MS105", "")]),
        ("# escape=!\nFROM a\n", [("MS106", "# escape=!")]),
        ("FROM a AS x\nFROM b AS X\n", [("MS107", "b AS X")]),
        ("FROM a\nWORKDIR\n", [("MS108", "WORKDIR")]),
        ("FROM a\nONBUILD\n", [("MS108", "ONBUILD")]),
        ("FROM a\nONBUILD COPY\n", [("MS108", "COPY")]),
        ("FROM a\nENV A\n", [("MS109", "A")]),
        ("FROM a\nENV\nLABEL\n", [("MS108", "ENV"), ("MS108", "LABEL")]),
        ("FROM a\nCMD [1, 2]\n", [("MS109", "[1, 2]")]),
    ],
)
def test_what_is_wrong_is_shown_at_its_place(text: str, expected: list[tuple[str, str]]) -> None:
    assert marked(text) == expected


def test_every_finding_says_what_to_do() -> None:
    texts = [text for text, _ in REFUSED.values()]
    texts += ["x\0", "RUN a\n", "FROM a\nFOO\n", "FROM a b\n", "FROM a AS x\nFROM b AS x\n"]
    assert all(found.help for text in texts for found in read(text).diagnostics)


def test_two_stages_of_one_name_are_no_error() -> None:
    assert not any(found.is_error for found in read("FROM a AS x\nFROM b AS x\n").diagnostics)


def test_a_deeply_nested_exec_form_is_no_exec_form() -> None:
    assert read(f"FROM a\nCMD {'[' * 100_000}\n").instructions[1].json is None


def test_a_line_of_ten_megabytes_is_read() -> None:
    found = read(f"FROM a\nRUN echo {'x' * 10_000_000}\n")
    assert len(found.instructions[1].value) == 10_000_005


# Laws

ANY_BYTES = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from(PIECES).map(str.encode) | st.binary(max_size=3)).map(b"".join),
)


@given(ANY_BYTES)
def test_nothing_is_lost_whatever_the_bytes(data: bytes) -> None:
    source = Source.from_bytes("Dockerfile", data)
    assert render(parse(source)) == source.text
    assert source.data == data


@given(ANY_BYTES)
def test_spans_lie_within_each_other_and_in_order(data: bytes) -> None:
    found = parse(Source.from_bytes("Dockerfile", data))
    done = 0
    for each in found.instructions:
        assert each.span.start >= done
        done = each.span.end
        parts = [each.keyword_span, each.arguments, *(flag.span for flag in each.flags)]
        for heredoc in each.heredocs:
            parts += [heredoc.opener, heredoc.body, heredoc.terminator]
        assert all(part in each.span for part in parts)
    assert done <= len(found.source.text)


@given(ANY_BYTES)
def test_every_instruction_after_the_preamble_is_in_one_stage(data: bytes) -> None:
    found = parse(Source.from_bytes("Dockerfile", data))
    in_stages = [each for stage in found.stages for each in stage.instructions]
    assert (*found.preamble, *in_stages) == found.instructions
    assert all(found.stage_of(each) == s for s in found.stages for each in s.instructions)
