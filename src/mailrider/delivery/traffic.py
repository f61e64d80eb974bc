"""How busy a destination is, and so whether connections to it are worth keeping.

The rule is the queue manager's (qmgr(8), "connection caching"): once a delivery begins at most one second after the one
before it has ended, connections are kept and reused; when the stream of mail thins out they are reused, but
no longer kept.  Concurrency alone does not start it, so that a burst below the initial concurrency keeps nothing.
"""

from __future__ import annotations

from collections.abc import Hashable

BACK_TO_BACK_SECONDS = 1
"""Whole seconds between the end of one delivery and the beginning of the next, as the queue manager counts them."""

DESTINATIONS_LIMIT = 10_000
"""Destinations that are remembered; the quietest are forgotten first."""


class Traffic:
    """One destination."""

    __slots__ = ("_last_done", "busy", "load", "store")

    def __init__(self) -> None:
        self.busy = 0
        self.load = False
        self.store = False
        self._last_done = -1 - BACK_TO_BACK_SECONDS

    def begin(self, now_seconds: float) -> None:
        """A delivery begins: decide `load` and `store` for it."""
        self.busy += 1
        back_to_back = self._last_done + BACK_TO_BACK_SECONDS >= int(now_seconds)
        if not self.store:
            if back_to_back:
                self.load = self.store = True
        elif not back_to_back and self.busy <= 1:
            self.store = False

    def end(self, now_seconds: float) -> None:
        """A delivery has ended."""
        self.busy -= 1
        self._last_done = int(now_seconds)


class TrafficMemory:
    """All destinations of an agent."""

    __slots__ = ("_destinations",)

    def __init__(self) -> None:
        self._destinations: dict[Hashable, Traffic] = {}

    def of(self, destination: Hashable) -> Traffic:
        """The traffic to one destination; using it makes it the latest."""
        traffic = self._destinations.pop(destination, None)
        if traffic is None:
            traffic = Traffic()
            if len(self._destinations) >= DESTINATIONS_LIMIT:
                self._forget_quietest()
        self._destinations[destination] = traffic
        return traffic

    def _forget_quietest(self) -> None:
        for destination, traffic in self._destinations.items():
            if not traffic.busy:
                del self._destinations[destination]
                return
