from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailrider.content.records import Record, cut_line, split_lines


def test_a_short_line_is_one_record() -> None:
    assert list(cut_line(b"abc", 4)) == [Record(b"abc", True)]
    assert list(cut_line(b"", 4)) == [Record(b"", True)]


def test_a_line_that_fills_a_record_is_followed_by_an_empty_one() -> None:
    assert list(cut_line(b"abcd", 4)) == [Record(b"abcd", False), Record(b"", True)]


def test_a_long_line_is_cut() -> None:
    assert list(cut_line(b"abcdefghi", 4)) == [Record(b"abcd", False), Record(b"efgh", False), Record(b"i", True)]


@given(st.binary(max_size=50), st.integers(1, 10))
def test_nothing_is_lost_and_only_the_last_record_is_ended(line: bytes, limit: int) -> None:
    records = list(cut_line(line, limit))
    assert b"".join(record.text for record in records) == line
    assert [record.ended for record in records] == [False] * (len(records) - 1) + [True]
    assert all(len(record.text) == limit for record in records[:-1])
    assert len(records[-1].text) < limit


def test_lines_of_a_block() -> None:
    assert split_lines(b"a\r\n\r\nb\r\n") == [b"a", b"", b"b"]
    assert split_lines(b"\r\n") == [b""]
    assert split_lines(b"a\nb\r\nc\n") == [b"a", b"b", b"c"]
