from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.dockerfile.scan import parse
from midstream.dockerfile.variables import Scope, expand, names_in, pattern_as_regex
from midstream.source import Source

if TYPE_CHECKING:
    from collections.abc import Mapping

VALUES = {"NAME": "midstream", "EMPTY": "", "FILE": "a.tar.gz", "PATH": "/usr/bin", "_x1": "u"}


def scope(
    text: str,
    arguments: Mapping[str, str] | None = None,
    inherited: Mapping[str, Mapping[str, str]] | None = None,
) -> Scope:
    return Scope(parse(Source("Dockerfile", text)), arguments, inherited)


def seen(text: str, arguments: Mapping[str, str] | None = None) -> dict[str, str]:
    """The values that the last instruction sees."""
    read = parse(Source("Dockerfile", text))
    return dict(Scope(read, arguments).at(read.instructions[-1]))


# One text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$NAME-${NAME}", "midstream-midstream"),
        ("$NAMEx|$_x1|$", "|u|$"),
        ("$1 ${1} $@ $# $$ $12x", "     x"),
        ("$é", ""),
        ("$-x", "x"),
        ("a$%b", "a$%b"),
        # a default
        ("${NAME:-x}|${EMPTY:-x}|${NONE:-x}", "midstream|x|x"),
        ("${NAME-x}|${EMPTY-x}|${NONE-x}", "midstream||x"),
        ("${NONE:-$NAME}|${NONE:-${EMPTY:-deep}}", "midstream|deep"),
        ("${NONE:-'$NAME'}|${NONE:-\"$NAME\"}|${NONE:-a b}", "$NAME|midstream|a b"),
        ("${NONE:-a\\}b}", "a}b"),
        # an alternative
        ("${NAME:+x}|${EMPTY:+x}|${NONE:+x}", "x||"),
        ("${NAME+x}|${EMPTY+x}|${NONE+x}", "x|x|"),
        # a demand that is met
        ("${NAME:?no}|${NAME?no}|${EMPTY?no}", "midstream|midstream|"),
        # a part off the front, off the end
        ("${FILE#*.}|${FILE##*.}|${FILE#b}", "tar.gz|gz|a.tar.gz"),
        ("${FILE%.*}|${FILE%%.*}|${FILE%.zip}", "a.tar|a|a.tar.gz"),
        ("${FILE#?}|${FILE%??}|${NAME%%*}|${NAME##*}", ".tar.gz|a.tar.||"),
        ("${NAME%*}|${NAME#*}|${NONE#x}", "midstream|midstream|"),
        ("${FILE#$NONE}|${FILE%$NONE}|${FILE#'a.'}", "a.tar.gz|a.tar.gz|tar.gz"),
        ("${PATH#/usr\\/}|${FILE#\\*}", "bin|a.tar.gz"),
        # a part replaced
        ("${FILE/./_}|${FILE//./_}|${FILE/x/y}", "a_tar.gz|a_tar_gz|a.tar.gz"),
        ("${FILE/./}|${FILE//./}|${FILE/a*r/b}", "atar.gz|atargz|b.gz"),
        ("${PATH/\\/usr/x}|${FILE/?/$NAME}", "x/bin|midstream.tar.gz"),
        ("${NAME/(m|i)/x}|${NAME/m[i]/x}", "midstream|midstream"),
        # quotes and escapes
        ("'$NAME'|\"$NAME\"|\\$NAME", "$NAME|midstream|$NAME"),
        ("\"a 'b' \\\"c\\\" \\$NAME \\\\ \\n\"", "a 'b' \"c\" $NAME \\ \\n"),
        ("'a\\'|a\\ b\\c", "a\\|a bc"),
        ("end\\", "end"),
        ("\"a'b\"'c\"d'", "a'bc\"d"),
    ],
)  # fmt: skip
def test_a_text_is_filled_in_as_buildkit_does(text: str, expected: str) -> None:
    assert expand(text, VALUES).text == expected


