"""What an agent has learned about servers by experience, and how long it believes it."""

from __future__ import annotations

from mailrider.clock import Clock
from mailrider.model.server import Server

MEMORY_SECONDS = 24 * 3600.0
"""A server that was wrong yesterday may have been mended."""

PEERS_LIMIT = 10_000
"""Servers that are remembered; the oldest are forgotten first."""


class PeerMemory:
    """Servers that announce CHUNKING and do not understand BDAT."""

    __slots__ = ("_clock", "_no_bdat")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._no_bdat: dict[tuple[str, int], float] = {}

    def remember_bdat_failure(self, server: Server) -> None:
        """This server gets DATA from now on."""
        key = server.address, server.port
        self._no_bdat.pop(key, None)  # it goes to the end of those that wait to be forgotten
        if len(self._no_bdat) >= PEERS_LIMIT:
            del self._no_bdat[next(iter(self._no_bdat))]
        self._no_bdat[key] = self._clock.monotonic_seconds() + MEMORY_SECONDS

    def fails_bdat(self, server: Server) -> bool:
        """Whether this server has failed BDAT not long ago."""
        if not self._no_bdat:
            return False
        until = self._no_bdat.get((server.address, server.port))
        return until is not None and self._clock.monotonic_seconds() < until
