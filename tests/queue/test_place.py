"""The places of a destination, taken, lent and given up by hand."""

from __future__ import annotations

import asyncio

import pytest

from mailrider.model.outcome import DestinationTrouble
from mailrider.queue.place import Place, Places, limit_workers
from mailrider.queue.suspension import Graves
from mailrider.queue.window import WindowTerms
from mailrider.smtp.wire import UNANSWERED_MESSAGES
from virtual_time import VirtualClock, run

pytestmark = pytest.mark.plain("the places of the test are a subclass")

TROUBLE = DestinationTrouble("4.4.1", "connect to mx: refused")


class Yard(Places):
    """Counts the workers that it would let begin, of whom `willing` can be had."""

    def __init__(self, width: int, willing: int = 0) -> None:
        self.graves = Graves(VirtualClock())
        super().__init__(("smtp", "x.test"), WindowTerms(initial=width, limit=width), self.graves)
        self.willing = willing
        self.hired = 0

    def _hire(self) -> bool:
        if self.hired >= self.willing:
            return False
        self.hired += 1
        return True


def test_a_place_that_is_lent_is_to_be_had_once() -> None:
    async def main() -> None:
        yard = Yard(2, willing=5)
        place = Place(yard)
        assert yard.free == 1
        place.lend(streams=True)
        place.lend(streams=True)
        assert (yard.free, yard.streaming, yard.hired) == (2, 1, 1)
        place.give_up()
        assert (yard.free, yard.streaming, yard.busy) == (2, 0, 0)

    run(main())


def test_who_returns_comes_before_who_rests() -> None:
    async def main() -> None:
        yard = Yard(1)
        order: list[str] = []
        lender = Place(yard)
        lender.lend(streams=False)
        holder = Place(yard)

        async def rest() -> None:
            await yard.wait()
            order.append("rested")
            Place(yard).give_up()

        async def regain() -> None:
            await lender.regain()
            order.append("returned")
            lender.lend(streams=False)

        tasks = [asyncio.create_task(rest()), asyncio.create_task(regain())]
        await asyncio.sleep(0)
        assert order == []
        holder.lend(streams=False)
        await asyncio.gather(*tasks)
        assert order == ["returned", "rested"]
        assert yard.free == 1

    run(main())


def test_a_place_is_kept_for_who_was_called() -> None:
    async def main() -> None:
        yard = Yard(1)
        place = Place(yard)
        resting = asyncio.create_task(yard.wait())
        await asyncio.sleep(0)
        place.lend(streams=False)
        assert yard.free == 0
        await resting
        assert yard.free == 1

    run(main())


def test_the_last_free_place_is_left_to_the_worker_who_gives_his_up() -> None:
    async def main() -> None:
        yard = Yard(3, willing=9)
        Place(yard).give_up()
        assert yard.hired == 2

    run(main())


def test_places_go_on_where_somebody_who_waited_was_cancelled() -> None:
    async def main() -> None:
        yard = Yard(1)
        place = Place(yard)
        resting = asyncio.create_task(yard.wait())
        await asyncio.sleep(0)
        resting.cancel()
        place.lend(streams=False)
        assert yard.free == 1
        await asyncio.wait([resting])
        assert yard.free == 1

    run(main())


def test_a_destination_dies_and_comes_back() -> None:
    async def main() -> None:
        yard = Yard(1)
        yard.learn(TROUBLE)
        assert yard.window.is_dead
        assert yard.free == 1  # for what is under way
        grave = yard.graves.find(("smtp", "x.test"))
        assert grave is not None
        assert grave.trouble is TROUBLE
        yard.learn(None)
        assert not yard.window.is_dead
        assert not yard.graves

    run(main())


def test_streams_of_whole_messages_make_room_for_workers() -> None:
    assert limit_workers(3, 0) == 6
    assert limit_workers(3, 2) == 8
    assert limit_workers(3, 1000) == 6 + 3 * UNANSWERED_MESSAGES
