"""Notices to the postmaster about clients of the doors, by the node's own queue: no client waits for them.

Each is sent once: what the queue does not take is a warning in the log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from mailrider.dsn.site import read_site
from mailrider.intake.history import CLASSES, History, Incident
from mailrider.queue.transcripts import send_client_transcript
from mailrider.settings import Settings
from mailrider.spool.spool import Spool

WAITING_LIMIT: Final = 100
"""Notices that wait for the storage; what comes then is only logged.  So many at once have one cause."""


class Notices:
    """By the settings of now.  `spool` is set when it is open."""

    def __init__(self, settings: Settings, tell: Callable[[str], None]) -> None:
        self.settings = settings
        self.spool: Spool | None = None
        self._tell = tell
        self._waiting: set[asyncio.Task[None]] = set()

    @property
    def are_wanted(self) -> bool:
        """Whether any class that a door can tell of is in `notify_classes`."""
        return not CLASSES.isdisjoint(self.settings.notify_classes)

    def open_history(self, client: str) -> History:
        """The history of a new connection."""
        return History(client, CLASSES.intersection(self.settings.notify_classes), self.send)

    def send(self, incident: Incident) -> None:
        """Send a notice; nobody waits for it."""
        if len(self._waiting) >= WAITING_LIMIT:
            self._tell(f"warning: postmaster notify: {WAITING_LIMIT} notices are waiting already")
            return
        task = asyncio.get_running_loop().create_task(self._send(incident))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def finish(self) -> None:
        """Wait for what is under way."""
        while self._waiting:
            await asyncio.wait(self._waiting)

    async def _send(self, incident: Incident) -> None:
        assert self.spool is not None
        client, reason, lines, bounced = incident
        site = read_site(self.settings)
        problem = await send_client_transcript(client, reason, lines, self.spool, site, time.time(), bounced=bounced)
        if problem:
            self._tell(f"warning: postmaster notify: {problem}")
