"""A scripted server in a thread of its own, for tests of commands that run an event loop themselves."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self

from mailrider.testkit.peers import ScriptedServer

PATIENCE_SECONDS = 90.0  # no test comes near it; it ends one that hangs


class PeerThread:
    """Use it as a context manager; `server` may be looked at when the command has ended."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def nexthop(self) -> str:
        return f"[127.0.0.1]:{self.server.port}"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self.server.__aenter__())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self.server.close())
        self._loop.close()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(PATIENCE_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, trouble: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()
