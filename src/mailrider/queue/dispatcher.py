"""All destinations of a node: which are known, which are dead, and what they share.

A destination is known while mail waits for it or is under way.  A dead one is remembered until `minimal_backoff_time` is over,
and mail for it is deferred at once; a flush brings it back.  The pace of a transport is shared by its destinations, and so is
its crew: how many deliveries may be under way over it.  That protects memory and descriptors; the windows decide what is
polite.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, NamedTuple

from mailrider.clock import Clock
from mailrider.events import Observer, Warned
from mailrider.queue.destination import Consignment, Crew, Destination, DestinationTerms
from mailrider.queue.notices import NoticePassingDestination
from mailrider.queue.pace import Pace
from mailrider.queue.suspension import Grave, Graves, Key, suspend

CLOGGED_SHARE = 0.9
"""Who has so much of the queue holds up nobody else worth mentioning."""


@dataclass(frozen=True, slots=True)
class ServiceTerms:
    """The terms of a service.

    `interval_seconds` lies between the beginnings of two deliveries over it (0: any), `deliveries_limit` is how many may be
    under way.  `notices_pass`: no interval counts for mail of the null sender (`queue.notices`).
    """

    destination: DestinationTerms
    interval_seconds: float = 0.0
    deliveries_limit: int = 1000
    notices_pass: bool = False


class ClogTerms(NamedTuple):
    """It is told when a destination has more than `length` deliveries in memory, but not sooner again than after `seconds`."""

    length: int = sys.maxsize
    seconds: float = 300.0


class _Service:
    """What the destinations of a service share."""

    __slots__ = ("crew", "paces", "terms")

    def __init__(self, terms: ServiceTerms) -> None:
        self.terms = terms
        self.crew = Crew(terms.deliveries_limit)
        self.paces = [Pace(terms.interval_seconds)] if terms.interval_seconds else []


class Dispatcher:
    """Gives every consignment its turn.

    `terms` gives the terms of a service.
    """

    def __init__(
        self,
        terms: Callable[[str], ServiceTerms],
        clock: Clock,
        observer: Observer,
        clog: ClogTerms = ClogTerms(),  # noqa: B008 (a value)
    ) -> None:
        self.clock = clock
        self.clog_length, self._clog_seconds = clog
        self._terms = terms
        self._observer = observer
        self._destinations: dict[Key, Destination] = {}
        self._graves = Graves(clock)
        self._services: dict[str, _Service] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._stopping: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def add(self, consignment: Consignment) -> None:
        """Let it wait for its turn; where its destination is dead it is deferred at once."""
        key = consignment.key
        if self._stopping.done():
            consignment.withdraw()
            return
        if self._graves and self._graves.find(key) is not None:
            self.suspend(consignment)
            return
        destination = self._destinations.get(key)
        if destination is None:
            destination = self._destinations[key] = self._make(key)
        destination.add(consignment)

    def _make(self, key: Key) -> Destination:
        service = self._services.get(key[0])
        if service is None:
            service = self._services[key[0]] = _Service(self._terms(key[0]))
        interval = service.terms.destination.interval_seconds
        paces = [Pace(interval), *service.paces] if interval else service.paces
        kind = NoticePassingDestination if paces and service.terms.notices_pass else Destination
        return kind(self, key, service.terms.destination, paces, service.crew, self._graves)

    # As a depot

    def employ(self, work: Coroutine[Any, Any, None]) -> None:
        """Let a worker begin."""
        task = asyncio.get_running_loop().create_task(work)
        self._workers.add(task)
        task.add_done_callback(self._dismiss)

    def _dismiss(self, task: asyncio.Task[None]) -> None:
        self._workers.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            raise fault  # the loop's exception handler hears of it

    def tell_fault(self, fault: Exception) -> None:
        """A fault of ours: say where, so that it can be mended."""
        frames = traceback.extract_tb(fault.__traceback__)
        place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        self._observer(Warned(f"internal error: {type(fault).__name__}: {fault}{place}"))

    def tell_clog(self, key: Key, limit: int) -> float:
        """Warn of a destination that fills the queue; after how many seconds that may be done again.

        `limit` is how many deliveries there may be at once (0: any number).
        """
        service, nexthop = key
        lengths = {it: destination.waiting + destination.busy for it, destination in self._destinations.items()}
        total = sum(lengths.values())
        self._warn(f"mail for {nexthop} is using up {lengths[key]} of {total} active queue entries")
        if lengths[key] < CLOGGED_SHARE * total:
            self._warn("this may slow down other mail deliveries")
        if limit and limit <= self._destinations[key].busy + 1:
            self._warn(f"you may need to increase the main.cf {service}_destination_concurrency_limit from {limit}")
        self._warn("to turn off these warnings specify: qmgr_clog_warn_time = 0")
        return self._clog_seconds

    def _warn(self, text: str) -> None:
        self._observer(Warned(text))

    async def pause(self, seconds: float) -> None:
        """Wait, but not once the node stops."""
        await asyncio.wait([self._stopping], timeout=seconds)

    def forget(self, key: Key, destination: Destination, rest_seconds: float) -> None:
        """Nothing is left to do for a destination; where it keeps a pace it stays until that is over."""
        if self._destinations.get(key) is not destination or destination.waiting or destination.busy:
            return
        if rest_seconds > 0 and not self._stopping.done():
            asyncio.get_running_loop().call_later(rest_seconds, self.forget, key, destination, 0.0)
        else:
            del self._destinations[key]

    def suspend(self, consignment: Consignment) -> None:
        """Report what becomes of mail whose destination is dead."""
        grave = self._graves.get(consignment.key)
        if grave is None:
            consignment.withdraw()
            return
        suspend(consignment, grave.trouble, self.clock, self._observer)

    # What the operator needs

    def flush(self) -> None:
        """Give every dead destination another chance."""
        self._graves.clear()

    def stop(self) -> None:
        """Begin nothing any more; what waits is withdrawn, what is under way goes on."""
        if not self._stopping.done():
            self._stopping.set_result(None)
        for destination in list(self._destinations.values()):
            destination.withdraw()

    def cancel(self) -> None:
        """Break off what is under way; its mail is not recorded, and so goes back as it was."""
        for worker in list(self._workers):
            worker.cancel()

    async def join(self) -> None:
        """Wait until nothing is under way."""
        while self._workers:
            await asyncio.wait(list(self._workers))

    @property
    def busy(self) -> int:
        """Workers at work."""
        return len(self._workers)

    def describe(self) -> dict[Key, tuple[int, int, int]]:
        """Each destination that is known: the width of its window, deliveries under way, deliveries that wait."""
        return {key: (it.window.width, it.busy, it.waiting) for key, it in self._destinations.items()}

    def graves(self) -> dict[Key, Grave]:
        """Each dead destination."""
        return dict(self._graves)
