from __future__ import annotations

import asyncio
from typing import cast

import pytest
from benchmarks.relay import Near

PATIENCE_SECONDS = 90.0


class Echo(asyncio.Protocol):
    """Says what it hears."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


@pytest.mark.parametrize("octets", [b"", b"x", bytes(range(256)) * 20_000], ids=["nothing", "an octet", "5 MB"])
def test_all_that_is_said_arrives_in_order_and_so_does_the_end(octets: bytes) -> None:
    asyncio.run(say(octets))


async def say(octets: bytes) -> None:
    loop = asyncio.get_running_loop()
    lines: list[Near] = []

    def relay_one() -> Near:
        lines.append(Near(0.0, port))
        return lines[-1]

    async with asyncio.timeout(PATIENCE_SECONDS):
        far = await loop.create_server(Echo, "127.0.0.1", 0)
        port = far.sockets[0].getsockname()[1]
        relay = await loop.create_server(relay_one, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.sockets[0].getsockname()[1])
        writer.write(octets)
        assert await reader.readexactly(len(octets)) == octets
        writer.close()
        await writer.wait_closed()
        (near,) = lines
        assert near.other is not None
        while near.is_open or near.other.transport is None or near.other.is_open:
            await asyncio.sleep(0)
        for server in (relay, far):
            server.close()
            await server.wait_closed()
