"""Destinations that share a set of exchangers are one destination (`destination_group = mx`): which group one belongs to.

A provider's customers have domains of their own and the provider's servers.  In a group they share one window, one rate, one
death.  DNS answers take their time and change:

* Mail for a destination that is not known yet waits until its exchangers are known, for `PATIENCE_SECONDS` at most; then,
  and where there is no answer, the destination is on its own, and is asked about again soon.
* What is known is asked about anew when mail comes after `KEPT_SECONDS`; meanwhile the old group stands.  Where the set has
  changed, mail that comes from then on is of the new group; what waits already goes with the old one.
* A next hop without MX records of its own (an address, a host in brackets, LMTP) is on its own, and so is each mailbox where
  `*_destination_recipient_limit` is 1.

What can go wrong: a domain that gives another set with each answer moves with each of them, and so has a window of its own
each time; the windows are as polite as those of two destinations.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from mailrider.clock import Clock
from mailrider.route.exchanger_set import ExchangerSet, Unknown

PATIENCE_SECONDS = 5.0
"""How long mail waits to learn its group: a name server that is alive answers in less."""

KEPT_SECONDS = 300.0
UNKNOWN_SECONDS = 60.0
"""How long a group, or that there is none, is believed before it is asked for again; and after no answer."""

KNOWN_LIMIT = 20_000
"""Destinations that are remembered, as many as recipients in memory."""

Finding = Callable[[str], Awaitable[ExchangerSet | Unknown | None]]
"""Finds the exchangers of a next hop; must not raise."""


class Grouped(Protocol):
    """What `queue.portion.Way` says of a destination."""

    @property
    def service(self) -> str:
        """The service."""

    @property
    def name(self) -> str:
        """The next hop, in lower case."""

    @property
    def find_exchangers(self) -> Finding | None:
        """Finds its exchangers; None where it is not to be grouped."""


class _Known(NamedTuple):
    group: str
    until_seconds: float


class Groups:
    """The groups of a node's destinations.  A group's name is that of a destination where it has no other."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[tuple[str, str], _Known] = {}
        self._asking: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._waiting: dict[tuple[str, str], list[Callable[[str], None]]] = {}

    def when_known(self, way: Grouped, then: Callable[[str], None]) -> None:
        """Call `then` with the name of the group: at once where it is known, else as soon as it is, or is not to be had."""
        if way.find_exchangers is None:
            then(way.name)
            return
        key = (way.service, way.name)
        known = self._known.get(key)
        if known is None or known.until_seconds <= self._clock.monotonic_seconds():
            self._ask(key, way.name, way.find_exchangers)
        if known is not None:
            then(known.group)
        else:
            self._waiting.setdefault(key, []).append(then)

    def _ask(self, key: tuple[str, str], nexthop: str, find: Finding) -> None:
        if key not in self._asking:
            self._asking[key] = asyncio.get_running_loop().create_task(self._find(key, nexthop, find))

    async def _find(self, key: tuple[str, str], nexthop: str, find: Finding) -> None:
        answer: ExchangerSet | Unknown | None = Unknown("no answer in time")
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                answer = await find(nexthop)
        except TimeoutError:
            pass
        finally:
            del self._asking[key]
            self._learn(key, answer)

    def _learn(self, key: tuple[str, str], answer: ExchangerSet | Unknown | None) -> None:
        before = self._known.pop(key, None)
        if isinstance(answer, Unknown):
            group, seconds = before.group if before is not None else key[1], UNKNOWN_SECONDS
        else:
            group, seconds = name_group(key[1], answer), KEPT_SECONDS
        self._known[key] = _Known(group, self._clock.monotonic_seconds() + seconds)
        if len(self._known) > KNOWN_LIMIT:
            del self._known[next(iter(self._known))]
        for then in self._waiting.pop(key, ()):
            then(group)

    async def close(self) -> None:
        """Who still waits is on his own."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        if asking:
            await asyncio.wait(asking)


def name_group(nexthop: str, exchangers: ExchangerSet | None) -> str:
    """What a destination is known as: no next hop looks like the name of a group."""
    return f"mx={exchangers}" if exchangers is not None else nexthop
