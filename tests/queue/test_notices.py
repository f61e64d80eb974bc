"""Rates that are not for notices: mail of the null sender passes, and a rate never costs an attempt; in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept_on_disk import sqlite_spool
from yard import DEFERRED, TROUBLE, Yard

from mailrider.queue.dispatcher import ClogTerms
from mailrider.queue.window import WindowTerms
from mailrider.spool.memory import MemorySpool
from virtual_time import VirtualClock, run

ONE = WindowTerms(initial=1, limit=1)
DAY = 86_400.0


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run(scene(), limit_seconds=7 * DAY)


def times_of(yard: Yard, *, notices: bool) -> list[float]:
    """When deliveries of notices, or of other mail, began."""
    return [round(seconds, 3) for seconds, request in yard.agent.begun if (request.envelope.sender == "") is notices]


@pytest.mark.parameter("rates_count_null_sender")
@pytest.mark.parametrize("interval", ["interval", "transport_interval"])
@pytest.mark.parametrize("window", [ONE, WindowTerms()], ids=["narrow", "wide"])
def test_a_notice_does_not_wait_for_a_rate_and_does_not_count(window: WindowTerms, interval: str) -> None:
    async def scene() -> None:
        async with Yard(window=window, notices_pass=True, **{interval: 60.0}) as yard:  # type: ignore[arg-type]
            for number in range(4):
                await yard.send(f"u{number}@dest.example")
            for moment in (1, 2, 70):
                await asyncio.sleep(moment + yard.began - yard.clock.wall_seconds())
                await yard.send("n@dest.example", sender="")
            await asyncio.sleep(1000)
            assert times_of(yard, notices=True) == [1, 2, 70]
            assert times_of(yard, notices=False) == [0, 60, 120, 180]

    play(scene)


def test_where_it_is_told_to_a_notice_counts() -> None:
    async def scene() -> None:
        async with Yard(interval=60.0) as yard:
            await yard.send("u@dest.example")
            await yard.send("n@dest.example", sender="")
            await asyncio.sleep(1000)
            assert yard.times == [0, 60]

    play(scene)


def test_who_gets_a_place_late_puts_off_the_next() -> None:
    async def scene() -> None:
        async with Yard(window=ONE, interval=60.0, notices_pass=True) as yard:
            for number in range(3):
                await yard.send(f"u{number}@dest.example")
            await asyncio.sleep(55)
            yard.agent.seconds = 20.0
            for _ in range(3):
                await yard.send("n@dest.example", sender="")
            await asyncio.sleep(1000)
            assert times_of(yard, notices=True) == [55, 95, 115], "who has waited for a departure has the next place"
            assert times_of(yard, notices=False) == [0, 75, 135]
            assert yard.agent.busiest == 1

    play(scene)


def test_a_notice_may_find_the_destination_dead() -> None:
    async def scene() -> None:
        async with Yard(window=ONE, interval=60.0, notices_pass=True) as yard:
            await yard.send("u0@dest.example")
            await asyncio.sleep(1)
            yard.agent.answer = lambda request, recipient: (DEFERRED, TROUBLE)
            for number in (1, 2):
                await yard.send(f"u{number}@dest.example")
            await asyncio.sleep(1)
            for number in range(2):
                await yard.send(f"n{number}@dest.example", sender="")
            await asyncio.sleep(100)
            assert times_of(yard, notices=True) == [2]
            assert times_of(yard, notices=False) == [0]
            assert yard.outcomes("u1@dest.example") == yard.outcomes("n1@dest.example") != []
            assert yard.dispatcher.busy == 0

    play(scene)


@pytest.mark.parametrize("spool", ["memory", "sqlite"])
@pytest.mark.parametrize("notices_pass", [True, False])
def test_waiting_for_a_rate_is_no_attempt(spool: str, notices_pass: bool, tmp_path: Path) -> None:
    make: Callable[[VirtualClock], Any] = MemorySpool if spool == "memory" else sqlite_spool(tmp_path)

    async def scene() -> None:
        yard = Yard(interval=1000.0, notices_pass=notices_pass, spool=make)
        async with yard:
            yard.agent.answer = lambda request, recipient: DEFERRED
            for number in range(3):
                await yard.send(f"u{number}@dest.example")
            await asyncio.sleep(500)
            assert len(yard.agent.begun) == 1
        async with yard.spool if spool == "memory" else make(yard.clock) as kept:  # the node is down
            (tried, *waiting) = [message.recipients[0] for message in await kept.list()]
            assert (tried.attempts, tried.latest is None) == (1, False)
            assert [(one.attempts, one.latest, one.warned) for one in waiting] == [(0, None, False)] * 2
            assert all(one.not_before_seconds == yard.began for one in waiting), "their turn is what it was"

    play(scene)


def test_notices_go_back_as_they_were_where_the_node_stops() -> None:
    async def scene() -> None:
        yard = Yard(window=ONE, interval=1000.0, notices_pass=True)
        async with yard:
            yard.agent.seconds = 30.0
            for sender in ("a@here.example", "", ""):
                await yard.send("u@dest.example", sender=sender)
            await asyncio.sleep(10)
            assert yard.dispatcher.describe() == {("smtp", "dest.example"): (1, 1, 2)}
        assert [message.recipients[0].attempts for message in await yard.spool.list()] == [0, 0]

    play(scene)


def test_a_destination_that_is_filled_by_notices_is_told_of() -> None:
    async def scene() -> None:
        async with Yard(window=ONE, interval=60.0, notices_pass=True, clog=ClogTerms(3)) as yard:
            yard.agent.seconds = 10.0
            for _ in range(5):
                await yard.send("n@dest.example", sender="")
            await asyncio.sleep(1)
            assert any("is using up" in str(event) for event in yard.events)

    play(scene)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=25), st.integers(0, 25), st.integers(1, 4),
    st.integers(1, 4), st.booleans(),
)  # fmt: skip
def test_whatever_comes_the_rate_and_the_window_hold(
    plan: list[tuple[int, bool]], seconds: int, width: int, crew: int, shared: bool
) -> None:
    async def scene() -> None:
        rate = {"transport_interval" if shared else "interval": 7.0}
        window = WindowTerms(initial=width, limit=width)
        async with Yard(window=window, notices_pass=True, deliveries=crew, **rate) as yard:  # type: ignore[arg-type]
            yard.agent.seconds = float(seconds)
            for number, (pause, is_notice) in enumerate(plan):
                await asyncio.sleep(pause)
                await yard.send(f"u{number}@dest.example", sender="" if is_notice else "a@here.example")
            await asyncio.sleep(DAY)
            assert len(yard.agent.begun) == len(plan)
            assert yard.agent.busiest <= min(width, crew)
            assert all(later - sooner >= 6.999 for sooner, later in pairwise(times_of(yard, notices=False)))
            assert (yard.dispatcher.busy, yard.dispatcher.describe()) == (0, {})

    play(scene)
