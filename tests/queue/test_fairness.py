"""Nobody waits long for others: between senders, and between large and small messages, to one destination; in virtual time.

With one delivery a second it is counted how many deliveries begin before that of somebody who came last.  It is the same over
every filling of the spool.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from kept_on_disk import sqlite_spool
from yard import Yard

from mailrider.queue.runner import RunnerTerms
from mailrider.queue.window import WindowTerms
from mailrider.spool.memory import MemorySpool
from virtual_time import VirtualClock, run

TERMS = RunnerTerms(messages_limit=800, recipients_limit=800)
"""A fortieth of what a node has, so that a tenth of what fills a node fills this one many times."""

ONE = WindowTerms(initial=1, limit=1)

DAY = 86_400.0


SpoolMaker = Callable[[VirtualClock], Any]


@pytest.fixture(params=["memory", "sqlite"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> SpoolMaker:
    return MemorySpool if request.param == "memory" else sqlite_spool(tmp_path)


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run(scene(), limit_seconds=DAY)


def deliveries_before(yard: Yard, address: str, since: int) -> int:
    """How many deliveries began after the first `since` and before that to `address`."""
    begun = [request.envelope.recipients[0].address for _, request in yard.agent.begun]
    return begun.index(address) - since


async def until_begun(yard: Yard, address: str, seconds: float = 4000) -> None:
    for _ in range(int(seconds)):
        if any(request.envelope.recipients[0].address == address for _, request in yard.agent.begun):
            return
        await asyncio.sleep(1)


@pytest.mark.parameter("qmgr_message_recipient_minimum")
def test_a_mailing_to_very_many_does_not_hold_back_a_message_to_one(spool: SpoolMaker) -> None:
    """Neither that of somebody else nor that of the same sender."""

    async def scene() -> None:
        async with Yard(spool=spool, terms=TERMS, window=ONE, recipient_limit=10) as yard:
            yard.agent.seconds = 1
            await yard.send(*(f"u{number}@dest.example" for number in range(3000)))
            await asyncio.sleep(5.5)
            since = len(yard.agent.begun)
            assert since == 6
            await yard.send("own@dest.example")
            await yard.send("other@dest.example", sender="b@here.example")
            await until_begun(yard, "own@dest.example")
            await until_begun(yard, "other@dest.example")
            assert deliveries_before(yard, "own@dest.example", since) <= 4
            assert deliveries_before(yard, "other@dest.example", since) <= 4
            await asyncio.sleep(500)
            assert sum(len(request.envelope.recipients) for _, request in yard.agent.begun) == 3002
            assert (await yard.spool.stats()).messages == 0

    play(scene)


def test_a_sender_of_very_many_messages_does_not_starve_another(spool: SpoolMaker) -> None:
    async def scene() -> None:
        async with Yard(spool=spool, terms=TERMS, window=ONE) as yard:
            yard.agent.seconds = 1
            for number in range(900):
                await yard.send(f"u{number}@dest.example", sender="bulk@here.example")
            await asyncio.sleep(5.5)
            since = len(yard.agent.begun)
            await yard.send("b@dest.example", sender="b@here.example")
            await until_begun(yard, "b@dest.example")
            assert deliveries_before(yard, "b@dest.example", since) <= 4
            await asyncio.sleep(1600)
            assert (await yard.spool.stats()).messages == 0

    play(scene)


def test_several_senders_of_very_many_messages_do_not_starve_another(spool: SpoolMaker) -> None:
    """Together they fill what a destination may have of the memory."""

    async def scene() -> None:
        async with Yard(spool=spool, terms=TERMS, window=ONE) as yard:
            yard.agent.seconds = 1
            for number in range(900):
                await yard.send(f"u{number}@dest.example", sender=f"bulk{number % 3}@here.example")
            await asyncio.sleep(5.5)
            since = len(yard.agent.begun)
            await yard.send("b@dest.example", sender="b@here.example")
            await until_begun(yard, "b@dest.example")
            assert deliveries_before(yard, "b@dest.example", since) <= 6
            await asyncio.sleep(1600)
            assert (await yard.spool.stats()).messages == 0

    play(scene)


def test_while_one_destination_is_slow_mail_for_others_goes_through(spool: SpoolMaker) -> None:
    async def scene() -> None:
        async with Yard(spool=spool, terms=TERMS, window=ONE) as yard:
            yard.agent.seconds = 100
            for number in range(1200):
                await yard.send(f"u{number}@busy.example", sender=f"a{number}@here.example")
            await asyncio.sleep(10)
            await yard.send("b@dest.example", sender="a1@here.example")
            await asyncio.sleep(10)
            assert yard.agent.begun[-1][1].envelope.recipients[0].address == "b@dest.example"

    play(scene)


def test_a_backlog_is_worked_off_without_a_pause(spool: SpoolMaker) -> None:
    """Who was passed over is taken again as soon as there is room for him, not only after a while."""

    async def scene() -> None:
        async with Yard(spool=spool, terms=TERMS, window=WindowTerms(initial=100, limit=100)) as yard:
            yard.agent.seconds = 0.01
            for number in range(1000):
                await yard.send(f"u{number}@dest.example", sender="bulk@here.example")
            await yard.send(*(f"m{number}@dest.example" for number in range(2000)), sender="mailing@here.example")
            began = len(yard.agent.begun)
            await asyncio.sleep(1.5)
            assert (await yard.spool.stats()).messages == 0
            assert began < 1000

    play(scene)
