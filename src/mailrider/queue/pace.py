"""How fast deliveries may follow each other: one departure at a time, evenly spaced.

`*_transport_rate_delay` is a pause between the beginnings of two deliveries; a rate of N messages per second is one of 1/N.
Nobody saves up departures while nothing waits, so there is never a burst.  A decision object: it is told the time.
"""

from __future__ import annotations


class Pace:
    """Departures that are `interval_seconds` apart."""

    __slots__ = ("_next_seconds", "interval_seconds")

    def __init__(self, interval_seconds: float) -> None:
        self.interval_seconds = interval_seconds
        self._next_seconds = 0.0

    def claim(self, now_seconds: float) -> float:
        """Take the next departure; how long it is until then."""
        departure = max(now_seconds, self._next_seconds)
        self._next_seconds = departure + self.interval_seconds
        return departure - now_seconds

    def depart(self, now_seconds: float) -> None:
        """A departure that was claimed for an earlier moment is now."""
        self._next_seconds = max(self._next_seconds, now_seconds + self.interval_seconds)

    def rest_seconds(self, now_seconds: float) -> float:
        """How long it is until the next departure can be had."""
        return max(0.0, self._next_seconds - now_seconds)
