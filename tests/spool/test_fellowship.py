"""Several processes on one spool: nobody hands out what another one has, and each hears at once of mail that is his."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest
from tests.spool.fillings import DEFERRED, START_SECONDS, HandClock, finished, numbers, put, run, submission

from mailrider.spool import index_walk
from mailrider.spool.fellowship import Candidate, Hearing
from mailrider.spool.leases import Spot
from mailrider.spool.spool import ALL, Lease, Order, Stir
from mailrider.spool.sqlite import SqliteSpool


class Company:
    """Keeps the claims of all its members."""

    def __init__(self) -> None:
        self.holders: dict[Spot, Fellow] = {}
        self.fellows: list[Fellow] = []


class Fellow:
    """A `Fellowship` in one process."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self.hear: Hearing = lambda candidates: None
        company.fellows.append(self)

    def attend(self, hear: Hearing) -> None:
        self.hear = hear

    def announce(self, candidates: Sequence[Candidate]) -> None:
        for fellow in self._company.fellows:
            if fellow is not self:
                fellow.hear(candidates)

    async def claim(self, spots: Sequence[Spot]) -> Collection[Spot]:
        await asyncio.sleep(0)
        return [spot for spot in spots if self._company.holders.setdefault(spot, self) is not self]

    def give_back(self, key: int, given: Collection[int]) -> None:
        for number in given:
            if self._company.holders.get((key, number)) is self:
                del self._company.holders[key, number]

    def die(self) -> None:
        self._company.holders = {spot: holder for spot, holder in self._company.holders.items() if holder is not self}
        self._company.fellows.remove(self)


class Own:
    """A share."""

    def __init__(self, *domains: str) -> None:
        self._domains = domains

    def has_domain(self, domain: str) -> bool | None:
        return domain in self._domains

    def has_recipient(self, sender: str, address: str) -> bool:
        raise AssertionError("the domain was enough")


def found(leases: Sequence[Lease]) -> list[list[int]]:
    return [numbers(lease) for lease in leases]


def test_what_one_has_no_other_gets_until_it_is_back(tmp_path: Path) -> None:
    async def go() -> None:
        company, clock = Company(), HandClock()
        async with (
            SqliteSpool(tmp_path, clock, fellows=Fellow(company)) as one,
            SqliteSpool(tmp_path, clock, fellows=Fellow(company)) as other,
        ):
            await put(one, submission("a@a.example", "b@b.example", "c@c.example"))
            (lease,) = await one.lease()
            assert await other.lease() == ()
            await one.settle(lease, finished(0))
            one.release(lease, [1])
            clock.now_seconds += 3
            (second,) = await other.lease()
            assert numbers(second) == [1]
            await one.defer(lease, [2], DEFERRED, START_SECONDS + 100)
            assert company.holders.keys() == {(key, 1) for key, _ in company.holders}
            clock.now_seconds += 100
            assert found(await other.lease()) == [[2]]
            assert await one.lease() == ()

    run(go())


def test_what_the_dead_one_had_comes_back_and_no_more(tmp_path: Path) -> None:
    async def go() -> None:
        company, clock = Company(), HandClock()
        first = Fellow(company)
        async with SqliteSpool(tmp_path, clock, fellows=Fellow(company)) as living:
            async with SqliteSpool(tmp_path, clock, fellows=first) as dying:
                await put(dying, submission("a@a.example"))
                await put(dying, submission("b@b.example"))
                assert len(await dying.lease(1)) == 1
                assert len(await living.lease(1)) == 0, "it has looked at one, which is taken"
                assert len(await living.lease(1)) == 1
            first.die()
            clock.now_seconds += 3
            async with SqliteSpool(tmp_path, clock, fellows=Fellow(company)) as next_one:
                assert len(await next_one.lease()) == 1

    run(go())


