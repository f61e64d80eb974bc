from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.net.deadline import NO_DEADLINE, TICK_SECONDS, DeadlineWheel
from virtual_time import VirtualTimeLoop, run


class Watched:
    """Leaves the wheel when its time is up, as a connection does, and remembers when that was."""

    def __init__(self, wheel: DeadlineWheel, seconds: float) -> None:
        self._wheel = wheel
        self._loop = asyncio.get_running_loop()
        self.deadline_seconds = self._loop.time() + seconds
        self.ended_seconds: float | None = None
        wheel.watch(self)

    def run_out_of_time(self) -> None:
        assert self.ended_seconds is None
        self.ended_seconds = self._loop.time()
        self._wheel.forget(self)


def new_wheel() -> DeadlineWheel:
    return DeadlineWheel(asyncio.get_running_loop())


@given(st.lists(st.floats(min_value=0, max_value=400), min_size=1, max_size=10))
@settings(max_examples=20, deadline=None)
def test_a_deadline_is_noticed_never_early_and_one_tick_late_at_most(limits: list[float]) -> None:
    async def main() -> None:
        wheel = new_wheel()
        watched = [Watched(wheel, limit) for limit in limits]
        await asyncio.sleep(max(limits) + 2 * TICK_SECONDS)
        for each in watched:
            assert each.ended_seconds is not None
            assert 0 <= each.ended_seconds - each.deadline_seconds <= TICK_SECONDS + 1e-6

    run(main())


def test_a_deadline_may_be_moved_in_both_directions() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        wheel = new_wheel()
        later, sooner, never = Watched(wheel, 5), Watched(wheel, 500), Watched(wheel, 5)
        await asyncio.sleep(4)
        later.deadline_seconds = loop.time() + 5
        sooner.deadline_seconds = loop.time() + 1
        never.deadline_seconds = NO_DEADLINE
        await asyncio.sleep(2)
        assert later.ended_seconds is None
        assert sooner.ended_seconds is not None
        await asyncio.sleep(4)
        assert later.ended_seconds is not None
        await asyncio.sleep(5000)
        assert never.ended_seconds is None
        wheel.forget(never)
        await asyncio.sleep(TICK_SECONDS * 2)

    run(main())


def timers(loop: asyncio.AbstractEventLoop) -> int:
    assert isinstance(loop, VirtualTimeLoop)
    return sum(not handle.cancelled() for handle in loop._scheduled)  # type: ignore[attr-defined]


def test_there_is_one_timer_and_none_when_nobody_is_watched() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        wheel = new_wheel()
        before = timers(loop)
        watched = [Watched(wheel, NO_DEADLINE) for _ in range(100)]
        assert timers(loop) == before + 1
        await asyncio.sleep(10 * TICK_SECONDS)
        for each in watched:
            wheel.forget(each)
            wheel.forget(each)
        await asyncio.sleep(2 * TICK_SECONDS)
        assert timers(loop) == before
        again = Watched(wheel, 1)
        await asyncio.sleep(1 + 2 * TICK_SECONDS)
        assert again.ended_seconds is not None
        assert timers(loop) == before

    run(main())


def test_somebody_may_come_and_somebody_go_while_the_deadlines_are_looked_at() -> None:
    async def main() -> None:
        wheel = new_wheel()
        newcomers: list[Watched] = []
        leaver = Watched(wheel, NO_DEADLINE)

        class Restless(Watched):
            def run_out_of_time(self) -> None:
                super().run_out_of_time()
                newcomers.append(Watched(wheel, 1))
                wheel.forget(leaver)

        for _ in range(3):
            Restless(wheel, 1)
        await asyncio.sleep(3)
        assert len(newcomers) == 3
        assert all(each.ended_seconds is not None for each in newcomers)

    run(main())


def test_one_that_fails_does_not_stop_the_clock_of_the_others() -> None:
    class Faulty(Watched):
        def run_out_of_time(self) -> None:
            super().run_out_of_time()
            raise ValueError("a fault")

    async def main() -> None:
        wheel = new_wheel()
        Faulty(wheel, 1)
        Faulty(wheel, 2)
        good = Watched(wheel, 3)
        await asyncio.sleep(4)
        assert good.ended_seconds is not None

    with pytest.raises(AssertionError, match="a fault"):
        run(main())
