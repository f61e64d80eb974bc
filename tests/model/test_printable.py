from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.model.printable import make_printable


@settings(deadline=None)
@given(st.text(st.characters()))
def test_the_result_is_one_line_that_encodes(text: str) -> None:
    result = make_printable(text)
    assert result.isprintable()
    assert len(result) == len(text)
    result.encode("utf-8")
    assert make_printable(result) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain text", "plain text"),
        ("two\r\nlines\x00", "two??lines?"),
        ("naïve 例え", "naïve 例え"),
        ("\udcff not text", "? not text"),
        ("right\u202eleft", "right?left"),
    ],
)
def test_only_what_cannot_be_printed_is_replaced(text: str, result: str) -> None:
    assert make_printable(text) == result
