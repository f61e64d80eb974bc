"""What connections have written leaves together, when the event loop has gone round once more.

Two things are gained.  A system call that wakes up a sleeping process on another processor costs several times as much as one
that does not; while twenty connections are answered one after the other, their peers fall asleep between any two of them, but
when all answers leave in one go the first one wakes the peers and the others find them awake.  And whoever is told that a
message has been taken can put the next envelope behind the content that is about to leave on the same connection.
"""

from __future__ import annotations

import asyncio
from typing import Protocol


class Departing(Protocol):
    """Something that has written."""

    def depart(self) -> None:
        """Send what has been written; it may be that nothing is left to be sent, or that the sender is gone."""


class Departures:
    """Those that have written to the connections of one event loop and not sent it yet."""

    __slots__ = ("_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[Departing, None] = {}

    def add(self, departing: Departing) -> None:
        """This one has something to send."""
        if not self._waiting:
            self._loop.call_soon(self._announce)
        self._waiting[departing] = None

    def _announce(self) -> None:
        """Everybody who was told something in this round has been scheduled: let them write, then go."""
        going, self._waiting = self._waiting, {}
        self._loop.call_soon(self._depart, going)

    def _depart(self, going: dict[Departing, None]) -> None:
        for departing in going:
            if departing not in self._waiting:  # else it has written once more, and goes with the next
                departing.depart()
