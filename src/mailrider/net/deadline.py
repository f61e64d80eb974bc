"""Time limits for many connections with one timer.

A timer per read would be set and cancelled several times for every message.  Here a connection only writes down when
its patience ends (`deadline_seconds`, on the event loop's clock), and one timer looks at all of them every
`TICK_SECONDS`.  So a limit is noticed up to one tick late, never early.  The timer runs only while somebody is watched.
"""

from __future__ import annotations

import asyncio
import math
from typing import Protocol

from mailrider.net.departures import Departures

TICK_SECONDS = 0.1
"""How often the deadlines are looked at.  Postfix's limits are whole seconds; a look at 5,000 costs half a millisecond."""

NO_DEADLINE = math.inf


class Watched(Protocol):
    """Something that has a deadline."""

    deadline_seconds: float

    def run_out_of_time(self) -> None:
        """Called once the deadline has passed; must move the deadline or leave the wheel."""


class DeadlineWheel:
    """Watches deadlines on one event loop.

    `departures` is what else the connections of the loop share; where there are none, each sends at once.
    """

    __slots__ = ("_loop", "_timer", "_watched", "departures")

    def __init__(self, loop: asyncio.AbstractEventLoop, departures: Departures | None = None) -> None:
        self._loop = loop
        self._watched: set[Watched] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.departures = departures

    def watch(self, watched: Watched) -> None:
        """Begin to look at this one's deadline."""
        self._watched.add(watched)
        if self._timer is None:
            self._timer = self._loop.call_later(TICK_SECONDS, self._tick)

    def forget(self, watched: Watched) -> None:
        """Stop looking at it."""
        self._watched.discard(watched)

    def _tick(self) -> None:
        now = self._loop.time()
        late = [watched for watched in self._watched if watched.deadline_seconds <= now]
        try:
            for watched in late:
                watched.run_out_of_time()
        finally:
            # Whatever went wrong with one, the time of the others goes on.
            self._timer = self._loop.call_later(TICK_SECONDS, self._tick) if self._watched else None
