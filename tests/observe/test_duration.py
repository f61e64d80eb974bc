from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailrider.observe.duration import DECIMALS_LIMIT, duration_format, format_microseconds

# Seconds, significant digits, decimals -> what Postfix writes (facts of its own test of format_tv).
FACTS = """
1110 2 6 1110
111 2 6 111
11.1 2 6 11
1.11 2 6 1.1
0.111 2 6 0.11
0.0111 2 6 0.011
0.00111 2 6 0.0011
0.000111 2 6 0.00011
0.0000111 2 6 0.000011
1000 2 6 1000
100 2 6 100
10 2 6 10
1 2 6 1
0.1 2 6 0.1
0.01 2 6 0.01
0.001 2 6 0.001
0.0001 2 6 0.0001
0.00001 2 6 0.00001
0.0000011 2 6 0.000001
996 2 6 996
99.6 2 6 100
9.96 2 6 10
.996 2 6 1
.0996 2 6 0.1
.00996 2 6 0.01
.000996 2 6 0.001
1110 1 6 1110
111 1 6 111
11.1 1 6 11
1.11 1 6 1
0.111 1 6 0.1
0.0111 1 6 0.01
0.00111 1 6 0.001
0.000111 1 6 0.0001
0.000011 1 6 0.00001
1000 1 6 1000
100 1 6 100
10 1 6 10
1 1 6 1
0.1 1 6 0.1
0.01 1 6 0.01
0.001 1 6 0.001
0.0001 1 6 0.0001
0.00001 1 6 0.00001
0.0000011 1 6 0.000001
996 1 6 996
99.6 1 6 100
9.96 1 6 10
.996 1 6 1
.0996 1 6 0.1
.00996 1 6 0.01
.000996 1 6 0.001
"""


def _facts() -> list[tuple[int, int, int, str]]:
    facts = []
    for line in FACTS.split("\n"):
        if line:
            seconds, significant, decimals, text = line.split()
            facts.append((round(float(seconds) * 1_000_000), int(significant), int(decimals), text))
    return facts


@pytest.mark.parametrize(("microseconds", "significant", "decimals", "text"), _facts())
def test_durations_read_as_in_postfix(microseconds: int, significant: int, decimals: int, text: str) -> None:
    assert format_microseconds(microseconds, decimals, significant) == text


@settings(deadline=None)
@given(st.one_of(st.integers(0, 20_000_000), st.integers(0, 2_000_000_000_000_000)))
@example(1_049_999)
@example(1_050_000)
@example(9_949_999)
@example(9_950_000)
@example(9_999_999)
@example(10_499_999)
@example(10_500_000)
@example(99_500_000)
@example(285_000)  # 28.499999999999996 hundredths to the machine
@example(995_000)
@example(999_999)
@example(1_000_000)
def test_the_table_says_the_same_as_the_rule(microseconds: int) -> None:
    assert duration_format(2)(microseconds / 1e6) == format_microseconds(microseconds, 2)


@settings(deadline=None)
@given(st.integers(0, 10**12), st.integers(0, DECIMALS_LIMIT))
def test_a_duration_is_a_number_near_the_true_one(microseconds: int, decimals: int) -> None:
    text = format_microseconds(microseconds, decimals)
    seconds = microseconds / 1e6
    assert abs(float(text) - seconds) <= max(0.05 * seconds, 0.5 * 10**-decimals) * (1 + 1e-9) + 1e-7
    assert len(text.partition(".")[2]) <= decimals
    assert not ("." in text and text.endswith(("0", ".")))


@settings(deadline=None)
@given(st.floats(max_value=0, allow_infinity=False, allow_nan=False), st.integers(0, DECIMALS_LIMIT))
def test_a_clock_set_back_gives_no_time_at_all(seconds: float, decimals: int) -> None:
    assert duration_format(decimals)(seconds) == "0"


@pytest.mark.parametrize("decimals", [-1, 7])
def test_impossible_numbers_of_decimals_are_refused(decimals: int) -> None:
    with pytest.raises(ValueError, match="0 to 6"):
        duration_format(decimals)
