"""The concurrency window against sequences worked out by hand from the formulas of qmgr(8).

Success: credit += f, and while credit + f/2 >= 1 the window grows by one and the credit shrinks by one.
Failure: cohorts += 1/window, dead at the limit; debit -= f, and while debit - f/2 < 0 the window shrinks by one and the debit
grows by one.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.queue.window import ConcurrencyWindow, WindowTerms


def fixed(amount: float) -> Callable[[int], float]:
    return lambda window: amount


def over_window(amount: float) -> Callable[[int], float]:
    return lambda window: amount / window


def over_root(amount: float) -> Callable[[int], float]:
    return lambda window: amount / window**0.5


def play(terms: WindowTerms, steps: str, busy: int | None = None) -> list[int]:
    """The width after each step: `+` a success with the window full (or `busy`), `-` a failure of the site."""
    window = ConcurrencyWindow(terms)
    widths = []
    for step in steps:
        if step == "+":
            window.succeed(window.width if busy is None else busy)
        else:
            window.fail()
        widths.append(window.width)
    return widths


@pytest.mark.parametrize(
    ("initial", "limit", "width"), [(5, 20, 5), (5, 2, 2), (5, 0, 5), (1, 20, 1), (0, 20, 1), (5, 5, 5), (100, 7, 7)]
)
def test_it_begins_with_the_initial_width_within_the_limit(initial: int, limit: int, width: int) -> None:
    assert ConcurrencyWindow(WindowTerms(initial=initial, limit=limit)).width == width


@pytest.mark.parametrize(
    ("positive", "widths"),
    [
        # 1: each success is a whole unit.
        (fixed(1.0), [6, 7, 8, 9, 10, 11, 12, 13]),
        # 1/2: 0.5 + 0.25 is too little, 1.0 + 0.25 is enough.
        (fixed(0.5), [5, 6, 6, 7, 7, 8, 8, 9]),
        # 1/3: 1/3 + 1/6 and 2/3 + 1/6 are too little, 1 + 1/6 is enough.
        (fixed(1 / 3), [5, 5, 6, 6, 6, 7, 7, 7]),
        # 0.4: 0.8 + 0.2 is enough and leaves -0.2; then 0.2, 0.6, 1.0.
        (fixed(0.4), [5, 6, 6, 6, 7, 7, 8, 8]),
        # 1/window: five fifths, then six sixths.
        (over_window(1.0), [5, 5, 5, 5, 6, 6, 6, 6]),
        # 1/sqrt(window): at 5 it is 0.447, and 0.894 + 0.224 is enough, leaving -0.106; at 6 it is 0.408: 0.303, 0.711, 1.119
        # of which 0.711 + 0.204 is too little; that leaves 0.119; at 7 it is 0.378: 0.497, 0.875 + 0.189 is enough.
        (over_root(1.0), [5, 6, 6, 6, 7, 7, 8, 8]),
        (fixed(0.0), [5] * 8),
    ],
)
def test_successes_widen_it(positive: Callable[[int], float], widths: list[int]) -> None:
    assert play(WindowTerms(positive=positive), "+" * 8) == widths


@pytest.mark.parametrize(
    ("negative", "widths"),
    [
        # 1: from nothing, -1 - 0.5 and 0 - 0.5 are below zero: two steps; from then on one at a time.
        (fixed(1.0), [8, 7, 6, 5, 4, 3, 2, 1, 1]),
        # 1/2: -0.5 takes one and leaves 0.5; 0 - 0.25 takes one and leaves 1; 0.5 - 0.25 takes none; 0 - 0.25 takes one.
        (fixed(0.5), [9, 8, 8, 7, 7, 6, 6, 5, 5]),
        # 1/window: -0.1 takes one and leaves 0.9; at 9 it is 1/9: seven times 1/9 leave 0.122, and the eighth 0.011, less 1/18.
        (over_window(1.0), [9, 9, 9, 9, 9, 9, 9, 9, 8]),
        (fixed(0.0), [10] * 9),
    ],
)
def test_failures_narrow_it_to_one_at_least(negative: Callable[[int], float], widths: list[int]) -> None:
    terms = WindowTerms(initial=10, limit=20, negative=negative, failed_cohort_limit=0)
    assert play(terms, "-" * 9) == widths


def test_a_destination_dies_with_the_first_cohort_by_default() -> None:
    """1/5, then (at 3) 1/3, then (at 2) 1/2: that is more than one."""
    assert play(WindowTerms(), "---") == [3, 2, 0]


@pytest.mark.parametrize(
    ("initial", "limit", "cohorts", "widths"),
    [
        (1, 20, 1.0, [0]),  # one of one
        (2, 20, 1.0, [1, 0]),  # 1/2 + 1/1
        (5, 20, 2.0, [3, 2, 1, 0]),  # 1/5 + 1/3 + 1/2 + 1/1 = 2.03
        (20, 20, 1.0, [18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 0]),
        (5, 20, 0.1, [0]),
        (1, 1, 3.0, [1, 1, 0]),
    ],
)
def test_a_destination_dies_when_enough_cohorts_have_failed(
    initial: int, limit: int, cohorts: float, widths: list[int]
) -> None:
    terms = WindowTerms(initial=initial, limit=limit, failed_cohort_limit=cohorts)
    assert play(terms, "-" * len(widths)) == widths


def test_one_success_forgives_all_failed_cohorts() -> None:
    """After --: 0.53 cohorts, width 2.  After +: none, width 3.  Then 1/3, 1/1 (at 1; the debt was cleared, so 2 off)."""
    assert play(WindowTerms(), "--+--") == [3, 2, 3, 1, 0]


def test_success_and_failure_start_each_others_cycles_anew() -> None:
    """Credits of 0.8 are lost with the first narrowing; a widening clears the debit of 0.5."""
    terms = WindowTerms(positive=fixed(0.2), negative=fixed(0.5), failed_cohort_limit=0)
    #          .2 .4 .6 .8 | -0.5: 4, credit 0 | .2 .4 .6 .8 1.0: 5 after the fifth, debit 0 | -0.5: 4
    assert play(terms, "++++" + "-" + "+++++" + "-") == [5, 5, 5, 5, 4, 4, 4, 4, 4, 5, 4]


def test_it_does_not_outgrow_what_is_in_use() -> None:
    """Not wider than the busy deliveries plus the initial width."""
    assert play(WindowTerms(limit=0), "+" * 8, busy=2) == [6, 7, 7, 7, 7, 7, 7, 7]
    assert play(WindowTerms(limit=0), "+" * 8) == [6, 7, 8, 9, 10, 11, 12, 13]


def test_it_does_not_outgrow_its_limit() -> None:
    assert play(WindowTerms(initial=5, limit=7), "+++++") == [6, 7, 7, 7, 7]
    assert play(WindowTerms(initial=5, limit=3), "++") == [3, 3]


@pytest.mark.parametrize(("busy", "width"), [(3, 3), (1, 1), (0, 5)])
def test_a_dead_destination_comes_back_with_what_it_has(busy: int, width: int) -> None:
    window = ConcurrencyWindow(WindowTerms())
    for _ in range(3):
        window.fail()
    assert window.is_dead
    window.fail()
    assert window.is_dead
    window.succeed(busy)
    assert window.width == width
    assert not window.is_dead


def test_a_dead_destination_does_not_come_back_wider_than_its_limit() -> None:
    window = ConcurrencyWindow(WindowTerms(initial=5, limit=2))
    while not window.is_dead:
        window.fail()
    window.succeed(0)
    assert window.width == 2


FEEDBACKS = st.builds(
    lambda make, amount: make(amount), st.sampled_from([fixed, over_window, over_root]), st.floats(min_value=0, max_value=1)
)


@given(
    st.builds(
        WindowTerms,
        initial=st.integers(1, 30),
        limit=st.integers(0, 30),
        positive=FEEDBACKS,
        negative=FEEDBACKS,
        failed_cohort_limit=st.floats(min_value=0, max_value=5),
    ),
    st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=80),
)
def test_it_stays_within_its_bounds_whatever_happens(terms: WindowTerms, steps: list[int | None]) -> None:
    window = ConcurrencyWindow(terms)
    for busy in steps:
        before = window.width
        if busy is None:
            window.fail()
            assert window.width <= before
        else:
            busy = min(busy, terms.limit) if terms.limit else busy
            window.succeed(busy)
            assert window.width >= before
            assert window.width <= before + 2 or before == 0
            assert not window.is_dead
        assert window.width >= 1 or (terms.failed_cohort_limit > 0 and busy is None)
        if terms.limit:
            assert window.width <= terms.limit
