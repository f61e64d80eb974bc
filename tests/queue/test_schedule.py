"""The schedule of qmgr(8), by its formulas."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.queue.schedule import Schedule, ScheduleTerms

TERMS = ScheduleTerms()


def schedule(start: float = 0.0, draw: float = 0.0, **terms: float) -> Schedule:
    return Schedule(ScheduleTerms(**terms), start, lambda: draw)  # type: ignore[arg-type]


@pytest.mark.parameter("minimal_backoff_time", "maximal_backoff_time")
@pytest.mark.parametrize(("age", "pause"), [(0, 300), (299, 300), (300, 300), (1000, 1000), (4000, 4000), (90_000, 4000)])
def test_the_pause_is_the_age_within_its_bounds(age: float, pause: float) -> None:
    assert schedule().pause_seconds(age) == pause


@pytest.mark.parameter("queue_run_delay")
def test_attempts_come_at_the_looks_of_the_queue_manager() -> None:
    """A message that arrives 10 s after the queue manager began, and fails at once each time."""
    it, arrival = schedule(), 10.0
    times, now = [], arrival
    for _ in range(9):
        now = it.next_attempt_seconds(arrival, now)
        times.append(now)
    assert times == [600, 1200, 2400, 4800, 9000, 13_200, 17_400, 21_600, 25_800]


def recorded_next(arrival: int, now: int, minimal: int, maximal: int, step: int, start: int) -> int:
    """qmgr(8) as it is: mtime = now + clamp(age), and each scan takes what is no more than a second ahead."""
    due = now + min(max(now - arrival, minimal), maximal) if now - arrival <= maximal else now + max(minimal, maximal)
    scan = start
    while not (scan >= now and due <= scan + 1):
        scan += step
    return scan


@given(st.integers(0, 5000), st.integers(0, 20_000), st.integers(1, 600), st.integers(600, 9000), st.integers(1, 700))
def test_it_is_what_the_queue_manager_does(arrival: int, age: int, minimal: int, maximal: int, step: int) -> None:
    it = schedule(
        start=7, minimal_backoff_seconds=minimal, maximal_backoff_seconds=maximal, run_delay_seconds=step
    )
    found = it.next_attempt_seconds(arrival, arrival + age)
    assert found == max(7, recorded_next(arrival, arrival + age, minimal, maximal, step, 7))


@pytest.mark.parameter("retry_jitter")
def test_jitter_adds_up_to_its_share_and_leaves_the_looks() -> None:
    assert schedule(draw=0.0, jitter_percent=20).next_attempt_seconds(0, 1000) == 2000
    assert schedule(draw=1.0, jitter_percent=20).next_attempt_seconds(0, 1000) == 2200


@pytest.mark.parameter("maximal_queue_lifetime", "bounce_queue_lifetime")
def test_a_message_is_too_old_after_its_lifetime() -> None:
    it = schedule(lifetime_seconds=100, bounce_lifetime_seconds=10)
    assert not it.is_expired("a@x", 50.9, 149.9)
    assert it.is_expired("a@x", 50.9, 150.0)
    assert not it.is_expired("", 50, 59)
    assert it.is_expired("", 50, 60)
    assert it.is_expired("a@x", 50, 70, expires_seconds=70)
    assert not it.is_expired("a@x", 50, 500, expires_seconds=501)


def test_a_lifetime_of_nothing_is_one_attempt() -> None:
    assert schedule(lifetime_seconds=0).is_expired("a@x", 50, 50)


@pytest.mark.parameter("delay_warning_time")
def test_a_warning_is_due_after_its_time_or_never() -> None:
    it = schedule(warning_seconds=100)
    assert not it.is_late(50, 148)
    assert it.is_late(50, 149)
    assert not schedule().is_late(0, 1e9)


def test_the_future_is_told_until_the_end() -> None:
    it = schedule(lifetime_seconds=3000)
    assert it.forecast(0, 300, 10) == [300, 600, 1200, 2400, 4800]
    assert it.forecast(0, 300, 2) == [300, 600]
