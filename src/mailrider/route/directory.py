"""From a next hop to servers, for one transport: the two questions that `delivery` asks.

What a next hop means does not change while the process runs, so it is taken apart once; nor does the server behind a numeric
address, so it is looked at once.

Known fault: the memories are emptied, not trimmed, when they are full.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mailrider.events import Observer, Warned
from mailrider.resolver.answer import Resolver
from mailrider.resolver.hostname import is_valid_address
from mailrider.route.exchanger_set import ExchangerSet, Unknown, find_exchanger_set
from mailrider.route.exchangers import Found, NotFound, find_servers
from mailrider.route.itinerary import Itinerary
from mailrider.route.nexthop import Destination, parse_nexthop
from mailrider.route.policy import RoutePolicy

MEMORY_LIMIT = 10_000
"""Next hops, and numeric destinations, that are remembered."""


@dataclass(frozen=True, slots=True)
class Roads:
    """What is common to all next hops of a transport.

    `default_service` is the port of a next hop that names none.  `fallbacks` are tried after every next hop but a
    UNIX-domain socket.  The limits are per destination, 0 for none.
    """

    default_service: str
    known_ports: Mapping[str, int]
    fallbacks: tuple[Destination, ...] = ()
    address_limit: int = 5
    session_limit: int = 2


class Directory:
    """Where mail of one transport goes."""

    __slots__ = ("_nexthops", "_numeric", "_policy", "_resolver", "_roads")

    def __init__(self, resolver: Resolver, policy: RoutePolicy, roads: Roads) -> None:
        self._resolver = resolver
        self._policy = policy
        self._roads = roads
        self._nexthops: dict[str, tuple[Destination, ...]] = {}
        self._numeric: dict[str, Found | NotFound] = {}

    @property
    def resolver(self) -> Resolver:
        """Whom it asks, for others who have questions about the same servers."""
        return self._resolver

    def destinations(self, nexthop: str) -> tuple[Destination, ...]:
        """The elements of a next hop.  Raises `WrongUsage`."""
        found = self._nexthops.get(nexthop)
        if found is None:
            roads = self._roads
            found = parse_nexthop(
                nexthop,
                transport=self._policy.transport,
                default_service=roads.default_service,
                known_ports=roads.known_ports,
            )
            if len(self._nexthops) >= MEMORY_LIMIT:
                self._nexthops.clear()
            self._nexthops[nexthop] = found
        return found

    def itinerary(self, nexthop: str) -> Itinerary:
        """The way of one request.  Raises `WrongUsage` for a next hop that makes no sense."""
        destinations = self.destinations(nexthop)
        roads = self._roads
        return Itinerary(
            destinations,
            () if destinations[0].path else roads.fallbacks,
            address_limit=roads.address_limit,
            session_limit=roads.session_limit,
        )

    async def find_exchangers(self, nexthop: str) -> ExchangerSet | Unknown | None:
        """The exchangers that a next hop names; None where it names none.  Raises `WrongUsage` as `destinations` does."""
        return await find_exchanger_set(self.destinations(nexthop), self._resolver, self._policy)

    def recall(self, destination: Destination) -> Found | NotFound | None:
        """What `find` would answer, where it need not ask anybody."""
        return self._numeric.get(destination.text)

    async def find(self, destination: Destination, observer: Observer) -> Found | NotFound:
        """The servers of a destination, in the order in which they are tried."""
        known = self.recall(destination)
        if known is not None:
            return known
        if destination.path and self._roads.fallbacks:
            names = " ".join(fallback.text for fallback in self._roads.fallbacks)
            observer(Warned(f'ignoring "lmtp_fallback_relay = {names}" setting for non-TCP connections'))
        found = await find_servers(destination, self._resolver, self._policy, observer)
        if destination.bracketed and is_valid_address(destination.host):
            if len(self._numeric) >= MEMORY_LIMIT:
                self._numeric.clear()
            self._numeric[destination.text] = found
        return found
