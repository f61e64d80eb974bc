from __future__ import annotations

import asyncio

from mailrider.net.departures import Departures
from virtual_time import come_to_rest, run


class Coach:
    """Something that departs, and writes down after whom."""

    def __init__(self, name: str, log: list[str]) -> None:
        self._name = name
        self._log = log

    def depart(self) -> None:
        self._log.append(self._name)


def test_all_leave_together_and_once_each_time_they_are_added() -> None:
    async def main() -> None:
        log: list[str] = []
        departures = Departures(asyncio.get_running_loop())
        coaches = [Coach(name, log) for name in "abc"]
        for coach in coaches:
            departures.add(coach)
        assert log == []
        await come_to_rest()
        assert log == ["a", "b", "c"]
        departures.add(coaches[1])
        await come_to_rest()
        assert log == ["a", "b", "c", "b"]

    run(main())


def test_whoever_is_told_something_in_this_round_may_still_get_on() -> None:
    """A task that waits for a reply resumes before what has been written leaves."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        log: list[str] = []
        departures = Departures(loop)
        told = loop.create_future()

        async def passenger() -> None:
            await told
            log.append("got on")

        task = asyncio.create_task(passenger())
        await come_to_rest()

        def arrive() -> None:
            departures.add(Coach("left", log))
            told.set_result(None)

        loop.call_soon(arrive)
        await come_to_rest()
        assert log == ["got on", "left"]
        await task

    run(main())


def test_one_may_be_added_while_the_others_leave() -> None:
    async def main() -> None:
        log: list[str] = []
        departures = Departures(asyncio.get_running_loop())
        late = Coach("late", log)

        class Busy(Coach):
            def depart(self) -> None:
                super().depart()
                departures.add(late)

        departures.add(Busy("busy", log))
        departures.add(Coach("last", log))
        await come_to_rest()
        assert log == ["busy", "last", "late"]

    run(main())
