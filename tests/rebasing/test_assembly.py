from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.dockerfile.scan import parse
from midstream.edit import Edit, EditConflict
from midstream.overlay.verbs import Insertion
from midstream.rebasing.assembly import (
    argument_defaults,
    assemble,
    stages_kept,
    without_unreachable,
)
from midstream.source import Source, Span
from overlay.edits import subject_of

TEXT = "abcdefghij"


def edit(start: int, end: int, text: str, rule: str = "r") -> Edit:
    return Edit(Span(start, end), text, rule)


def test_changes_are_made_at_once_in_the_order_of_the_text() -> None:
    made = assemble("x", TEXT, [edit(6, 8, "GH"), edit(0, 1, ""), edit(3, 3, "--")])
    assert made.source.text == "bc--defGHij"
    assert [each.text for each in made.edits] == ["", "--", "GH"]


def test_a_text_without_changes_is_one_piece_of_upstream() -> None:
    made = assemble("x", TEXT, [])
    assert (made.source.text, len(made.pieces), made.upstream_offset(7)) == (TEXT, 1, 7)
    assert assemble("x", "", []).source.text == ""


def test_each_character_knows_where_it_comes_from() -> None:
    made = assemble("x", TEXT, [edit(2, 4, "XYZ", "swap")], [Insertion(6, "++", "ours", "w")])
    assert made.source.text == "abXYZef++ghij"
    assert [made.upstream_offset(at) for at in range(13)] == [
        0, 1, None, None, None, 4, 5, None, None, 6, 7, 8, 9
    ]  # fmt: skip
    assert [piece.by.rule for piece in made.pieces if piece.by] == ["swap", "ours"]


def test_what_is_put_in_stands_before_what_is_changed_there_in_the_order_given() -> None:
    insertions = [
        Insertion(2, "1", "z", ""),
        Insertion(2, "2", "a", ""),
        Insertion(2, "3", "m", ""),
    ]
    made = assemble("x", TEXT, [edit(2, 4, "CD"), edit(2, 2, "0")], insertions)
    assert made.source.text == "ab0123CDefghij"


def test_several_texts_of_one_edit_at_one_place_keep_their_order() -> None:
    texts = [f"<{number}>" for number in (5, 3, 9, 1, 7)]
    made = assemble("x", TEXT, [edit(4, 4, text) for text in texts])
    assert made.source.text == f"abcd{''.join(texts)}efghij"


def test_what_two_rules_put_in_at_one_place_stands_in_the_order_of_their_names() -> None:
    one, other = edit(4, 4, "1", "a"), edit(4, 4, "2", "b")
    for edits in ([one, other], [other, one]):
        assert assemble("x", TEXT, edits).source.text == "abcd12efghij"


def test_one_change_that_two_rules_of_one_name_want_is_made_once() -> None:
    assert assemble("x", TEXT, [edit(1, 2, "B"), edit(1, 2, "B")]).source.text == "aBcdefghij"


@pytest.mark.parametrize("second", [edit(3, 6, "y", "two"), edit(2, 3, "y", "two")])
def test_two_changes_of_one_text_are_a_conflict_that_names_both(second: Edit) -> None:
    with pytest.raises(EditConflict, match=r"`(one|two)` and `(one|two)` both change"):
        assemble("x", TEXT, [edit(2, 5, "x", "one"), second])


def test_an_insertion_into_what_is_taken_out_is_a_conflict() -> None:
    with pytest.raises(EditConflict):
        assemble("x", TEXT, [edit(2, 5, "x")], [Insertion(3, "y", "ours", "")])


@given(st.text("ab\n", max_size=20), st.lists(st.tuples(st.integers(0, 20), st.text("xy"))))
def test_what_no_change_touches_comes_out_as_it_was(
    text: str, places: list[tuple[int, str]]
) -> None:
    insertions = [Insertion(at, new, "r", "") for at, new in places if at <= len(text)]
    made = assemble("x", text, [], insertions)
    copied = [made.source.text[i] for i in range(len(made.source.text))
              if made.upstream_offset(i) is not None]  # fmt: skip
    assert "".join(copied) == text


# --- stages ---

STAGES = "FROM a AS x\nRUN x\n\n# about y\nFROM b AS y\nRUN y\nFROM c AS z\n"


def test_a_stage_is_taken_out_with_the_comments_above_it() -> None:
    dockerfile = parse(Source("Dockerfile", STAGES))
    edits = without_unreachable(dockerfile, frozenset({0, 2}))
    assert assemble("", STAGES, edits).source.text == "FROM a AS x\nRUN x\nFROM c AS z\n"
    assert without_unreachable(dockerfile, frozenset({0, 2}), (edits[0].span,)) == []


def test_stages_of_upstream_are_found_again_behind_any_change() -> None:
    dockerfile = parse(Source("Dockerfile", STAGES))
    x, y, z = (stage.span.start for stage in dockerfile.stages)
    made = assemble(
        "", STAGES,
        [*without_unreachable(dockerfile, frozenset({0, 2})), edit(z, z + 6, "FROM new")],
        [Insertion(x, "FROM ours\n", "ours", "")],
    )  # fmt: skip
    assert made.source.text == "FROM ours\nFROM a AS x\nRUN x\nFROM new AS z\n"
    assert stages_kept(made, dockerfile, parse(made.source)) == {0: 1, 2: 2}
    assert y not in (x, z)


# --- arguments ---


def defaults(text: str, **values: str) -> tuple[str, tuple[str, ...]]:
    subject, _ = subject_of(text)
    edits, lost = argument_defaults(subject, {k: (v, "why") for k, v in values.items()})
    return assemble("", text, edits).source.text, lost


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("ARG A\nFROM x AS final\nARG A\n", "ARG A=1\nFROM x AS final\nARG A\n"),
        ("FROM x AS final\nARG A\n", "FROM x AS final\nARG A=1\n"),
        ("FROM x AS final\nARG B=2 A=0 C\n", "FROM x AS final\nARG B=2 A=1 C\n"),
        ("ARG A=0\nFROM x AS final\nARG A=2\n", "ARG A=1\nFROM x AS final\nARG A=1\n"),
        ("FROM x AS final\nARG A=1\n", "FROM x AS final\nARG A=1\n"),
        ('FROM x AS final\nARG A="x y"\n', "FROM x AS final\nARG A=1\n"),
    ],
)
def test_a_default_is_written_where_it_counts(text: str, made: str) -> None:
    assert defaults(text, A="1") == (made, ())


def test_a_stage_that_does_not_ship_declares_nothing() -> None:
    text = "FROM x AS other\nARG A\nFROM x AS final\n"
    assert defaults(text, A="1") == (text, ("A",))


def test_a_proxy_is_declared_by_buildkit() -> None:
    text = "FROM x AS final\n"
    assert defaults(text, HTTPS_PROXY="p", no_proxy="q", OTHER="r") == (text, ("OTHER",))


def test_an_argument_that_has_the_value_already_is_left_as_it_is() -> None:
    subject, _ = subject_of("FROM x AS final\nARG A=1\nARG B\n")
    edits, lost = argument_defaults(subject, {"A": ("1", "why"), "B": ("2", "why")})
    assert ([edit.text for edit in edits], lost) == (["=2"], ())
