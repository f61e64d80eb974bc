"""Destinations with the same exchangers are one; in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from yard import DEFERRED, SENT, TROUBLE, Yard

from mailrider.queue.grouping import KEPT_SECONDS, PATIENCE_SECONDS, UNKNOWN_SECONDS
from mailrider.queue.window import WindowTerms
from mailrider.route.exchanger_set import ExchangerSet, Unknown
from virtual_time import run

ONE = WindowTerms(initial=1, limit=1)

A, B = ExchangerSet(("mx1.host.example", "mx2.host.example"), 25), ExchangerSet(("mx.other.example",), 25)

pytestmark = pytest.mark.parameter("destination_group")


class Dns:
    """What it says of next hops, after `seconds`; `asked` has the questions."""

    def __init__(self, **sets: ExchangerSet | Unknown | None) -> None:
        self.sets = sets
        self.seconds = 0.1
        self.asked: list[str] = []

    async def __call__(self, nexthop: str) -> ExchangerSet | Unknown | None:
        self.asked.append(nexthop)
        await asyncio.sleep(self.seconds)
        return self.sets[nexthop.partition(".")[0]]


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run(scene(), limit_seconds=86_400.0)


def test_one_window_for_those_who_share_their_exchangers() -> None:
    async def scene() -> None:
        dns = Dns(a=A, b=A, c=B)
        async with Yard(window=ONE, exchangers=dns) as yard:
            yard.agent.seconds = 10
            await yard.send("1@a.example", "2@b.example", "3@c.example")
            await yard.send("4@a.example", "5@b.example")
            await asyncio.sleep(100)
            begun = [(seconds, request.nexthop) for seconds, request in yard.agent.begun]
            assert [round(seconds, 1) for seconds, nexthop in begun if nexthop != "c.example"] == [0.1, 10.1, 20.1, 30.1]
            assert [round(seconds, 1) for seconds, nexthop in begun if nexthop == "c.example"] == [0.1]
            assert sorted(dns.asked) == ["a.example", "b.example", "c.example"], "each is asked for once"
            assert (await yard.spool.stats()).messages == 0

    play(scene)


def test_one_rate_and_one_death_too() -> None:
    async def scene() -> None:
        async with Yard(window=WindowTerms(initial=1), interval=5.0, exchangers=Dns(a=A, b=A)) as yard:
            await yard.send("1@a.example", "2@b.example")
            await asyncio.sleep(20)
            assert yard.times == [0.1, 5.1]
            yard.agent.answer = lambda request, recipient: (DEFERRED, TROUBLE)
            await yard.send("3@a.example")
            await asyncio.sleep(10)
            await yard.send("4@b.example")
            await asyncio.sleep(10)
            assert len(yard.times) == 3
            assert "delivery temporarily suspended" in yard.outcomes("4@b.example")[0]

    play(scene)


def test_where_no_answer_comes_a_destination_is_on_its_own_for_a_while() -> None:
    async def scene() -> None:
        dns = Dns(a=A, b=A)
        dns.seconds = 1e6
        async with Yard(window=ONE, exchangers=dns) as yard:
            yard.agent.seconds = 10
            await yard.send("1@a.example", "2@b.example")
            await asyncio.sleep(50)
            assert yard.times == [PATIENCE_SECONDS, PATIENCE_SECONDS]
            dns.seconds = 0.1
            await asyncio.sleep(UNKNOWN_SECONDS)
            await yard.send("3@a.example", "4@b.example")  # still as it was, and asked for anew
            await asyncio.sleep(50)
            assert yard.times[2] == yard.times[3]
            await yard.send("5@a.example", "6@b.example")
            await asyncio.sleep(50)
            assert yard.times[5] - yard.times[4] == 10

    play(scene)


def test_who_has_no_answer_stays_in_his_group() -> None:
    async def scene() -> None:
        dns = Dns(a=A, b=A)
        async with Yard(window=ONE, exchangers=dns) as yard:
            yard.agent.seconds = 10
            await yard.send("1@a.example", "2@b.example")
            await asyncio.sleep(KEPT_SECONDS + 1)
            dns.sets = {"a": Unknown("server failure"), "b": Unknown("server failure")}
            for _ in range(2):
                await yard.send("3@a.example", "4@b.example")
                await asyncio.sleep(UNKNOWN_SECONDS + 50)
            assert [yard.times[at + 1] - yard.times[at] for at in (0, 2, 4)] == [10, 10, 10]

    play(scene)


def test_a_set_that_changes_moves_the_mail_that_comes_then() -> None:
    async def scene() -> None:
        dns = Dns(a=A, b=A)
        async with Yard(window=ONE, exchangers=dns) as yard:
            yard.agent.seconds = 400
            await yard.send("1@a.example", "2@b.example")
            await yard.send("3@b.example")
            await asyncio.sleep(KEPT_SECONDS + 1)
            dns.sets["b"] = B
            await yard.send("4@b.example")  # it waits with the old group, and is the reason to ask
            await asyncio.sleep(1)
            await yard.send("5@b.example")
            await asyncio.sleep(2000)
            begun = {request.envelope.recipients[0].address: int(seconds) for seconds, request in yard.agent.begun}
            assert begun["5@b.example"] == int(KEPT_SECONDS) + 2, "its new group is idle"
            assert sorted(begun.values()) == [0, 302, 400, 800, 1200]

    play(scene)


def test_who_names_no_exchangers_and_each_mailbox_of_its_own_are_on_their_own() -> None:
    async def scene() -> None:
        async with Yard(window=ONE, exchangers=Dns(a=None, b=None)) as yard:
            yard.agent.seconds = 10
            await yard.send("1@a.example", "2@b.example")
            await asyncio.sleep(50)
            assert yard.times == [0.1, 0.1]
        dns = Dns(a=A)
        async with Yard(window=ONE, recipient_limit=1, exchangers=dns) as yard:
            yard.agent.seconds = 10
            await yard.send("1@a.example", "2@a.example")
            await asyncio.sleep(50)
            assert yard.times == [0, 0]
            assert dns.asked == []

    play(scene)


def test_what_waits_for_its_group_goes_back_untouched_when_the_node_stops() -> None:
    async def scene() -> None:
        dns = Dns(a=A)
        dns.seconds = 1e6
        async with Yard(exchangers=dns) as yard:
            await yard.send("1@a.example")
            await asyncio.sleep(1)
            assert dns.asked == ["a.example"]
        assert yard.agent.begun == []
        stored = (await yard.spool.list())[0]
        assert stored.recipients[0].attempts == 0
        assert yard.outcomes("1@a.example") == []

    play(scene)


def test_nobody_asks_where_nothing_is_grouped() -> None:
    async def scene() -> None:
        async with Yard() as yard:
            yard.agent.answer = lambda request, recipient: SENT
            await yard.send("1@a.example")
            await asyncio.sleep(1)
            assert yard.times == [0]
            assert list(yard.dispatcher.describe()) == []

    play(scene)
