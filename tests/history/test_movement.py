from __future__ import annotations

import pytest

from midstream.dockerfile.scan import parse
from midstream.history.facts import Moved, summary
from midstream.history.movement import Answer, answered, movements
from midstream.ledger import Entry, Fate, Reason
from midstream.source import Source

OLD = """\
ARG CUDA=12.8
FROM base AS build
RUN make one \\
    && make two
ENV A=1 B=2
FROM base AS final
COPY --from=build /x /x
CMD ["run"]
"""


HEAD, START = OLD.split("FROM base AS build")[0], OLD.index("FROM base AS final")
BUILD, FINAL = OLD[len(HEAD) : START], OLD[START:]


def moves(new: str, old: str = OLD) -> list[tuple[str, str, str]]:
    found = movements(parse(Source("old", old)), parse(Source("new", new)))
    return [(each.stage, each.keyword, each.what) for each in found]


def test_layout_comments_and_the_width_of_blanks_are_no_change() -> None:
    assert moves(OLD.replace("make one \\\n    &&", "make  one \\\n    # why\n\n  &&")) == []


def test_stages_in_another_order_are_no_change() -> None:
    assert moves(HEAD + FINAL + BUILD) == []


def test_a_value_that_moves_is_named_with_old_and_new() -> None:
    assert moves(OLD.replace("12.8", "13.0")) == [("@global", "ARG", "CUDA 12.8 -> 13.0")]
    assert moves(OLD.replace("B=2", "B=3")) == [("build", "ENV", "B 2 -> 3")]


def test_a_new_key_is_a_change_and_not_a_value() -> None:
    assert moves(OLD.replace("B=2", "B=2 C=3")) == [("build", "ENV", "changed")]


def test_what_was_added_and_taken_out_is_said() -> None:
    assert moves(OLD + "EXPOSE 80\n") == [("final", "EXPOSE", "added")]
    assert moves(OLD.replace('CMD ["run"]\n', "")) == [("final", "CMD", "taken out")]


def test_a_changed_instruction_is_paired_with_what_it_was() -> None:
    new = OLD.replace("make two", "make three")
    (found,) = movements(parse(Source("old", OLD)), parse(Source("new", new)))
    assert found.old is not None
    assert found.new is not None
    assert (found.old.first_line, found.new.first_line) == (3, 3)


def test_a_stage_under_another_name_is_the_same_stage() -> None:
    old = OLD.replace("RUN make one", "RUN a\nRUN b\nRUN c\nRUN make one")
    new = old.replace("AS build", "AS compile").replace("--from=build", "--from=compile")
    assert moves(new, old) == [("compile", "FROM", "changed"), ("final", "COPY", "changed")]


def test_a_stage_with_nothing_in_it_is_not_another_one_under_a_new_name() -> None:
    old, new = (f"FROM base AS {name}\n{FINAL}" for name in ("one", "two"))
    assert moves(new, old) == [("two", "FROM", "added"), ("one", "FROM", "taken out")]


def test_a_stage_that_went_is_taken_out_line_by_line() -> None:
    new = HEAD + FINAL.replace("--from=build ", "")
    assert ("build", "RUN", "taken out") in moves(new)


def answers(
    new: str, fates: dict[int, Fate], asked: dict[int, str], built: bool = True
) -> list[Answer]:
    old, now = parse(Source("old", OLD)), parse(Source("new", new))
    starts = [each.span.start for each in now.instructions]
    entries = {
        starts[at]: Entry("X", None, 1, 1, fate, (Reason("edit", "why"),), starts[at])
        for at, fate in fates.items()
    }
    was = frozenset(each.span.start for each in old.instructions) if built else frozenset()
    questions = {starts[at]: name for at, name in asked.items()}
    return [each.answer for each in answered(movements(old, now), entries, was, questions)]


def test_each_change_has_one_answer() -> None:
    run = OLD.replace("make two", "make three")
    assert answers(run, {2: Fate.CONVERTED}, {}) == [Answer.TAKEN]
    assert answers(run, {2: Fate.UNREACHABLE}, {}) == [Answer.SET_ASIDE]
    assert answers(run, {2: Fate.DROPPED}, {}) == [Answer.SET_ASIDE]
    assert answers(run, {2: Fate.UNDECIDED}, {}) == [Answer.ASKED]
    assert answers(run, {2: Fate.REPLACED}, {2: "x"}) == [Answer.ASKED]
    assert answers(OLD.replace("12.8", "13"), {0: Fate.CARRIED}, {}) == [Answer.FACT]
    gone = OLD.replace('CMD ["run"]\n', "")
    assert answers(gone, {}, {}) == [Answer.TAKEN]
    assert answers(gone, {}, {}, built=False) == [Answer.SET_ASIDE]


def test_the_summary_counts_every_answer() -> None:
    old, new = parse(Source("old", OLD)), parse(Source("new", OLD.replace("12.8", "13")))
    changes = answered(movements(old, new), {}, frozenset(), {})
    fact = Moved("CUDA", "12.8", "13", "new", 1)
    said = ": 0 taken, {} moved, 0 set aside, 0 asked"
    assert summary(changes, [fact]) == f"1 upstream change{said.format('1 fact')}"
    assert summary(changes, [fact, fact]) == f"2 upstream changes{said.format('2 facts')}"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("pip install torch==2.1.0", "pip install torch==2.2.0", "torch 2.1.0 -> 2.2.0"),
        (
            "git clone -b v1.2.3 https://x/y",
            "git clone -b v1.3.0 https://x/y",
            "-b v1.2.3 -> v1.3.0",
        ),
        ("git checkout 1234abcd", "git checkout 99887766ff", "checkout 1234abcd -> 99887766ff"),
        (
            "curl https://x.example/tool/0.8.1/tool-0.8.1.tgz",
            "curl https://x.example/tool/0.9.0/tool-0.9.0.tgz",
            "tool 0.8.1 -> 0.9.0, tool 0.8.1.tgz -> 0.9.0.tgz",
        ),
        ("make -j 4", "make -j 8", "changed"),
        ("pip install torch==2.1.0", "pip install torch>=2.1.0", "changed"),
        ("pip install torch==2.1.0", "pip install torch==2.2.0 x", "changed"),
        ("install a1.0", "install b1.0", "changed"),
    ],
)
def test_versions_that_alone_differ_in_a_command_are_values(old: str, new: str, said: str) -> None:
    head = "FROM base AS build\nRUN "
    assert moves(f"{head}{new}\n", f"{head}{old}\n") == [("build", "RUN", said)]
