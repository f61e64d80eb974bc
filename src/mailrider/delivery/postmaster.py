"""Transcripts of sessions that went wrong on their way to the postmaster: no delivery waits for that.

As with smtp(8) each is sent once and not looked after: what cannot be sent is a warning in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from mailrider.events import Event, Observer, SessionBlamed, Warned

WAITING_LIMIT: Final = 100
"""Notices that wait to be sent; what comes then is only logged.  So many failures at once have one cause."""

AT_ONCE: Final = 4
"""They are sent by few at a time: cleanup(8) has a process for each, and the mail itself goes first."""


class Postmaster:
    """An `events.Observer` in front of another one.  Belongs to the running event loop.

    `send` sends the notice for a session and answers why it could not, or nothing.
    """

    def __init__(self, observer: Observer, send: Callable[[SessionBlamed], Awaitable[str]]) -> None:
        self._observer = observer
        self._send = send
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting: set[asyncio.Task[None]] = set()

    def __call__(self, event: Event) -> None:
        """Pass an event on, or send it."""
        self._observer(event)
        if not isinstance(event, SessionBlamed):
            return
        if len(self._waiting) >= WAITING_LIMIT:
            self._warn(f"{WAITING_LIMIT} notices are waiting already", event)
            return
        task = asyncio.get_running_loop().create_task(self._write(event))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def finish(self) -> None:
        """Wait for what is under way."""
        while self._waiting:
            await asyncio.wait(self._waiting)

    async def _write(self, event: SessionBlamed) -> None:
        async with self._turns:
            problem = await self._send(event)
        if problem:
            self._warn(problem, event)

    def _warn(self, problem: str, event: SessionBlamed) -> None:
        self._observer(Warned(f"postmaster notify: {problem}", event.queue_id))
