"""Changes are answered in the event loop, also on the way out and where nobody waits any more."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.spool.fillings import HandClock, finished, put, run, submission, take

from mailrider.spool.spool import ALL, Accepted, Committed, Order
from mailrider.spool.sqlite import SqliteSpool


def open_here(folder: Path, clock: HandClock | None = None) -> SqliteSpool:
    return SqliteSpool(folder, clock or HandClock())


def test_what_is_in_line_is_finished_on_the_way_out(tmp_path: Path) -> None:
    async def go() -> None:
        async with open_here(tmp_path) as spool:
            identity = await put(spool, submission("b@b.example", "c@c.example"))
            lease = (await take(spool))[identity]
            first = spool.settle(lease, finished(0))
            second = asyncio.ensure_future(spool.accept(submission(), b"\r\n"))
            await asyncio.sleep(0)
        assert await first is Committed.DONE
        assert isinstance(await second, Accepted)
        async with open_here(tmp_path) as spool:
            assert len(await spool.list()) == 2

    run(go())


def test_who_gives_up_waiting_leaves_no_trouble(tmp_path: Path) -> None:
    async def go() -> None:
        async with open_here(tmp_path) as spool:
            giving = asyncio.ensure_future(spool.accept(submission(), b"\r\n"))
            await asyncio.sleep(0)
            giving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await giving
            assert await spool.administer(Order.HOLD, ALL) == 1, "it may be there: better twice than lost"

    run(go())
