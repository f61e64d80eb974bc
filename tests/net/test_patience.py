from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.net.deadline import NO_DEADLINE
from mailrider.net.patience import PATIENCE, Patience
from mailrider.smtp.stage import (
    AUTH,
    AUTH_AFTER_DENIAL,
    CONTENT,
    EHLO,
    GREETING,
    HELO,
    LHLO,
    LMTP_AUTH,
    MAIL,
    STAGES,
    STARTTLS,
)

LIMITS = dict.fromkeys(STAGES, 100.0) | {CONTENT: 180.0}


def test_nothing_that_is_waited_for_has_no_deadline() -> None:
    patience = Patience(LIMITS)
    assert patience.begin(None, 5) == NO_DEADLINE
    assert patience.after_arrival(None, 5, 0, 77) == 77
    assert patience.after_departure(None, 5, 77, 1000) == 77


def test_each_arrival_gives_a_whole_limit_but_not_for_ever() -> None:
    patience = Patience(LIMITS)
    assert patience.begin(MAIL, 1000) == 1100
    assert patience.after_arrival(MAIL, 1090, 1000, 1100) == 1190
    assert patience.after_arrival(MAIL, 1950, 1000, 2000) == 1000 + PATIENCE * 100


def test_each_departure_gives_a_whole_limit() -> None:
    assert Patience(LIMITS).after_departure(CONTENT, 5000, 5001, 1) == 5180


@pytest.mark.parametrize(("now", "deadline"), [
    (1000, 1100), (1090, 1100), (1090.25, 1100.25), (1099.5, 1100.5), (1100, 1100), (1100.5, 1100.5),
])  # fmt: skip
def test_arrivals_give_less_than_a_second_where_the_limit_is_for_the_whole(now: float, deadline: float) -> None:
    assert Patience(LIMITS, per_request=True).after_arrival(MAIL, now, 1000, 1100) == deadline


def test_only_the_opening_has_one_limit_for_several_replies() -> None:
    patience = Patience(LIMITS, per_request=True)
    stages = (None, *STAGES)
    going_on = {(before, stage) for before in stages for stage in stages if patience.goes_on(before, stage)}
    following = (EHLO, HELO, LHLO, AUTH, LMTP_AUTH)
    denied = {(STARTTLS, AUTH_AFTER_DENIAL), (AUTH_AFTER_DENIAL, AUTH_AFTER_DENIAL)}
    assert going_on == denied | {(before, stage) for before in (GREETING, *following) for stage in following}
    assert not Patience(LIMITS).goes_on(GREETING, EHLO)
    assert {before for before in stages if patience.lasts(before)} == {before for before, _ in going_on}
    assert not Patience(LIMITS).lasts(EHLO)


@pytest.mark.parametrize(("octets", "deadline"), [(0, 1100), (500, 1101), (10_000, 1120), (10_000_000, 1190)])
def test_what_is_sent_gives_the_time_that_the_data_rate_grants_and_one_limit_at_most(octets: int, deadline: float) -> None:
    patience = Patience(LIMITS | {CONTENT: 100.0}, per_request=True, min_data_rate=500)
    assert patience.after_departure(CONTENT, 1090, 1100, octets) == deadline


def test_without_a_data_rate_nothing_is_granted() -> None:
    assert Patience(LIMITS, per_request=True, min_data_rate=0).after_departure(CONTENT, 1090, 1100, 10**9) == 1100


@given(
    st.booleans(),
    st.integers(min_value=0, max_value=10_000),
    st.lists(st.tuples(st.floats(min_value=0, max_value=1000), st.integers(0, 10**6)), max_size=30),
)
def test_a_deadline_is_never_more_than_one_limit_ahead(per_request: bool, rate: int, steps: list[tuple[float, int]]) -> None:
    patience = Patience(LIMITS, per_request, rate)
    now, deadline = 0.0, patience.begin(CONTENT, 0)
    for seconds, octets in steps:
        now += seconds
        deadline = patience.after_departure(CONTENT, now, deadline, octets)
        assert deadline <= now + 180.0 or deadline == pytest.approx(180.0)
