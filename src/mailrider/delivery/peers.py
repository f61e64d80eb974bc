"""What an agent has learned about servers by experience, and how long it believes it."""

from __future__ import annotations

from mailrider.clock import Clock
from mailrider.model.server import Server

MEMORY_SECONDS = 24 * 3600.0
"""A server that was wrong yesterday may have been mended."""

PEERS_LIMIT = 10_000
"""Servers that are remembered; the oldest are forgotten first."""


class Failing:
    """Servers that have failed in one way."""

    __slots__ = ("_clock", "_until_seconds")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until_seconds: dict[tuple[str, int], float] = {}

    def remember(self, server: Server) -> None:
        """It has failed just now."""
        key = server.address, server.port
        self._until_seconds.pop(key, None)  # it goes to the end of those that wait to be forgotten
        if len(self._until_seconds) >= PEERS_LIMIT:
            del self._until_seconds[next(iter(self._until_seconds))]
        self._until_seconds[key] = self._clock.monotonic_seconds() + MEMORY_SECONDS

    def knows(self, server: Server) -> bool:
        """Whether this server has failed not long ago."""
        if not self._until_seconds:
            return False
        until = self._until_seconds.get((server.address, server.port))
        return until is not None and self._clock.monotonic_seconds() < until


class PeerMemory:
    """`no_bdat`: servers that announce CHUNKING and do not understand BDAT; they get DATA.

    `no_dsn`: servers that announce DSN and refuse its parameters; they get none.

    `no_stream`: servers that announce PIPELINING and do not read what rides behind the end of a message; they get one message
    after the other.
    """

    __slots__ = ("no_bdat", "no_dsn", "no_stream")

    def __init__(self, clock: Clock) -> None:
        self.no_bdat = Failing(clock)
        self.no_dsn = Failing(clock)
        self.no_stream = Failing(clock)
