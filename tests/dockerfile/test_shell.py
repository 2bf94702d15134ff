from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.dockerfile.scan import parse
from midstream.dockerfile.shell import (
    called_scripts,
    doubts_as_findings,
    plain_text,
    quote,
    read_script,
    read_text,
    shell_text,
)
from midstream.source import Source

if TYPE_CHECKING:
    from midstream.dockerfile.commands import Command, Script
    from midstream.dockerfile.model import Dockerfile


def parsed(text: str) -> Dockerfile:
    return parse(Source("Dockerfile", f"FROM a\n{text}\n"))


def script(text: str) -> Script:
    read = parsed(text)
    return read_script(read, read.instructions[1])


def commands(text: str) -> list[str]:
    """Every command as its words, in the order of the text."""
    return [" ".join(word.value for word in each.words) for each in script(text).commands]


def only(text: str) -> Command:
    [command] = script(text).commands
    return command


# Every command, wherever it stands


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RUN a && b || c; d & e", ["a", "b", "c", "d", "e"]),
        ("RUN a | b |& c && ! d", ["a", "b", "c", "d"]),
        ("RUN if a; then b; elif c; then d; else e; fi; f", ["a", "b", "c", "d", "e", "f"]),
        ("RUN for x in 1 $Y; do a $x && b; done", ["a $x", "b"]),
        ("RUN for ((i=0; i<3; i++)); do a; done", ["", "a"]),
        ("RUN while a; do b; done; until c; do d; done", ["a", "b", "c", "d"]),
        ("RUN case $X in 1|2) a && b;; (3) c;; *) d; esac", ["a", "b", "c", "d"]),
        ("RUN { a; b; } && (c; d)", ["a", "b", "c", "d"]),
        ("RUN f() { a; }; function g { b; }; f && g", ["a", "b", "f", "g"]),
        ('RUN x=$(a | b) && y=`c` && d "$(e "$(f)")"',
         ["", "a", "b", "", "c", 'd $(e "$(f)")', 'e $(f)', "f"]),
        ("RUN a <(b) >(c)", ["a <(b) >(c)", "b", "c"]),
        ("RUN bash -c 'a && b'", ["bash -c a && b", "a", "b"]),
        ('RUN sh -ec "a \\"x\\" && b \\$X"', ['sh -ec a "x" && b $X', "a x", "b $X"]),
        ('RUN bash -euxo pipefail -c "a"', ["bash -euxo pipefail -c a", "a"]),
        ("RUN sudo bash -c 'a'", ["sudo bash -c a", "a"]),
        ('RUN bash -c "a $(b) && c \\$(d)"',
         ["bash -c a $(b) && c \\$(d)", "a $(b)", "b", "c $(d)", "d"]),
        ('RUN ["bash", "-c", "a \\"x\\" && b"]', ['bash -c a "x" && b', "a x", "b"]),
        ('CMD ["a", "b c"] "d"', ["a b c"]),
        ("CMD a && b", ["a", "b"]),
        ("ENTRYPOINT exec a", ["exec a"]),
        ("HEALTHCHECK --interval=1s CMD a || exit 1", ["a", "exit 1"]),
        ('HEALTHCHECK CMD ["a", "b"]', ["a b"]),
        ("HEALTHCHECK NONE", []),
        ("ONBUILD RUN a && b", ["a", "b"]),
        ("COPY a b", []),
        ("RUN a \\\n# why\n\n  && b # c \\\n  && d", ["a", "b"]),
        ("RUN apt\\\n-get upd\\\nate\\\n  x", ["apt-get update x"]),
        ("RUN mv $A-$B.zip x/`arch`/y", ["mv $A-$B.zip x/`arch`/y", "arch"]),
        ("RUN a cmake>=3.26 ninja", ["a cmake ninja"]),
        ("RUN export A=1 && [ -f x ] && [[ $x =~ ^a(b|c)$ ]]",
         ["export A=1", "[ -f x ]", "[[ $x =~ ^a(b|c)$ ]]"]),
        ("RUN écho 'größe' && ünd é", ["écho größe", "ünd é"]),
    ],
)  # fmt: skip
def test_every_command_is_read_wherever_it_stands(text: str, expected: list[str]) -> None:
    assert commands(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RUN <<EOF\na\nb && c\nEOF", ["a", "b", "c"]),
        ("RUN <<-EOF\n\tif a; then\n\t\tb\n\tfi\n\tEOF", ["a", "b"]),
        ("RUN <<EOF\n#!/bin/bash -e\na\nEOF", ["a"]),
        ("RUN <<EOF\n#!/usr/bin/env -S python3\na()\nEOF", []),
        ("RUN bash <<'EOF'\na\nEOF", ["bash", "a"]),
        ("RUN bash -s -- x <<'EOF' && z\na\nEOF", ["bash -s -- x", "z", "a"]),
        ("RUN <<EOF bash -x\na && b\nEOF", ["bash -x", "a", "b"]),
        ("RUN sh <<EOF && bash <<TWO\na\nEOF\nb\nTWO", ["sh", "bash", "a", "b"]),
        ("RUN cat <<EOF | bash\na\nEOF", ["cat", "bash", "a"]),
        ("RUN cat <<EOF | grep x\na\nEOF", ["cat", "grep x"]),
        ("RUN cat <<EOF | tee\na\nEOF", ["cat", "tee"]),
        ("RUN bash --norc <<EOF\na\nEOF", ["bash --norc", "a"]),
        ("RUN cat <<EOF | bash x.sh\na\nEOF", ["cat", "bash x.sh"]),
        ("RUN bash x.sh <<EOF\na\nEOF", ["bash x.sh"]),
        ("RUN python3 <<EOF\na()\nEOF", ["python3"]),
        (
            "RUN cat <<EOF > f && b\n$(c) \\$(d) `e $(x)` $((1+(2)))\nEOF",
            ["cat", "b", "c", "e $(x)", "x"],
        ),
        ("RUN cat <<'EOF' > f\n$(c)\nEOF", ["cat"]),
        ("RUN while read x; do a; done <<EOF\n$(b)\nEOF", ["read x", "a", "b"]),
        ("RUN <<EOF\ncat <<X > f && a || b\n$(c) it's\nX\nd\nEOF", ["cat", "a", "b", "c", "d"]),
        ("RUN <<EOF\nbash <<'X' && a; b\nc\nX\nd\nEOF", ["bash", "a", "b", "c", "d"]),
        ("RUN <<EOF\ncat <<-X | sh\n\ta\n\tX\nb\nEOF", ["cat", "sh", "a", "b"]),
        ("RUN <<EOF\na $((1<<2)) '<<X' <<<y # <<X\nb\nEOF", ["a $((1<<2)) <<X", "b"]),
        ("RUN bash -c 'cat <<X\nhi\nX\na'", []),
    ],
)  # fmt: skip
def test_a_here_document_is_read_where_a_shell_reads_it(text: str, expected: list[str]) -> None:
    if expected:
        assert commands(text) == expected


