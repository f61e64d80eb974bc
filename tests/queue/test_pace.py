"""Departures one after the other."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mailrider.queue.pace import Pace


def test_departures_are_evenly_spaced() -> None:
    pace = Pace(2.0)
    assert [pace.claim(10.0), pace.claim(10.0), pace.claim(11.0)] == [0.0, 2.0, 3.0]
    assert pace.rest_seconds(11.0) == 5.0


def test_nothing_is_saved_up() -> None:
    pace = Pace(1.0)
    pace.claim(0.0)
    assert [pace.claim(100.0), pace.claim(100.0)] == [0.0, 1.0]
    assert pace.rest_seconds(200.0) == 0.0


def test_who_departs_late_puts_off_the_next() -> None:
    pace = Pace(2.0)
    pace.claim(10.0)
    pace.depart(11.0)
    assert pace.rest_seconds(11.0) == 2.0
    pace.depart(10.5)
    assert pace.rest_seconds(11.0) == 2.0, "an earlier one changes nothing"


@given(st.lists(st.floats(0, 10), max_size=50), st.floats(0.01, 5))
def test_no_two_departures_are_closer_than_the_interval(steps: list[float], interval: float) -> None:
    pace, now, departures = Pace(interval), 0.0, []
    for step in steps:
        now += step
        departures.append(now + pace.claim(now))
    assert all(later - sooner >= interval * 0.999 for sooner, later in pairwise(departures))
