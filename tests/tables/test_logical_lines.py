from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.tables.logical_lines import BLANKS, quote_beginning, split_logical_lines


def split(text: str) -> tuple[list[tuple[int, str]], list[str]]:
    warnings: list[str] = []
    return [tuple(line) for line in split_logical_lines(text, "file", warnings.append)], warnings


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("abc", [(1, "abc")]),
        ("abc\n def\nghi\n", [(1, "abc def"), (3, "ghi")]),
        ("abc\n \n ghi", [(1, "abc ghi")]),
        ("abc\n\n ghi", [(1, "abc ghi")]),
        ("abc\n#def\n ghi", [(1, "abc ghi")]),
        ("abc\n  # def\n\tghi", [(1, "abc\tghi")]),
        ("# abc\n\ndef # ghi", [(3, "def # ghi")]),
        ("abc\n\xa0def", [(1, "abc"), (2, "\xa0def")]),
        ("", []),
    ],
)
def test_logical_lines(text: str, lines: list[tuple[int, str]]) -> None:
    assert split(text) == (lines, [])


def test_a_continuation_of_nothing_is_ignored() -> None:
    assert split(" abc\n def\nghi") == (
        [(3, "ghi")],
        ['file, line 1: ignored, since a line may not begin with white space: " abc def"'],
    )


def test_text_after_a_null_byte_is_ignored() -> None:
    assert split("abc\0def\n\0\nx") == (
        [(1, "abc"), (3, "x")],
        ["file, line 1: text after a null byte is ignored", "file, line 2: text after a null byte is ignored"],
    )


@settings(deadline=None)
@given(st.text(st.sampled_from("ab#\0 \t\n\r\udcff")))
def test_no_line_is_empty_or_begins_with_a_blank(text: str) -> None:
    lines, _ = split(text)
    for number, line in lines:
        assert line[0] not in BLANKS + "#"
        assert "\n" not in line
        assert 1 <= number <= text.count("\n") + 1
    assert [number for number, _ in lines] == sorted({number for number, _ in lines})


@settings(deadline=None)
@given(st.text(st.characters()))
def test_quotations_fit_a_log(text: str) -> None:
    assert quote_beginning(text).isprintable()
    assert quote_beginning(text).isascii()
