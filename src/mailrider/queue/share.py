"""Which destinations a worker of a node works on, where it has several.

Everything that shares a limit goes to the same worker, so that windows, paces and deaths are exact and nobody has to ask
anybody: all mail of a destination, and all mail of a transport as a whole where the transport has a limit of its own.
Who that is follows from a checksum of the names, which is the same in every process, release and machine.

A share is a `spool.Share`.  Where the tables of `queue.routing` go by domain alone, the domain of a recipient says whose
it is; else its sender and address are asked for as well.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import NamedTuple

from mailrider.queue.routing import Route, Router

DOMAINS_LIMIT = 50_000
"""Domains that are remembered, with a bit each."""


class Part(NamedTuple):
    """Which of the workers of a node one is: `number` from 0, of `workers`."""

    number: int = 0
    workers: int = 1


ALONE = Part()


def choose_worker(unit: str, count: int) -> int:
    """The number of the worker, from 0, to whom a unit of work belongs."""
    return zlib.crc32(unit.encode("utf-8", "surrogateescape")) % count


class WorkShare:
    """The share of one worker.

    `is_whole` says of a transport whether it has a limit over all its destinations.
    """

    __slots__ = ("_count", "_domains", "_is_whole", "_number", "_router")

    def __init__(self, router: Router, is_whole: Callable[[str], bool], part: Part) -> None:
        self._router = router
        self._is_whole = is_whole
        self._number, self._count = part
        self._domains: dict[str, bool] = {}

    def has_domain(self, domain: str) -> bool | None:
        """See `spool.Share`."""
        known = self._domains.get(domain)
        if known is None:
            if not self._router.is_by_domain or not domain or not domain.isascii():
                return None
            if len(self._domains) >= DOMAINS_LIMIT:
                del self._domains[next(iter(self._domains))]
            known = self._domains[domain] = self.has_recipient("", f"postmaster@{domain}")
        return known

    def has_recipient(self, sender: str, address: str) -> bool:
        """See `spool.Share`."""
        return self.has_route(self._router.find(sender, address))

    def has_route(self, route: Route) -> bool:
        """Whether mail that goes this way is ours."""
        unit = route.transport if self._is_whole(route.transport) else f"{route.transport}:{route.nexthop.lower()}"
        return choose_worker(unit, self._count) == self._number