@pytest.mark.parametrize(
    "text",
    [
        "${", "${}", "${{NAME}}", "${:x}", "${NAME", "${NAME:-x", "${NAME:", "${NAME:x}",
        "${NAME:#m}",
        "${NAME:%m}", "${NAME^^}", "${NAME[0]}", "${#NAME}", "${!NAME}", "${NAME/x", "${NAME/x/y",
        "${NAME/x}", "'open", "\"open", "\"${NAME", "${NONE:-'open}", "${NONE:?}", "${NONE?gone}",
        "${EMPTY:?}", "${NAME#\\x}", "${NAME/\\x/y}", "${NAME %x}",
    ],
)  # fmt: skip
def test_what_buildkit_refuses_is_an_error_and_left_as_it_was(text: str) -> None:
    found = expand(text, VALUES)
    assert found.errors
    assert found.text == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${NONE:?}", "NONE: is not allowed to be unset"),
        ("${EMPTY:?}", "EMPTY: is not allowed to be empty"),
        ("${NONE?say $NAME}", "NONE: say midstream"),
    ],
)
def test_a_demand_that_is_not_met_says_so_in_its_own_words(text: str, message: str) -> None:
    assert expand(text, VALUES).errors == (message,)


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("$A ${B} $A", ("A", "B")),
        ("${A:-x} ${B-x} ${C:+x} ${D+x}", ()),
        ("${A:-$B}", ("B",)),
        ("${NAME:-$B}", ()),
        ("${A:+$B}", ()),
        ("${NAME:+$B}", ("B",)),
        ("${A#x} ${B/x/y}", ("A", "B")),
        ("'$A' \\$B", ()),
    ],
)
def test_names_without_a_value_are_listed_where_they_matter(
    text: str, missing: tuple[str, ...]
) -> None:
    assert expand(text, VALUES).missing == missing


def test_the_escape_may_be_a_backtick() -> None:
    assert expand("c:\\$NAME`$NAME", VALUES, "`").text == "c:\\midstream$NAME"
    assert expand('"a`"b\\c``"', VALUES, "`").text == 'a"b\\c`'


def test_names_in_a_text_are_listed_once_in_order() -> None:
    assert names_in("$B ${A:-x} $B ${A} $1 $") == ("B", "A")


@given(st.text(alphabet="$_NAME{}:-+?#%/'\"\\ ab*", max_size=25))
def test_any_text_is_either_filled_in_or_refused(text: str) -> None:
    found = expand(text, VALUES)
    assert not found.errors or found.text == text


@given(st.text(alphabet="ab.", max_size=8), st.text(alphabet="ab.*?", min_size=1, max_size=4))
def test_trimming_agrees_with_bash(value: str, pattern: str) -> None:
    operators = ("#", "##", "%", "%%")
    script = "\n".join(f'printf "%s\\n" "${{V{each}{pattern}}}"' for each in operators)
    bash = subprocess.run(
        ["/bin/bash", "-c", script], env={"V": value}, capture_output=True, text=True, check=True
    )
    ours = [expand(f"${{V{each}{pattern}}}", {"V": value}).text for each in operators]
    assert ours == bash.stdout.split("\n")[:-1]


@given(st.text(alphabet=".+()[]|^$ab", max_size=8))
def test_nothing_but_the_two_wildcards_is_special_in_a_pattern(text: str) -> None:
    assert re.fullmatch(pattern_as_regex(text, greedy=True), text)


# One stage


def test_an_arg_takes_the_given_value_before_its_default() -> None:
    assert seen("FROM a\nARG A=1\nRUN x\n") == {"A": "1"}
    assert seen("FROM a\nARG A=1\nRUN x\n", {"A": "2", "B": "3"}) == {"A": "2"}


def test_an_arg_without_any_value_is_declared_but_has_none() -> None:
    read = parse(Source("Dockerfile", "FROM a\nARG A\nRUN x\n"))
    found = Scope(read)
    assert found.at(read.instructions[-1]) == {}
    assert found.declared(read.instructions[-1]) == {"A"}


def test_a_global_arg_is_seen_in_a_stage_only_where_it_is_declared_again() -> None:
    text = "ARG A=1\nFROM a\n{}RUN x\n"
    assert seen(text.format("")) == {}
    assert seen(text.format("ARG A\n")) == {"A": "1"}
    assert seen(text.format("ARG A=2\n")) == {"A": "2"}
    assert seen(text.format("ARG A=2\n"), {"A": "3"}) == {"A": "3"}


def test_global_args_may_use_those_above() -> None:
    found = scope("ARG A=1\nARG B=$A.0 C=${B}-c\nARG D=$E\nFROM b:$C\n", {"A": "2"})
    assert found.globals == {"A": "2", "B": "2.0", "C": "2.0-c", "D": ""}
    assert found.expand_global("b:$C").text == "b:2.0-c"


def test_a_global_default_does_not_see_what_stages_declare() -> None:
    assert scope("FROM a\nARG A=1\nFROM b:$A\n").expand_global("b:$A").missing == ("A",)


