from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from midstream.source import Position, Source, Span


@given(st.binary())
def test_any_bytes_come_back_exactly(data: bytes) -> None:
    assert Source.from_bytes("f", data).data == data


@given(st.text(alphabet="a\n\r\f\u2028é"), st.integers(0, 40))
def test_a_position_leads_back_to_its_offset(text: str, offset: int) -> None:
    source = Source("f", text)
    offset = min(offset, len(text))
    at = source.position(offset)
    assert source.offset(at.line) + at.column - 1 == offset
    assert at.line == text[:offset].count("\n") + 1 <= source.line_count


def test_only_a_newline_ends_a_line() -> None:
    source = Source("f", "a\fb\u2028c\rd\r\ne")
    assert source.line_count == 2
    assert [source.line(1), source.line(2)] == ["a\fb\u2028c\rd", "e"]


def test_bytes_are_counted_where_characters_take_more_than_one() -> None:
    source = Source.from_bytes("f", "é\n".encode() + b"\xffx")
    assert [source.byte_offset(n) for n in range(5)] == [0, 2, 3, 4, 5]


def test_spans_know_what_they_hold_and_touch() -> None:
    assert Span(2, 4) in Span(2, 5)
    assert Span(2, 6) not in Span(2, 5)
    assert Span(1, 3).overlaps(Span(2, 4))
    assert not Span(1, 2).overlaps(Span(2, 4))
    assert Span(3, 3).overlaps(Span(2, 4))
    assert len(Span(2, 6)) == 4
    assert Source("f", "abcdef")[Span(1, 3)] == "bc"


def test_a_position_is_written_as_editors_write_it() -> None:
    assert str(Position(3, 7)) == "3:7"
