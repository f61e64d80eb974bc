from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.spool.fillings import START_SECONDS, HandClock, put, run, submission, take

from mailrider.errors import BrokenPromise
from mailrider.spool.spool import ALL, Order, Stir
from mailrider.spool.spread import Spread
from mailrider.spool.sqlite import SqliteSpool


@given(st.floats(0, 2e9), st.floats(0.01, 86_400), st.integers(0, 100_000))
def test_turns_come_at_even_steps(first: float, interval: float, place: int) -> None:
    spread = Spread(first, interval)
    assert spread.turn_seconds(0) == first
    assert spread.turn_seconds(place + 1) - spread.turn_seconds(place) == pytest.approx(interval, abs=1e-3)


@pytest.mark.parametrize("order", list(Order))
def test_who_gives_turns(order: Order) -> None:
    order.check(None)
    if order in (Order.FLUSH, Order.RELEASE):
        order.check(Spread(0.0, 1.0))
    else:
        with pytest.raises(BrokenPromise, match="turn"):
            order.check(Spread(0.0, 1.0))


def test_a_node_that_runs_keeps_to_the_turns_that_an_operator_gives(tmp_path: Path) -> None:
    async def go() -> None:
        clock = HandClock()
        async with SqliteSpool(tmp_path, clock, sweeps=True) as node, SqliteSpool(tmp_path, clock) as visitor:
            ids = [await put(node, submission(on_hold=True)) for _ in range(3)]
            assert await take(node) == {}
            assert await visitor.administer(Order.RELEASE, ALL, Spread(START_SECONDS + 5, 5.0)) == 3
            for identity in ids:
                clock.now_seconds += 5
                assert await node.wait(60.0) == Stir.MAIL
                assert list(await take(node)) == [identity]
                assert await take(node) == {}

    run(go())
