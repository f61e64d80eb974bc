"""aiosmtplib with many idle connections: `hold_aiosmtplib PORT CONNECTIONS`."""

from __future__ import annotations

import asyncio
import sys

import aiosmtplib
import uvloop

from benchmarks.clients.memory import allow_descriptors, resident_kilobytes, tell
from benchmarks.messages import recipient_address, sender_address


async def hold(port: int, connections: int) -> None:
    """Send so many messages at once, each over a connection of its own, and keep those."""
    before = resident_kilobytes()
    clients = [
        aiosmtplib.SMTP(hostname="127.0.0.1", port=port, local_hostname="client.example.test", start_tls=False)
        for _ in range(connections)
    ]

    async def send(number: int) -> None:
        await clients[number].connect()
        sender, recipient = sender_address(number), recipient_address(number)
        await clients[number].sendmail(sender, [recipient], b"Subject: small\r\n\r\nsmall\r\n")

    await asyncio.gather(*(send(number) for number in range(connections)))
    tell(sum(client.is_connected for client in clients), before)
    for client in clients:
        client.close()


allow_descriptors()
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(hold(int(sys.argv[1]), int(sys.argv[2])))
