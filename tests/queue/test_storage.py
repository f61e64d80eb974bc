"""A storage that refuses: what was delivered is not delivered again, and what waits is not handed out twice."""

from __future__ import annotations

import asyncio
from typing import Any

from yard import DEFERRED, SENT, Yard, refused

from mailrider.queue.schedule import ScheduleTerms
from mailrider.spool.memory import MemorySpool
from virtual_time import run

QUICK = ScheduleTerms(minimal_backoff_seconds=10, maximal_backoff_seconds=10, run_delay_seconds=10)
LIMIT_SECONDS = 86_400.0


class FullDisk(MemorySpool):
    """Refuses every change while `is_full`; a deferral is then remembered in memory, as the promise is."""

    is_full = True

    def settle(self, *given: Any) -> Any:
        return refused() if self.is_full else super().settle(*given)

    def defer(self, lease: Any, numbers: Any, outcome: Any, not_before_seconds: float, **rest: Any) -> Any:
        if not self.is_full:
            return super().defer(lease, numbers, outcome, not_before_seconds, **rest)
        wait = not_before_seconds - self._clock.wall_seconds()
        asyncio.get_running_loop().call_later(wait, self.release, lease, numbers)
        return refused()


def test_a_deferral_that_was_refused_does_not_put_back_what_was_delivered_since() -> None:
    async def scene() -> None:
        async with Yard(spool=FullDisk, schedule=QUICK) as yard:
            answers = [DEFERRED, DEFERRED, SENT]
            yard.agent.answer = lambda request, recipient: answers.pop(0)
            queue_id = await yard.send("b@dest.example")
            await asyncio.sleep(100)
            assert answers == []
            assert (await yard.spool.stats()).messages == 1
            yard.spool.is_full = False
            await asyncio.sleep(1000)
            assert len(yard.agent.begun) == 3
            assert ("removed", queue_id) in yard.diary.lines

    run(scene(), limit_seconds=LIMIT_SECONDS)


def test_what_was_delivered_is_recorded_also_by_a_runner_that_has_stopped() -> None:
    async def scene() -> None:
        async with Yard(spool=FullDisk) as yard:
            queue_id = await yard.send("b@dest.example")
            await asyncio.sleep(10)
            yard.runner.stop()
            await asyncio.sleep(1000)
            yard.spool.is_full = False
            await asyncio.sleep(100)
            assert ("removed", queue_id) in yard.diary.lines

    run(scene(), limit_seconds=LIMIT_SECONDS)


def test_a_runner_in_a_hurry_gives_up_what_the_storage_refuses() -> None:
    async def scene() -> None:
        async with Yard(spool=FullDisk) as yard:
            await yard.send("b@dest.example")
            await asyncio.sleep(10)
            yard.runner.stop()
            yard.runner.hurry()
        assert (await yard.spool.stats()).messages == 1

    run(scene(), limit_seconds=60)
