from __future__ import annotations

import pytest

from midstream.absorbing.hunks import comments_only_in, hunks, texts_of
from midstream.dockerfile.scan import parse
from midstream.source import Source

OLD = """\
ARG A=1
FROM x AS y
# why B
ENV B=2
# why C
ENV C=3
RUN make
USER 1
"""


def found(
    new: str, old: str = OLD
) -> list[tuple[int, list[str], list[str], list[tuple[str, ...]]]]:
    """The hunks, with the first lines of the instructions."""
    first, second = parse(Source("old", old)), parse(Source("new", new))
    return [
        (
            each.at,
            [first.text(i.span).rstrip("\n") for i in each.old],
            [second.text(i.span).rstrip("\n") for i in each.new],
            [lines for lines in each.lead if lines],
        )
        for each in hunks(first, second)
    ]


@pytest.mark.parametrize(
    ("old", "new", "hunk"),
    [
        ("ENV B=2", "ENV B=4", (2, ["ENV B=2"], ["ENV B=4"], [])),
        ("ENV B=2\n", "", (2, ["ENV B=2"], [], [])),
        ("# why B\nENV B=2\n", "", (2, ["ENV B=2"], [], [])),
        ("RUN make\n", "RUN make\nRUN test\n", (5, [], ["RUN test"], [])),
        ("RUN make\n", "# new\nRUN test\nRUN make\n", (4, [], ["RUN test"], [("# new",)])),
        ("RUN make\n", "# new\nRUN make\n", (4, [], [], [("# new",)])),
        ("RUN make\n", "CMD make\n", (4, ["RUN make"], ["CMD make"], [])),
        ("USER 1\n", "USER 1\n# the end\n", (6, [], [], [("# the end",)])),
        ("USER 1\n", "USER 1\nCMD x\n", (6, [], ["CMD x"], [])),
        ("RUN make\n", "COPY a b\nCMD b\n", (4, ["RUN make"], ["COPY a b", "CMD b"], [])),
    ],
)
def test_one_change_is_one_hunk(
    old: str, new: str, hunk: tuple[int, list[str], list[str], list[tuple[str, ...]]]
) -> None:
    assert found(OLD.replace(old, new)) == [hunk]


def test_a_key_tells_which_instruction_is_which() -> None:
    new = OLD.replace("ENV B=2\n", "").replace("ENV C=3", "ENV C=4\nENV D=5")
    assert [each[1:3] for each in found(new)] == [
        (["ENV B=2"], []), (["ENV C=3"], ["ENV C=4"]), ([], ["ENV D=5"])
    ]  # fmt: skip


def test_more_of_one_kind_are_a_change_and_something_new() -> None:
    new = OLD.replace("RUN make", "RUN a\nCMD b")
    assert [each[1:3] for each in found(new)] == [(["RUN make"], ["RUN a"]), ([], ["CMD b"])]


def test_a_comment_beside_a_change_is_a_hunk_of_its_own() -> None:
    new = OLD.replace("ENV B=2", "# less\nENV B=4").replace("RUN make", "# all\nRUN make")
    assert [each[1:] for each in found(new)] == [
        (["ENV B=2"], ["ENV B=4"], []), ([], [], [("# less",)]), ([], [], [("# all",)])
    ]  # fmt: skip


@pytest.mark.parametrize("new", [OLD, OLD.replace("RUN", "\n\nRUN"), OLD.rstrip("\n"), f"\n{OLD}"])
def test_blank_lines_and_comments_that_went_are_no_change(new: str) -> None:
    assert found(new) == []
    assert found(new.replace("# why B\n", "")) == []


def test_instructions_are_compared_byte_for_byte() -> None:
    first = texts_of(parse(Source("a", OLD)))
    assert first == texts_of(parse(Source("b", OLD.replace("# why B\n", "").rstrip())))
    assert first != texts_of(parse(Source("b", OLD.replace("RUN make", "RUN  make"))))


def test_comments_are_counted() -> None:
    once = parse(Source("a", "# x\nFROM a\n# y\n"))
    twice = parse(Source("b", "# x\nFROM a\n# x\nRUN b\n"))
    assert comments_only_in(twice, once) == ["# x"]
    assert comments_only_in(once, twice) == ["# y"]
