"""How many messages in a time: `settings.catalogue.node`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.settings.catalogue.node import parse_rate
from mailrider.settings.parameter import WrongValue


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 0), ("0", 0), ("0/min", 0), ("20/s", 0.05), ("20", 0.05), ("600/min", 0.1), ("30 / minute", 2), ("5000/h", 0.72),
        ("0.5/s", 2), ("1/5s", 5), ("1/5 s", 5), ("10/2min", 12), ("3/12h", 14_400), (" 2/D ", 43_200),
    ],
)  # fmt: skip
def test_seconds_between_two(text: str, seconds: float) -> None:
    assert parse_rate(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["1/0s", "1/00min", "1/5", "1/s5", "1//s", "1/5.5s", "1/12345s", "-1/s", "x", "1/week", "1e3/s", "1 2/s", "/s", " "]
)
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(WrongValue, match="1/5s"):
        parse_rate(text)


@given(st.text(max_size=12))
def test_any_text_is_a_rate_or_is_refused(text: str) -> None:
    try:
        assert parse_rate(text) >= 0
    except WrongValue:
        pass


@given(st.integers(1, 999_999_999), st.integers(1, 9999), st.sampled_from(["s", "min", "h", "d"]))
def test_count_and_period_come_back(count: int, periods: int, unit: str) -> None:
    seconds = {"s": 1, "min": 60, "h": 3600, "d": 86_400}[unit]
    assert parse_rate(f"{count}/{periods}{unit}") * count == pytest.approx(periods * seconds)
