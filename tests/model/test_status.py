from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.model import status as status_module
from mailrider.model.status import is_hard, is_soft, of_reply_class, parse_status, soften


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("5.1.1 no", "5.1.1"),
        ("4.123.999", "4.123.999"),
        ("2.0.0\tOk", "2.0.0"),
        ("5.1.1x", None),
        ("5.1.1.1", None),
        ("5.1.1234 x", None),
        ("5.1234.1 x", None),
        ("3.1.1 x", None),
        ("5.1 x", None),
        (" 5.1.1", None),
        ("", None),
        ("5.1.\u0661 x", None),
        ("5.1.1\u00a0x", None),
    ],
)
def test_a_status_stands_at_the_beginning_of_a_text(text: str, status: str | None) -> None:
    assert parse_status(text) == status


@given(st.from_regex(r"\A[245]\.[0-9]{1,3}\.[0-9]{1,3}\Z"))
def test_a_status_is_soft_or_hard_or_neither(status: str) -> None:
    assert parse_status(status) == status
    assert is_soft(status) is (status[0] == "4")
    assert is_hard(status) is (status[0] == "5")
    assert soften(status) == ("4" + status[1:] if is_hard(status) else status)


def test_a_reply_class_has_a_status() -> None:
    assert [of_reply_class(digit) for digit in "245"] == ["2.0.0", "4.0.0", "5.0.0"]


def test_our_own_codes_are_codes() -> None:
    named = {name: value for name, value in vars(status_module).items() if name.isupper() and not name.startswith("_")}
    assert len(named) > 15
    for name, value in named.items():
        assert parse_status(value) == value, name
        if name.endswith("_SOFT"):
            assert is_soft(value)
        if name.endswith("_HARD"):
            assert is_hard(value)