def test_the_variables_that_are_read_and_set_are_listed() -> None:
    found = script("RUN A=1 B=$X c && for D in $Y; do e ${Z:-1} ${#W}; done && export E=2")
    assert {(each.name, each.has_default) for each in found.reads} == {
        ("X", False), ("Y", False), ("Z", True), ("W", False),
    }  # fmt: skip
    assert found.assigned == {"A", "B", "D", "E"}


def test_what_an_outer_shell_fills_in_is_read_once() -> None:
    found = script('RUN bash -c "a $X $(b $Y)"')
    assert [each.name for each in found.reads] == ["X", "Y"]
    assert [each.name for each in found.commands] == ["bash", "a", "b"]


def test_functions_are_known_by_name() -> None:
    assert script("RUN f() { a; }; function g { b; }").functions == ("f", "g")


# One command


@pytest.mark.parametrize(
    ("text", "name", "wrappers", "arguments"),
    [
        ("RUN /usr/bin/apt-get update", "apt-get", (), ["update"]),
        ("RUN \"apt-get\" 'up'date", "apt-get", (), ["update"]),
        ("RUN sudo -E apt-get update", "apt-get", ("sudo",), ["update"]),
        ("RUN sudo -u bob env A=1 -u B x y", "x", ("sudo", "env"), ["y"]),
        ("RUN A=1 B=2 x y", "x", (), ["y"]),
        ("RUN timeout -k 5 60s x y", "x", ("timeout",), ["y"]),
        ("RUN timeout --signal=KILL 60 x", "x", ("timeout",), []),
        ("RUN xargs -n 1 -r x y", "x", ("xargs",), ["y"]),
        ("RUN nice -n 5 ionice -c 3 nohup time -f x stdbuf -o L y", "y",
         ("nice", "ionice", "nohup", "time", "stdbuf"), []),
        ("RUN command x y", "x", ("command",), ["y"]),
        ("RUN command -v x", "command", (), ["-v", "x"]),
        ("RUN exec -a z x y", "x", ("exec",), ["y"]),
        ("RUN sudo", "sudo", (), []),
        ("RUN env A=1", "env", (), ["A=1"]),
        ("RUN $X y", "$X", (), ["y"]),
    ],
)  # fmt: skip
def test_the_program_that_does_the_work_is_found(
    text: str, name: str, wrappers: tuple[str, ...], arguments: list[str]
) -> None:
    found = only(text)
    assert found.name == name
    assert found.wrappers == wrappers
    assert [each.value for each in found.arguments] == arguments


