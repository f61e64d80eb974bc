"""Mailrider with many idle connections: `hold_mailrider PORT CONNECTIONS`."""

from __future__ import annotations

import asyncio
import sys

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
    runner.run(hold(int(sys.argv[1]), int(sys.argv[2])))
