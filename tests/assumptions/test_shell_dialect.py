from __future__ import annotations

import pytest

from assumptions.looking import MANYLINUX, UBI, converted, look, sibling, told
from midstream.adapters import process
from midstream.assumptions.shell_dialect import convert
from midstream.source import Span


def on_debian(*lines: str) -> str:
    return "\n".join(("FROM ubuntu:22.04 AS final", *lines, ""))


def found(text: str) -> list[tuple[str, int, str]]:
    return told(convert(look(text)).diagnostics)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (r'RUN echo "import a\n\nb" > a.py', r"""RUN printf '%b\n' "import a\n\nb" > a.py"""),
        (r"RUN a && echo 'b\tc' && d", r"RUN a && printf '%b\n' 'b\tc' && d"),
        (r'RUN echo -n "a\n"', r'RUN printf %b "a\n"'),
        (r'RUN echo "$A\n$B" >> f', r"""RUN printf '%b\n' "$A\n$B" >> f"""),
        (r'RUN if a; then echo "b\\c"; fi', r"""RUN if a; then printf '%b\n' "b\\c"; fi"""),
        ("RUN <<EOF\necho 'a\\nb'\nEOF", "RUN <<EOF\nprintf '%b\\n' 'a\\nb'\nEOF"),
        ("""RUN sh -c 'echo "a\\nb"'""", """RUN sh -c 'printf '\\''%b\\n'\\'' "a\\nb"'"""),
        ('SHELL ["/bin/sh", "-ec"]\nRUN echo "a\\n"',
         'SHELL ["/bin/sh", "-ec"]\nRUN printf \'%b\\n\' "a\\n"'),
    ],
)  # fmt: skip
def test_an_echo_of_one_word_with_escapes_becomes_printf(before: str, after: str) -> None:
    assert converted(convert, on_debian(before)) == on_debian(after)
    assert found(on_debian(after)) == []


@pytest.mark.parametrize("word", [r'"a\nb"', r"'a\tb\\c'", r'"\0101\n"', r'"x\c"', r'"a\\nb"'])
@pytest.mark.parametrize("flag", ["", "-n "])
def test_bash_writes_what_dash_wrote(word: str, flag: str) -> None:
    before = on_debian(f"RUN echo {flag}{word}")
    after = converted(convert, before)
    dash, bash = (text.split("RUN ", 1)[1].encode() for text in (before, after))
    wrote = process.run("dash", input=dash, timeout=30).stdout
    assert process.run("bash", "--posix", input=bash, timeout=30).stdout == wrote


@pytest.mark.parametrize(
    "line",
    [
        r'RUN echo a "b\n"',
        r'RUN echo > f "b\n"',
        r'RUN echo "\x41\n"',
        'RUN echo \\\n  "a\\n"',
    ],
)
def test_an_echo_that_says_more_is_found(line: str) -> None:
    text = on_debian(line)
    assert converted(convert, text) == text
    assert [code for code, _, _ in found(text)] == ["MS312"]


@pytest.mark.parametrize(
    "line",
    [
        "RUN echo a && echo && echo -n",
        r'RUN echo "a\$b"',
        r"RUN echo a\nb",
        r'RUN printf "a\n"',
        r'RUN echo "a\dx"',
        r"""RUN bash -c 'echo "a\n"'""",
        "RUN bash <<EOF\necho 'a\\n'\nEOF",
        "RUN <<EOF\n#!/bin/bash\necho 'a\\n'\nEOF",
        r'RUN ["echo", "a\\n"]',
        'SHELL ["/bin/bash", "-c"]\nRUN echo "a\\n" && [[ a == b ]]',
        'LABEL a="echo \\n"',
    ],
)
def test_what_means_the_same_in_both_is_left(line: str) -> None:
    assert converted(convert, on_debian(line)) == on_debian(line)
    assert found(on_debian(line)) == []


@pytest.mark.parametrize(
    ("line", "marked"),
    [
        ("RUN if [[ $A == b ]]; then c; fi", "[[ $A == b ]]"),
        ('RUN [ "$A" == b ] && c', '[ "$A" == b ]'),
        ("RUN test $A == b", "test $A == b"),
    ],
)
def test_a_test_that_dash_does_not_know_is_found(line: str, marked: str) -> None:
    assert found(on_debian(line)) == [("MS312", 2, marked)]


def test_a_shell_is_inherited_from_what_a_stage_is_from() -> None:
    shell = 'FROM ubuntu:22.04 AS a\nSHELL ["bash", "-c"]\nFROM a\n'
    text = shell + 'RUN echo "a\\n"\nSHELL ["sh", "-c"]\nRUN echo "b\\n"\n'
    assert converted(convert, text) == text.replace('echo "b', "printf '%b\\n' \"b")


@pytest.mark.parametrize("base", [UBI, MANYLINUX])
def test_what_was_bash_already_is_left(base: str) -> None:
    text = f'FROM {base}\nRUN echo "a\\n" && [ a == b ]\n'
    assert converted(convert, text) == text
    assert found(text) == []


def test_a_stage_on_a_sibling_was_read_by_dash_too() -> None:
    text = 'FROM ours:1\nRUN echo "a\\n"\n'
    assert "printf" in converted(convert, text, siblings=sibling("ours:1"))


def test_what_an_edit_owns_is_left() -> None:
    text = on_debian('RUN echo "a\\n"')
    claimed = (Span(text.index("RUN"), len(text)),)
    assert converted(convert, text, claimed=claimed) == text
