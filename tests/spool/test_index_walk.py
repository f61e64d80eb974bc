"""Where the walk through the index goes: back for what lies behind it, and in small steps through what is passed over."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.spool.fillings import DEFERRED, START_SECONDS, HandClock, finished, numbers, only, put, run, submission, take
from tests.spool.test_fellowship import Company, Fellow

from mailrider.spool import index_walk
from mailrider.spool.spool import Lease, Stir
from mailrider.spool.sqlite import SqliteSpool

CROWD, OTHER = "crowd@here.example", "other@here.example"


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_walk, "PASSED_LIMIT", 10)
    monkeypatch.setattr(index_walk, "NEWEST_ROWS", 5)


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
                    clock.now_seconds += index_walk.REST_SECONDS
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
                clock.now_seconds += index_walk.REST_SECONDS
            assert left == 24
            assert await spool.wait(0.0) == Stir.NOTHING

    run(go())


def test_a_clock_that_goes_back(tmp_path: Path) -> None:
    async def go() -> None:
        clock = HandClock()
        async with SqliteSpool(tmp_path, clock) as spool:
            clock.now_seconds += 1000
            first = await put(spool, submission())
            assert set(await take(spool)) == {first}
            clock.now_seconds -= 900
            second = await put(spool, submission())
            assert set(await take(spool)) == {second}

    run(go())


def test_mail_before_and_behind_the_walk(tmp_path: Path) -> None:
    """Recipients come back at times before and after where the walk is."""

    async def go() -> None:
        clock = HandClock()
        async with SqliteSpool(tmp_path, clock) as spool:
            ids = [await put(spool, submission()) for _ in range(4)]
            leases = await take(spool)
            clock.now_seconds += 100
            await spool.defer(leases[ids[0]], [0], DEFERRED, START_SECONDS + 50)
            await spool.defer(leases[ids[1]], [0], DEFERRED, START_SECONDS + 150)
            assert set(await take(spool)) == {ids[0]}
            clock.now_seconds += 100
            await spool.defer(leases[ids[2]], [0], DEFERRED, START_SECONDS + 120)
            spool.release(leases[ids[3]])
            back = await take(spool)
            assert set(back) == {ids[1], ids[2], ids[3]}
            assert only(back[ids[1]]).attempts == 1

    run(go())