def test_mail_is_heard_of_by_the_one_whose_it_is(tmp_path: Path) -> None:
    async def go() -> None:
        company, clock = Company(), HandClock()
        a, b = Own("a.example"), Own("b.example")
        async with (
            SqliteSpool(tmp_path, clock, fellows=Fellow(company)) as door,
            SqliteSpool(tmp_path, clock, fellows=Fellow(company)) as one,
            SqliteSpool(tmp_path, clock, fellows=Fellow(company)) as other,
        ):
            assert await one.lease(share=a) == await other.lease(share=b) == ()
            waiting = asyncio.ensure_future(one.wait(3600))
            await asyncio.sleep(0)
            await put(door, submission("1@a.example", "2@b.example", "3@a.example"))
            assert await waiting == Stir.MAIL
            assert found(await one.lease(share=a)) == [[0, 2]]
            assert found(await other.lease(share=b)) == [[1]]
            await put(door, submission("1@a.example"))
            assert await other.wait(0.0) == Stir.NOTHING, "nothing of it is his"
            await put(door, submission("1@b.example", not_before_seconds=START_SECONDS + 10))
            assert await other.wait(0.0) == Stir.NOTHING
            clock.now_seconds += 10
            assert await other.wait(3600) == Stir.MAIL

    run(go())


def test_of_very_much_mail_only_that_it_is_there(tmp_path: Path) -> None:
    async def go() -> None:
        company, clock = Company(), HandClock()
        fellow = Fellow(company)
        async with SqliteSpool(tmp_path, clock) as visitor, SqliteSpool(tmp_path, clock, fellows=fellow) as one:
            assert await one.lease() == ()
            await put(visitor, submission())
            assert await one.wait(0.0) == Stir.NOTHING
            fellow.hear(())
            assert await one.wait(3600) == Stir.MAIL
            assert len(await one.lease()) == 1

    run(go())


@pytest.mark.parametrize("order", [Order.FLUSH, Order.RELEASE, Order.REQUEUE])
def test_a_visitor_is_noticed(tmp_path: Path, order: Order) -> None:
    """`mailrider sendmail` and `mailrider queue` know nothing of fellows."""

    async def go() -> None:
        company, clock = Company(), HandClock()
        async with SqliteSpool(tmp_path, clock, fellows=Fellow(company)) as one:
            assert await one.lease() == ()
            async with SqliteSpool(tmp_path, clock) as visitor:
                await put(visitor, submission(on_hold=order is Order.RELEASE))
                clock.now_seconds += 1
                assert Stir.MAIL in await one.wait(3600)
                for lease in await one.lease():
                    await one.defer(lease, [0], DEFERRED, START_SECONDS + 1000)
                assert await one.lease() == ()
                clock.now_seconds += 1
                assert await visitor.administer(order, ALL) == 1
                expected = Stir.MAIL | Stir.FLUSH if order is Order.FLUSH else Stir.MAIL
                assert await one.wait(3600) == expected
                assert len(await one.lease()) == 1

    run(go())


def test_an_order_that_one_of_them_gives_is_heard_at_once(tmp_path: Path) -> None:
    async def go() -> None:
        company, clock = Company(), HandClock()
        async with (
            SqliteSpool(tmp_path, clock, fellows=Fellow(company)) as door,
            SqliteSpool(tmp_path, clock, fellows=Fellow(company)) as one,
        ):
            await put(door, submission(on_hold=True))
            assert await one.lease() == ()
            waiting = asyncio.ensure_future(one.wait(3600))
            await asyncio.sleep(0)
            await door.administer(Order.RELEASE, ALL)
            assert await waiting == Stir.MAIL
            assert len(await one.lease()) == 1

    run(go())


def test_what_each_took_for_the_others_is_found_in_the_end(tmp_path: Path) -> None:
    async def go() -> None:
        company, clock = Company(), HandClock()
        own = Own()
        async with SqliteSpool(tmp_path, clock, fellows=Fellow(company)) as one:
            await put(one, submission())
            assert await one.lease(share=own) == ()
            own._domains = ("b.example",)
            assert await one.lease(share=own) == ()
            clock.now_seconds += index_walk.STALE_SECONDS
            assert await one.wait(3600) == Stir.MAIL
            assert len(await one.lease(share=own)) == 1

    run(go())


def test_a_queue_of_an_earlier_release_gets_what_it_lacks(tmp_path: Path) -> None:
    async def go() -> None:
        clock = HandClock()
        async with SqliteSpool(tmp_path, clock) as spool:
            await spool._desk.run(lambda connection: connection.execute("DROP TABLE visit"))
        async with SqliteSpool(tmp_path, clock) as spool:
            await put(spool, submission())
            assert await spool._desk.run(lambda connection: connection.execute("SELECT number FROM visit").fetchall()) == [(1,)]

    run(go())
