"""Listeners that run in a thread of their own, so that a test can be a plain client."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from mailrider.intake.configuration import Intake
from mailrider.settings import HostFacts, Settings, load_settings
from mailrider.spool.memory import MemorySpool
from mailrider.spool.spool import Spool, StoredMessage

PATIENCE_SECONDS = 90.0


class WallClock:
    monotonic_seconds = staticmethod(time.monotonic)
    wall_seconds = staticmethod(time.time)


def make_settings(*overrides: str) -> Settings:
    given = ["intake_smtp_listen=127.0.0.1:0", "compatibility_level=3.6", *overrides]
    settings = load_settings(None, given, host=HostFacts("node.example"))
    settings.check()
    return settings


class Running:
    """An `Intake` over a spool in another thread."""

    def __init__(self, settings: Settings, spool: Spool, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.told: list[str] = []
        self.intake = Intake(settings, self.told.append)
        self.spool = spool
        self._loop = loop if loop is not None else asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._ready = threading.Event()
        self._stopping = asyncio.Event()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._work())

    async def _work(self) -> None:
        async with self.spool:
            await self.intake.start(self.spool)
            self._ready.set()
            await self._stopping.wait()
            await self.intake.close(5.0)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(PATIENCE_SECONDS)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()

    def call(self, work: asyncio.Future | object) -> object:  # type: ignore[type-arg]
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_SECONDS)  # type: ignore[arg-type]

    def messages(self) -> tuple[StoredMessage, ...]:
        return self.call(self.spool.list())  # type: ignore[return-value]

    def text(self, queue_id: str) -> bytes:
        content = self.call(self.spool.content(queue_id))
        return b"".join(content.chunks())  # type: ignore[attr-defined]

    @property
    def port(self) -> int:
        return int(self.intake.places[0].rpartition(":")[2])


@contextmanager
def running(*overrides: str, spool: Spool | None = None, loop: asyncio.AbstractEventLoop | None = None) -> Iterator[Running]:
    made = Running(make_settings(*overrides), spool if spool is not None else MemorySpool(WallClock()), loop)
    made.start()
    try:
        yield made
    finally:
        made.stop()
