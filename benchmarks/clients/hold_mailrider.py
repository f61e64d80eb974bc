"""Mailrider with many idle connections: `hold_mailrider PORT CONNECTIONS [--each]`.

With `--each` every connection goes to a destination of its own, and the next message for some of them is timed.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time

import uvloop

import mailrider
from benchmarks.clients.memory import allow_descriptors, resident_kilobytes, tell
from benchmarks.messages import recipient_address, sender_address
from mailrider.events import ConnectionClosed, ConnectionOpened, Event

SETTINGS = {
    "smtp_connection_cache_destinations": "127.0.0.1",
    "smtp_connection_cache_time_limit": "1h",
    "connection_cache_ttl_limit": "1h",
    "smtp_connection_reuse_time_limit": "1h",
}

TRIED = 200
"""Connections that get another message."""

AT_ONCE = 500
"""Deliveries under way while the connections to destinations of their own are opened."""


def address(number: int) -> str:
    """Where connection `number` goes."""
    return f"127.2.{number // 250}.{number % 250 + 1}"


async def hold_each(port: int, connections: int) -> None:
    """Deliver a message to so many destinations, then another one to some, one after the other."""
    open_now = opened = 0

    def count(event: Event) -> None:
        nonlocal open_now, opened
        opened += isinstance(event, ConnectionOpened)
        open_now += isinstance(event, ConnectionOpened)
        open_now -= isinstance(event, ConnectionClosed)

    settings = {**SETTINGS, "smtp_connection_cache_destinations": "static:all"}
    async with mailrider.Agent(settings, observer=count) as agent:
        before = resident_kilobytes()
        permits = asyncio.Semaphore(AT_ONCE)

        async def deliver(number: int) -> None:
            (result,) = await agent.deliver(
                b"Subject: small\n\nsmall\n",
                sender=sender_address(number),
                recipients=[recipient_address(number)],
                nexthop=f"[{address(number)}]:{port}",
            )
            assert result.status == "sent", result.text

        async def deliver_in_turn(number: int) -> None:
            async with permits:
                await deliver(number)

        await asyncio.gather(*(deliver_in_turn(number) for number in range(connections)))
        greeted, already, after = open_now, opened, resident_kilobytes()
        times = []
        for number in range(0, connections, max(1, connections // TRIED)):
            began = time.perf_counter()
            await deliver(number)
            times.append((time.perf_counter() - began) * 1e3)
        said = {"connections": greeted, "before": before, "after": after, "tried": len(times)}
        said["reused"] = len(times) - (opened - already)
        milliseconds = {"median_milliseconds": statistics.median(times), "worst_milliseconds": max(times)}
        print(json.dumps({**said, **milliseconds}), flush=True)


async def hold(port: int, connections: int) -> None:
    """Deliver so many messages at once, and keep all connections."""
    open_now = 0

    def count(event: Event) -> None:
        nonlocal open_now
        open_now += isinstance(event, ConnectionOpened)
        open_now -= isinstance(event, ConnectionClosed)

    async with mailrider.Agent(SETTINGS, observer=count) as agent:
        before = resident_kilobytes()

        async def deliver(number: int) -> None:
            (result,) = await agent.deliver(
                b"Subject: small\n\nsmall\n",
                sender=sender_address(number),
                recipients=[recipient_address(number)],
                nexthop=f"[127.0.0.1]:{port}",
            )
            assert result.status == "sent", result.text

        await asyncio.gather(*(deliver(number) for number in range(connections)))
        tell(open_now, before)


allow_descriptors()
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    work = hold_each if "--each" in sys.argv else hold
    runner.run(work(int(sys.argv[1]), int(sys.argv[2])))
