"""The order in which servers are tried, and which of them is the last: decisions without I/O.

A request has a list of destinations: the elements of its next hop, then the fallback relays.  Each brings its own list of
servers with its own limits (`smtp_mx_address_limit`, `smtp_mx_session_limit`).  Whoever walks it asks `next_destination`,
looks up its servers, tells `servers_found` or `servers_not_found`, and asks `next_server` until there is none.

A server is the *last* one when no server follows it in its list and no destination follows.  A destination of which we
are an exchanger ourselves, and one that loops back to us, ends the itinerary.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailrider.model.server import Server
from mailrider.route.nexthop import Destination


class Itinerary:
    """Where one request goes."""

    __slots__ = (
        "_address_limit", "_addresses", "_destinations", "_ends_here", "_fallback_from", "_position", "_servers",
        "_session_limit", "_sessions", "best_preference",
    )  # fmt: skip

    def __init__(
        self,
        destinations: Sequence[Destination],
        fallbacks: Sequence[Destination] = (),
        *,
        address_limit: int = 0,
        session_limit: int = 0,
    ) -> None:
        self._destinations = (*destinations, *fallbacks)
        self._fallback_from = len(destinations)
        self._address_limit = address_limit
        self._session_limit = session_limit
        self._position = -1
        self._ends_here = False
        self._servers: list[Server] = []
        self._addresses = 0
        self._sessions = 0
        self.best_preference = 0

    def next_destination(self) -> Destination | None:
        """The next destination to look up, or None when the itinerary has ended."""
        if self._ends_here or self._position + 1 >= len(self._destinations):
            return None
        self._position += 1
        self._ends_here = self._position + 1 == len(self._destinations)
        self._servers = []
        self._addresses = self._sessions = 0
        return self._destinations[self._position]

    @property
    def at_first_destination(self) -> bool:
        """Connections are kept under the first destination only."""
        return self._position == 0

    @property
    def first_text(self) -> str:
        """The first destination as it was written."""
        return self._destinations[0].text

    @property
    def at_fallback(self) -> bool:
        """The current destination is a fallback relay."""
        return self._position >= self._fallback_from

    def servers_found(self, servers: Sequence[Server], *, exchanger_is_self: bool = False) -> None:
        """The servers of the current destination, in order.

        If we are one of its exchangers, no server outside its exchangers may be tried.
        """
        self._servers = list(servers)
        self.best_preference = servers[0].preference if servers else 0
        if exchanger_is_self:
            self._ends_here = True

    def servers_not_found(self, *, loop: bool) -> None:
        """The current destination has no servers.  A loop ends the itinerary: more servers make it worse."""
        if loop:
            self._ends_here = True

    @property
    def candidates(self) -> Sequence[Server]:
        """The servers that are left at the current destination."""
        return self._servers

    def next_server(self) -> Server | None:
        """The next server to connect to."""
        if not self._servers:
            return None
        server = self._servers.pop(0)
        self._count_address()
        return server

    def use_kept(self, server: Server) -> None:
        """A kept connection to this server is used: it counts as an address and as a session."""
        for candidate in self._servers:
            if candidate.address == server.address:
                self._servers.remove(candidate)
                break
        self._count_address()
        self.count_session()

    def undo_kept(self, candidates: Sequence[Server]) -> None:
        """The kept connection was dead: nothing has been tried."""
        self._servers = list(candidates)
        self._addresses -= 1
        self._sessions -= 1

    def try_again(self, server: Server) -> None:
        """The connection to this server turned out to be dead before anything happened: dial it."""
        self._servers.insert(0, server)
        self._addresses -= 1
        self._sessions -= 1

    def dial_again(self, server: Server) -> None:
        """The connection to this server came to nothing before a session began: dial it."""
        self._servers.insert(0, server)
        self._addresses -= 1

    def count_session(self) -> None:
        """A server has let us in: that counts towards the limit of sessions, whatever becomes of the message."""
        self._sessions += 1
        if self._sessions == self._session_limit:
            self._servers = []

    def _count_address(self) -> None:
        self._addresses += 1
        if self._addresses == self._address_limit:
            self._servers = []

    @property
    def at_last_server(self) -> bool:
        """No server follows the one that was taken last."""
        return self._ends_here and not self._servers
