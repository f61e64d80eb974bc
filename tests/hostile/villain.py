"""A server that does what a test wants it to do, octet by octet, and an agent that has to put up with it."""

from __future__ import annotations

import asyncio
import contextlib
import tracemalloc
from collections.abc import Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Self

from delivery.scene import Scene
from mailrider.model.outcome import DeliveryReport, Outcome
from mailrider.model.request import Transport

Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]

GREETING = b"220 mx.example.test ESMTP\r\n"
HELLO = b"250-mx.example.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
OK = b"250 2.0.0 Ok\r\n"
GO_AHEAD = b"354 go\r\n"


class Villain:
    """Listens on loopback, and plays `play` on each connection; use it as an asynchronous context manager."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.connections = 0

    @property
    def nexthop(self) -> str:
        return f"[127.0.0.1]:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, trouble: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError):
                await self._play(reader, writer)
        finally:
            writer.transport.abort()


async def read_to_end(reader: asyncio.StreamReader) -> bytes:
    """Wait until the client is gone; what it said comes back."""
    return await reader.read()


async def say_for_ever(writer: asyncio.StreamWriter, octets: bytes) -> None:
    """Say the same again and again, as fast as it is taken, until the client is gone."""
    while not writer.is_closing():
        writer.write(octets)
        await writer.drain()


class Meeting:
    """What came of a delivery to a villain, and what it took."""

    def __init__(self, report: DeliveryReport, scene: Scene, seconds: float, peak_octets: int) -> None:
        self.report = report
        self.outcomes: list[Outcome] = [outcome for outcome in report.outcomes if outcome is not None]
        self.warnings = scene.warnings
        self.events = scene.events
        self.settled = scene.keeper.settled
        self.seconds = seconds
        self._peak_octets = peak_octets

    @property
    def peak_octets(self) -> int:
        """The most memory that it took; has to have been measured."""
        assert self._peak_octets
        return self._peak_octets

    @property
    def brief(self) -> str:
        """Status, code and text of the first outcome."""
        outcome = self.outcomes[0]
        return f"{outcome.status.value} {outcome.status_code} {outcome.text}"


@contextlib.contextmanager
def measured_memory() -> Iterator[Callable[[], int]]:
    """The most memory that Python held beyond what it held at the beginning, in octets."""
    tracemalloc.start()
    try:
        begin, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        yield lambda: tracemalloc.get_traced_memory()[1] - begin
    finally:
        tracemalloc.stop()


async def meet(
    play: Play,
    *recipients: str,
    transport: Transport = Transport.SMTP,
    content: Any = None,
    measured: bool = False,
    **settings: object,
) -> Meeting:
    """Deliver a message to a villain.  Memory is `measured` where that is asked for, since it takes its time."""
    loop = asyncio.get_running_loop()
    async with Villain(play) as villain, Scene(transport, **settings) as scene:
        with measured_memory() if measured else contextlib.nullcontext(lambda: 0) as peak:
            begin = loop.time()
            report = await scene.deliver(villain.nexthop, *(recipients or ("b",)), content=content)
            return Meeting(report, scene, loop.time() - begin, peak())