def test_places_are_those_in_the_dockerfile() -> None:
    read = parsed(
        "RUN --mount=type=cache,target=/c a && \\\n  # why\n  X=1 sudo apt-get -y up > f && c"
    )
    found = read_script(read, read.instructions[1]).commands[1]
    assert read.text(found.span) == "X=1 sudo apt-get -y up > f"
    assert read.text(found.core) == "apt-get -y up"
    assert [read.text(word.span) for word in found.words] == ["sudo", "apt-get", "-y", "up"]
    assert [read.text(each.span) for each in found.redirections] == ["> f"]
    assert [(each.name, read.text(each.span)) for each in found.assignments] == [("X", "X=1")]
    assert found.next_start is not None
    assert read.source.text[found.next_start] == "c"


@pytest.mark.parametrize(
    ("text", "quoting"),
    [
        ("RUN apt", ""), ("RUN bash -c 'apt'", "'"), ('RUN bash -c "apt"', '"'),
        ('RUN ["sh", "-c", "apt"]', "json"), ("RUN bash <<E\napt\nE", ""),
    ],
)  # fmt: skip
def test_a_command_knows_how_text_in_its_place_is_written(text: str, quoting: str) -> None:
    assert script(text).commands[-1].quoting == quoting


def test_places_inside_a_quoted_script_are_whole_escapes() -> None:
    read = parsed('RUN bash -c "a \\"x y\\" && b \\`c\\`"')
    found = read_script(read, read.instructions[1]).commands
    assert read.text(found[1].words[1].span) == '\\"x y\\"'
    assert read.text(found[2].words[1].span) == "\\`c\\`"


def test_text_is_quoted_for_its_place() -> None:
    assert quote("a 'b'", "") == "a 'b'"
    assert quote("a 'b'", "'") == "a '\\''b'\\''"
    assert quote('a "$b" `c` \\', '"') == 'a \\"\\$b\\" \\`c\\` \\\\'
    assert quote('a "b"\n', "json") == 'a \\"b\\"\\n'


def test_operators_and_constructs_around_a_command_are_known() -> None:
    found = script("RUN a && if b; then (c | d); fi").commands
    assert [(each.before, each.after, each.inside) for each in found] == [
        ("", "&&", ()),
        ("", "", ("if",)),
        ("", "|", ("if", "subshell", "pipeline")),
        ("|", "", ("if", "subshell", "pipeline")),
    ]


