"""A far destination on the same machine: `python -m benchmarks.relay PORT TARGET_PORT MILLISECONDS`, ended by a signal.

What comes from either side goes on to the other half a round trip later, in order and whole; bandwidth is not limited.  The
connection itself is taken at once, so that opening it costs nothing; a benchmark subtracts its start-up anyway.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import cast

OCTETS_ON_THE_WAY = 16 * 1024 * 1024
"""More than that in one direction is not read before some of it has arrived."""


class Line(asyncio.Protocol):
    """One direction: reads from its own connection, writes `delay_seconds` later to the other's.

    There is one timer a direction, for whatever is the next to arrive; many timers for the same moment need not be called
    in order.
    """

    def __init__(self, delay_seconds: float) -> None:
        self.delay_seconds = delay_seconds
        self.transport: asyncio.Transport | None = None
        self.is_open = False
        self.other: Line | None = None
        self._way: deque[tuple[float, bytes | None]] = deque()
        self._octets = 0
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """What has come for this end before it was there goes on."""
        self.transport = cast(asyncio.Transport, transport)
        self.is_open = True
        if self.other is not None:
            self.other._arrive()

    def data_received(self, octets: bytes) -> None:
        """Send it on its way."""
        self._octets += len(octets)
        if self._octets > OCTETS_ON_THE_WAY and self.transport is not None:
            self.transport.pause_reading()
        self._send(octets)

    def connection_lost(self, trouble: Exception | None) -> None:
        """The end takes its time as well."""
        self.is_open = False
        self._send(None)

    def _send(self, octets: bytes | None) -> None:
        self._way.append((self._loop.time() + self.delay_seconds, octets))
        if len(self._way) == 1:
            self._loop.call_at(self._way[0][0], self._arrive)

    def _arrive(self) -> None:
        other = self.other.transport if self.other is not None else None
        if other is None:
            return
        now = self._loop.time() + 0.0005  # timers are good to a millisecond
        while self._way and self._way[0][0] <= now:
            _, octets = self._way.popleft()
            if other.is_closing():
                continue
            if octets is None:
                other.close()
            else:
                self._octets -= len(octets)
                other.write(octets)
        if self.transport is not None and self._octets <= OCTETS_ON_THE_WAY:
            self.transport.resume_reading()
        if self._way:
            self._loop.call_at(self._way[0][0], self._arrive)


class Near(Line):
    """The client's side: opens the far one."""

    def __init__(self, delay_seconds: float, target_port: int) -> None:
        super().__init__(delay_seconds)
        self._target_port = target_port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect on."""
        super().connection_made(transport)
        self.other = Line(self.delay_seconds)
        self.other.other = self
        self._opening = self._loop.create_task(self._open(self.other))

    async def _open(self, far: Line) -> None:
        try:
            await self._loop.create_connection(lambda: far, "127.0.0.1", self._target_port)
        except OSError:
            if self.transport is not None:
                self.transport.abort()


async def serve(port: int, target_port: int, delay_seconds: float) -> None:
    """Relay until somebody ends the process."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Near(delay_seconds, target_port), "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    """Serve on the port that the command line names.

    The loop is asyncio's, whose timers are finer than the milliseconds of uvloop's.
    """
    port, target_port, milliseconds = (int(word) for word in sys.argv[1:4])
    asyncio.run(serve(port, target_port, milliseconds / 2000))


if __name__ == "__main__":
    main()
