"""How mail is found in a large backlog of somebody who is passed over: soon, and in small steps."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.spool.fillings import DEFERRED, START_SECONDS, HandClock, finished, numbers, put, run, submission
from tests.spool.test_fellowship import Company, Fellow

from mailrider.spool import leasing
from mailrider.spool.spool import Lease, Stir
from mailrider.spool.sqlite import SqliteSpool

CROWD, OTHER = "crowd@here.example", "other@here.example"


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leasing, "PASSED_LIMIT", 10)
    monkeypatch.setattr(leasing, "NEWEST_ROWS", 5)


async def take_others(spool: SqliteSpool) -> list[Lease]:
    return list(
        await spool.lease(passes_over=lambda domain: None, passes_over_sender=lambda domain, sender: sender == CROWD)
    )


async def fill(spool: SqliteSpool, count: int, sender: str = CROWD) -> None:
    for _ in range(count):
        await put(spool, submission(sender=sender))


def test_what_lies_deep_in_the_backlog_is_found_in_steps(tmp_path: Path) -> None:
    async def go() -> None:
        clock = HandClock()
        async with SqliteSpool(tmp_path, clock) as visitor:
            await fill(visitor, 25)
            await fill(visitor, 1, OTHER)
            await fill(visitor, 25)
        async with SqliteSpool(tmp_path, clock, sweeps=True) as spool:
            found: list[Lease] = []
            steps = 0
            while not found:
                found = await take_others(spool)
                steps += 1
                assert steps < 10
                assert await spool.wait(0.0) == (Stir.MAIL if steps == 1 else Stir.NOTHING), "first for the newest"
                if steps > 1:
                    clock.now_seconds += leasing.REST_SECONDS
                    assert await spool.wait(0.0) == Stir.MAIL
            assert [lease.message.envelope.sender for lease in found] == [OTHER]
            assert steps == 4

    run(go())


def test_the_newest_of_a_visitor_need_not_wait_for_the_walk(tmp_path: Path) -> None:
    async def go() -> None:
        clock = HandClock()
        fellow = Fellow(Company())
        async with SqliteSpool(tmp_path, clock) as visitor, SqliteSpool(tmp_path, clock, fellows=fellow) as spool:
            await fill(visitor, 40)
            assert await spool.wait(3600) == Stir.MAIL
            assert await take_others(spool) == []
            assert await take_others(spool) == []
            clock.now_seconds += 1
            assert await take_others(spool) == []
            assert await spool.wait(0.0) == Stir.NOTHING, "it rests"
            await fill(visitor, 1, OTHER)
            assert await spool.wait(3600) == Stir.MAIL
            assert [lease.message.envelope.sender for lease in await take_others(spool)] == [OTHER]

    run(go())


def test_who_is_no_crowd_any_more_goes_on_where_he_was(tmp_path: Path) -> None:
    async def go() -> None:
        clock = HandClock()
        async with SqliteSpool(tmp_path, clock, sweeps=True) as spool:
            await fill(spool, 30)
            assert await take_others(spool) == []
            taken: list[Lease] = []
            for expected in (4, 4, 4):
                spool.look_again()
                assert await spool.wait(0.0) == Stir.MAIL
                leases = await spool.lease(4)
                assert len(leases) == expected
                taken += leases
                assert await take_others(spool) == []
            for lease in taken[:6]:
                await spool.settle(lease, finished(*numbers(lease)))
            for lease in taken[6:]:
                await spool.defer(lease, numbers(lease), DEFERRED, START_SECONDS + 5)
            clock.now_seconds += 10
            spool.look_again()
            left = 0
            for _ in range(9):
                left += len(await spool.lease())
                clock.now_seconds += leasing.REST_SECONDS
            assert left == 24
            assert await spool.wait(0.0) == Stir.NOTHING

    run(go())