def test_names_that_buildkit_gives_are_there_for_from_and_where_declared() -> None:
    given_ = {"TARGETARCH": "arm64"}
    text = "FROM a-$TARGETARCH\n{}RUN x\n"
    assert scope(text.format(""), given_).expand_global("a-$TARGETARCH").text == "a-arm64"
    assert seen(text.format(""), given_) == {}
    assert seen(text.format("ARG TARGETARCH\n"), given_) == {"TARGETARCH": "arm64"}


def test_whichever_of_arg_and_env_spoke_last_is_what_a_run_sees() -> None:
    assert seen("FROM a\nARG A=1\nENV A=2\nRUN x\n") == {"A": "2"}
    assert seen("FROM a\nENV A=1\nARG A=2\nRUN x\n") == {"A": "2"}
    assert seen("FROM a\nENV A=1\nARG A\nRUN x\n") == {"A": "1"}


def test_an_arg_is_no_part_of_the_environment_that_stays() -> None:
    found = scope("FROM a\nENV A=1\nARG A=2\nARG B=3\nENV C=$A$B\n")
    assert found.environment(0) == {"A": "1", "C": "23"}


def test_one_env_does_not_see_itself_but_one_arg_does() -> None:
    assert seen("FROM a\nENV A=0\nENV A=1 B=$A\nRUN x\n") == {"A": "1", "B": "0"}
    assert seen("FROM a\nARG A=1 B=$A\nRUN x\n") == {"A": "1", "B": "1"}


def test_env_values_lose_quotes_and_escapes() -> None:
    text = 'FROM a\nENV A="x y" B=\'$A\' C=a\\ b D="\\$A"\nENV E  two words\nRUN x\n'
    assert seen(text) == {"A": "x y", "B": "$A", "C": "a b", "D": "$A", "E": "two words"}


def test_the_name_of_an_env_may_hold_a_variable() -> None:
    assert seen("FROM a\nARG A=X\nENV ${A}_HOME=/x\nRUN x\n") == {"A": "X", "X_HOME": "/x"}


def test_an_instruction_sees_what_stands_above_it_only() -> None:
    read = parse(Source("Dockerfile", "FROM a\nRUN 1\nENV A=1\nRUN 2\nENV A=2\nRUN 3\n"))
    found = Scope(read)
    runs = [each for each in read.instructions if each.keyword == "RUN"]
    assert [dict(found.at(run)) for run in runs] == [{}, {"A": "1"}, {"A": "2"}]


# From stage to stage


def test_a_stage_inherits_env_and_args_of_the_stage_it_is_from() -> None:
    text = "FROM a AS One\nENV A=1\nARG B=2\nFROM b\nENV C=3\nFROM one\nRUN x\n"
    found = scope(text)
    assert seen(text) == {"A": "1", "B": "2"}
    assert found.environment(1) == {"C": "3"}
    assert found.environment(2) == {"A": "1"}


def test_the_environment_wins_again_in_the_stage_below() -> None:
    text = "FROM a AS one\nENV A=env\nARG A=arg\nFROM one\nRUN x\n"
    assert seen(text) == {"A": "env"}


def test_a_stage_is_found_by_a_name_that_holds_a_variable() -> None:
    text = "ARG T=cpu\nFROM a AS base-cpu\nENV A=1\nFROM base-${T}\nRUN x\n"
    assert seen(text) == {"A": "1"}
    assert seen(text, {"T": "gpu"}) == {}


def test_onbuild_speaks_in_the_stage_below() -> None:
    text = "ARG G=g\nFROM a AS one\nONBUILD ARG G\nONBUILD ENV A=$G\n{}RUN x\n"
    assert seen(text.format("")) == {}
    assert seen(text.format("FROM one\n")) == {"G": "g", "A": "g"}
    assert seen(text.format("FROM one AS two\nFROM two\n")) == {"G": "g", "A": "g"}


def test_an_external_image_brings_its_environment() -> None:
    read = parse(Source("Dockerfile", "ARG V=1\nFROM a:$V\nENV B=$A\nRUN x\n"))
    found = Scope(read, {}, {"a:1": {"A": "from a"}})
    assert found.at(read.instructions[-1]) == {"A": "from a", "B": "from a"}
    assert found.declared(read.instructions[-1]) == {"A", "B"}
    assert found.environment(0) == {"A": "from a", "B": "from a"}
