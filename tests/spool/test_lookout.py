"""Who waits hears of mail and flushes, whoever has brought them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.spool.fillings import DEFERRED, START_SECONDS, HandClock, put, run, submission, take

from mailrider.spool.spool import ALL, Order, Stir
from mailrider.spool.sqlite import SqliteSpool


def open_here(folder: Path, clock: HandClock | None = None) -> SqliteSpool:
    return SqliteSpool(folder, clock or HandClock())


def test_mail_that_another_process_brings_is_noticed(tmp_path: Path) -> None:
    async def go() -> None:
        clock = HandClock()
        async with open_here(tmp_path, clock) as node, open_here(tmp_path, clock) as other:
            await node.lease()
            await node.wait(0.0)
            clock.now_seconds += 10
            await node.lease()
            waiting = asyncio.ensure_future(node.wait(30.0))
            await asyncio.sleep(0)
            identity = await put(other, submission(arrival_seconds=START_SECONDS - 100))
            clock.now_seconds += 10
            assert await waiting == Stir.MAIL
            assert set(await take(node)) == {identity}

    run(go())


def test_a_flush_by_another_process_is_noticed(tmp_path: Path) -> None:
    async def go() -> None:
        clock = HandClock()
        async with open_here(tmp_path, clock) as node, open_here(tmp_path, clock) as other:
            identity = await put(node, submission())
            await node.defer((await take(node))[identity], [0], DEFERRED, START_SECONDS + 4000)
            assert await node.lease() == ()
            await node.wait(0.0)
            clock.now_seconds += 10
            assert await other.administer(Order.FLUSH, ALL) == 1
            assert Stir.FLUSH in await node.wait(30.0)
            clock.now_seconds += 10
            assert set(await take(node)) == {identity}

    run(go())