# Doubt


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("RUN eval \"a\"", 'eval "a"'),
        ("RUN bash -c 'a '\"b\"", "'a '\"b\""),
        ("RUN bash -c $'a'", "$'a'"),
        ("RUN bash -c 'sh -c \"a\"'", '"a"'),
        ("RUN [", "["),
        ("RUN bash -c )&&", ")"),
        ("RUN a && ! { b; }", "a && ! { b; }"),
        ("RUN ! if a; then b; fi", "! if a; then b; fi"),
        ("RUN if a; then b; fi)", ")"),
    ],
)  # fmt: skip
def test_what_can_not_be_read_for_certain_is_a_warning_there(text: str, at: str) -> None:
    read = parsed(text)
    found = doubts_as_findings(read, read_script(read, read.instructions[1]), context="stage 0")
    assert at in [read.text(each.span) for each in found]
    assert {each.rule.code for each in found} == {"MS140"}
    assert not any(each.is_error for each in found)


def test_nothing_is_taken_out_where_there_is_doubt() -> None:
    assert [each.removal for each in script("RUN a && ! { b; } && c").commands] == [None] * 4


@pytest.mark.parametrize(
    ("text", "removals"),
    [
        ("RUN a && b && c", ["a && ", "&& b ", " && c"]),
        ("RUN a && \\\n  # why\n  b", ["a && \\\n  # why\n  ", " && \\\n  # why\n  b"]),
        ("RUN a || b", [None, None]),
        ("RUN a; b; c", ["a; ", "b; ", None]),
        ("RUN a && b > f 2>&1 && c", ["a && ", "&& b > f 2>&1 ", " && c"]),
        ("RUN a && cat <<E && b\nx\nE", ["a && ", None, " && b"]),
        ("RUN <<S\na; cat <<E; b\nx\nE\nc\nS", ["a; ", None, None, None]),
        ("RUN if a; then b; fi", [None, None]),
        ("RUN a | b", [None, None]),
        ("RUN a & b", [None, None]),
    ],
)
def test_what_goes_with_a_command_is_its_operator_and_never_a_here_document(
    text: str, removals: list[str | None]
) -> None:
    read = parsed(text)
    found = read_script(read, read.instructions[1]).commands
    assert [each.removal and read.text(each.removal) for each in found] == removals


def test_commands_beside_what_is_not_understood_are_still_read() -> None:
    found = script("RUN a )&& b")
    assert [(each.name, each.removal) for each in found.commands] == [("a", None), ("b", None)]
    assert found.doubts


def test_plain_commands_leave_no_doubt() -> None:
    assert script("RUN a && { b || c; } | d; if e; then f; fi").doubts == ()


# Texts


def test_the_masked_text_has_the_length_of_the_arguments() -> None:
    read = parsed("RUN a \\\n# c\n\n && b\\\nc <<E \\\n d\nx\nE")
    run = read.instructions[1]
    masked = shell_text(read, run)
    assert len(masked.text) == len(run.arguments)
    assert masked.text.split() == ["a", "&&", "b\\", "c", "d"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RUN a \\\n  && b", "a   && b"),
        ("RUN <<E\na\nE", "a\n"),
        ("RUN cat <<A <<B\n1\nA\n2\nB", "cat <<A <<B\n1\nA\n2\nB\n"),
        ("ONBUILD RUN a", "a"),
    ],
)
def test_the_plain_text_is_what_a_shell_gets(text: str, expected: str) -> None:
    read = parsed(text)
    assert plain_text(read, read.instructions[1]) == expected


def test_scripts_that_are_called_are_found() -> None:
    found = called_scripts(
        script(
            "RUN bash -x a.sh; ./b.bash 1; . ./c.sh && source d.sh && python3 e.py && f && $D/g.sh"
        )
    )
    assert [word.value for word in found] == [
        "a.sh", "./b.bash", "./c.sh", "d.sh", "e.py", "$D/g.sh",
    ]  # fmt: skip


def test_a_script_that_stands_alone_is_read() -> None:
    found = read_text("#!/bin/sh\na\nb && c\n").commands
    assert [each.name for each in found] == ["a", "b", "c"]
    assert [(each.span.start, each.span.end) for each in found] == [(10, 11), (12, 13), (17, 18)]


# The law: what is left runs as if the command that was taken out had succeeded

