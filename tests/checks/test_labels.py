from __future__ import annotations

from assumptions.looking import UBI, on_ubi, told, view
from midstream.checks.labels import REQUIRED, check, shipped_labels

ALL = "LABEL " + " ".join(f'{name}="x y"' for name in REQUIRED)


def test_seven_labels_are_asked_for() -> None:
    (found,) = check(view(on_ubi("LABEL name=a vendor=b version=1 release=1")))
    assert told([found]) == [("MS355", 1, "FROM")]
    assert found.message.endswith("no label `summary`, `description`, `maintainer`")


def test_all_seven_are_enough_wherever_they_stand_in_the_lineage() -> None:
    assert told(check(view(on_ubi(ALL)))) == []
    assert told(check(view(f"FROM {UBI} AS a\n{ALL}\nFROM a\nRUN b\n"))) == []


def test_labels_of_a_stage_that_is_only_copied_from_do_not_count() -> None:
    text = f"FROM {UBI} AS a\n{ALL}\nFROM {UBI}\nCOPY --from=a /a /a\n"
    assert told(check(view(text))) == [("MS355", 3, "FROM")]


def test_a_label_that_is_emptied_later_is_missing() -> None:
    (found,) = check(view(on_ubi(ALL, 'LABEL name=""')))
    assert found.message.endswith("no label `name`")


def test_labels_are_read_as_written_without_their_quotes() -> None:
    text = on_ubi("LABEL name='a b' version=$V", "LABEL summary one text", "ENV release=1")
    assert shipped_labels(view(text)) == {"name": "a b", "version": "$V", "summary": "one text"}
