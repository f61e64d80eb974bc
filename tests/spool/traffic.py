"""A little traffic through a spool in SQLite, and what it was told; as a program, for processes that die.

``python -m tests.spool.traffic FOLDER`` goes on until it is killed.  Each fact is one line on standard output as soon as it is
known.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from mailrider.model.outcome import Outcome, Status
from mailrider.model.request import Envelope, Recipient
from mailrider.spool.files import SMALL_OCTETS
from mailrider.spool.spool import Accepted, Committed, Lease, NotAccepted, Notice, Settlement, Spool, Submission
from mailrider.spool.sqlite import SqliteSpool

SENT = Outcome(Status.SENT, "2.0.0", "250 Ok")
DEFERRED = Outcome(Status.DEFERRED, "4.4.1", "refused")
LARGE = b"0123456789abcde\n" * (SMALL_OCTETS // 8)
SMALL = b"Subject: x\r\n\r\nHello\r\n"

Tell = Callable[[str], None]
"""Hears facts: `in ID`, `refused REASON`, `ending ID` (before it is known how that ends), `gone ID`, `failed ID`."""

Doings = Sequence[Coroutine[Any, Any, None]]
Together = Callable[[Doings], Awaitable[None]]


class SystemClock:
    wall_seconds = staticmethod(time.time)
    monotonic_seconds = staticmethod(time.monotonic)


def given(number: int) -> Submission:
    return Submission(Envelope("a@example.com", (Recipient(f"b{number}@b.example"),)))


async def bring(spool: Spool, number: int, tell: Tell) -> None:
    answer = await spool.accept(given(number), LARGE if number % 3 == 0 else SMALL)
    if isinstance(answer, Accepted):
        tell(f"in {answer.queue_id}")
    elif isinstance(answer, NotAccepted):
        tell(f"refused {answer.reason.name}")


async def at_once(doings: Doings) -> None:
    await asyncio.gather(*doings)


def as_one_group(spool: SqliteSpool) -> Together:
    """The writer is held up until all that is to be done is in line, so that it is always one and the same group."""
    desk = spool._desk

    async def together(doings: Doings) -> None:
        begun, gate = threading.Event(), threading.Event()

        def hold(connection: sqlite3.Connection) -> None:
            begun.set()
            gate.wait(60)

        holding = asyncio.ensure_future(desk.run(hold))
        while not begun.is_set() and not holding.done():
            await asyncio.sleep(0)
        tasks = [asyncio.ensure_future(doing) for doing in doings]
        while desk.writer._line.qsize() < sum(not task.done() for task in tasks) and not holding.done():
            await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(holding, *tasks)

    return together


async def pass_through(spool: Spool, tell: Tell, messages: int = 6, together: Together = at_once) -> None:
    """Messages come in together; some are sent, some deferred, some returned."""
    await together([bring(spool, number, tell) for number in range(messages)])
    leases = sorted(await spool.lease(), key=lambda lease: lease.message.envelope.recipients)
    await together([end(spool, lease, number, tell) for number, lease in enumerate(leases)])


async def end(spool: Spool, lease: Lease, number: int, tell: Tell) -> None:
    queue_id = lease.message.queue_id
    if number % 3 != 1:
        tell(f"ending {queue_id}")
    if number % 3 == 0:
        done = await spool.settle(lease, [Settlement(0, SENT)])
    elif number % 3 == 1:
        await spool.defer(lease, [0], DEFERRED, time.time() + 1000)
        return
    else:
        notice_id = spool.new_queue_id()
        notice = Notice(given(number)._replace(queue_id=notice_id), SMALL)
        done = await spool.discharge(lease, [Settlement(0, SENT)], (), notice)
        if done is Committed.REMOVED:
            tell(f"in {notice_id}")
    tell(f"gone {queue_id}" if done is Committed.REMOVED else f"failed {queue_id}")


def print_now(fact: str) -> None:
    print(fact, flush=True)


async def main(folder: str) -> None:
    async with SqliteSpool(Path(folder), SystemClock()) as spool:
        while True:
            await pass_through(spool, print_now)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