_ATOMS = st.integers(0, 9).map(lambda n: f"run {n}")
_JOINERS = st.sampled_from([" && ", " || ", "; ", "&&", " &&  "])


def _function(body: str) -> str:
    name = f"f{crc32(body.encode())}"  # one of its own, so that none can call itself
    return f"{name}() {{ {body}; }}; {name}"


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    chain = st.lists(st.tuples(inner, _JOINERS), min_size=1, max_size=4).map(
        lambda parts: "".join(text + joiner for text, joiner in parts[:-1]) + parts[-1][0]
    )
    return st.one_of(
        chain,
        chain.map("{{ {}; }}".format),
        chain.map("( {} )".format),
        chain.map("{{ ! ( {} ); }}".format),
        chain.map("for x in 1 2; do {}; done".format),
        chain.map("case x in y) run 8;; x) {};; esac".format),
        chain.map("y=$( {} )".format),
        chain.map(_function),
        chain.map("{} > /dev/null".format),
        st.tuples(chain, chain).map(lambda two: f"if {two[0]}; then {two[1]}; else run 9; fi"),
        st.tuples(chain, chain).map(lambda two: f"while {two[0]}; do {two[1]}; break; done"),
        st.tuples(inner, inner).map(" | ".join),
    )


_SCRIPTS = st.recursive(_ATOMS, _compound, max_leaves=8)
_LAYOUTS = ("RUN {}", "RUN {}\n", "RUN <<'END'\n{}\nEND", "RUN bash -c '{}'", 'RUN bash -c "{}"')
# Each script under each choice of the commands that fail: which ran, then the exit code.
_DRIVER = """\
run() { echo $1 >&2; return $(( (STATES >> $1) & 1 )); }
export -f run
for STATES in $CHOICES; do
  export STATES
  for script in "$@"; do (eval "$script") 2>&1 >/dev/null; echo "= $?"; done
done
"""


def _ran(texts: list[str], choices: list[int]) -> list[tuple[list[str], str]]:
    done = subprocess.run(
        ["/bin/bash", "-c", _DRIVER, "driver", *texts],
        env={"CHOICES": " ".join(map(str, choices)), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert "syntax error" not in done.stdout
    results = []
    ran: list[str] = []
    for line in done.stdout.splitlines():
        if line.startswith("= "):
            results.append((sorted(ran), line))  # the parts of a pipeline race
            ran = []
        else:
            ran.append(re.sub(r"^driver: line \d+: ", "", line))  # one line more or less is no harm
    return results


def _without(read: Dockerfile, start: int, end: int, instead: str) -> str:
    changed = read.source.text[:start] + instead + read.source.text[end:]
    again = parse(Source("Dockerfile", changed))
    return plain_text(again, again.instructions[1])


@given(_SCRIPTS, st.sampled_from(_LAYOUTS), st.integers(1, 1022))
def test_a_command_that_is_taken_out_is_as_one_that_succeeded(
    text: str, layout: str, states: int
) -> None:
    read = parsed(layout.format(text.replace("$(", "\\$(") if '"' in layout else text))
    left, succeeded = [], []
    for each in read_script(read, read.instructions[1]).commands:
        if each.removal and each.name == "run":
            left.append(_without(read, each.removal.start, each.removal.end, ""))
            succeeded.append(_without(read, each.span.start, each.span.end, "true"))
    choices = [0, 1023, states, 1023 - states]
    assert _ran(left, choices) == _ran(succeeded, choices)


@given(_SCRIPTS)
def test_all_the_commands_of_any_script_are_found(text: str) -> None:
    found = script(f"RUN {text}")
    assert [c.name for c in found.commands if c.name == "run"] == ["run"] * text.count("run ")
    assert found.doubts == ()


@given(st.text(alphabet="ab &|;(){}<>'\"$`\\\n#=-", max_size=40))
def test_reading_never_raises_whatever_the_text(text: str) -> None:
    read = parsed(f"RUN {text}\nRUN bash -c {text}\nRUN <<E\n{text}\nE")
    for each in read.instructions:
        for command in read_script(read, each).commands:
            assert command.span.end <= len(read.source.text)
