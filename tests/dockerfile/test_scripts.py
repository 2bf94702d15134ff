"""Scripts that are remembered are as those that are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from midstream.dockerfile import scripts
from midstream.dockerfile.scan import parse
from midstream.dockerfile.scripts import Scripts
from midstream.dockerfile.shell import read_script, read_text
from midstream.source import Source

if TYPE_CHECKING:
    import pytest

PIECES = (
    "RUN ", "ONBUILD ", "CMD ", "HEALTHCHECK CMD ", "ENV a=b", "\n", " \\\n", "# said\n", " && ",
    " || ", "; ", " | ", "if a; then b; fi", "for x in a b; do c $x; done", "x=1 ", "apt-get -y ",
    "$(b)", '"${X:-y}"', "'q'", "bash -c 'a && b'", '["a", "b"]', "eval x", " <<EOF", "EOF\n",
    " > f", "é", "{ a; }", "! ", "f() { a; }", "sudo ", "`", "\\", '"',
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


@given(TEXTS, TEXTS)
def test_a_script_that_stands_elsewhere_is_the_same_but_for_its_places(
    text: str, before: str
) -> None:
    known = Scripts()
    for source in (f"FROM a\nRUN {text}\n", f"FROM a\nRUN {before}\nRUN {text}\n", text):
        dockerfile = parse(Source("Dockerfile", source))
        for instruction in dockerfile.instructions:
            read = read_script(dockerfile, instruction)
            assert known.of(dockerfile, instruction) == read
            assert known.of(dockerfile, instruction) == read


def test_every_kind_of_place_is_moved() -> None:
    run = "RUN X=1 sudo a >f && { b $Y; } && bash -c 'c; d' && eval e; for i in j; do k; done"
    known = Scripts()
    for above in ("", "# é\n", "RUN x\n" * 3):
        dockerfile = parse(Source("Dockerfile", f"FROM a\n{above}{run}\n"))
        last = dockerfile.instructions[-1]
        read = read_script(dockerfile, last)
        assert all((read.commands, read.doubts, read.blocks, read.assignments, read.reads))
        assert known.of(dockerfile, last) == read


def test_a_command_that_is_moved_has_its_program_and_arguments_among_its_words() -> None:
    known = Scripts()
    for above in ("", "RUN x\n"):
        dockerfile = parse(Source("Dockerfile", f"FROM a\n{above}RUN sudo -E a b c; X=1\n"))
        command, alone = known.of(dockerfile, dockerfile.instructions[-1]).commands
        assert command.program is command.words[2]
        assert command.arguments == command.words[3:]
        assert all(a is b for a, b in zip(command.arguments, command.words[3:], strict=True))
        assert (alone.program, alone.arguments) == (None, ())


def test_one_text_under_two_escapes_is_two_scripts() -> None:
    known = Scripts()
    for top in ("", "# escape=`\n"):
        dockerfile = parse(Source("Dockerfile", f"{top}FROM a\nRUN a \\\n b\n"))
        for instruction in dockerfile.instructions:
            assert known.of(dockerfile, instruction) == read_script(dockerfile, instruction)


def test_too_many_scripts_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "_MOST", 3)
    known = Scripts()
    first = known.of_text("a")
    assert [known.of_text(text) for text in "bc"] == [read_text(text) for text in "bc"]
    assert known.of_text("a") is first
    assert known.of_text("d") == read_text("d")
    assert known.of_text("a") is not first
    assert known.of_text("a") == first


@given(TEXTS)
def test_a_script_that_stands_alone_is_read_as_ever(text: str) -> None:
    known = Scripts()
    assert known.of_text(text) == known.of_text(text) == read_text(text)
