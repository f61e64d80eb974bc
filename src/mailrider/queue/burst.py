"""Many requests at once, without a spool: queued per destination, worked off under a concurrency window.

Each destination (service and next hop) has its own queue and its own window.  A worker takes one request after the other, so
that no task is made for a message, and holds a place in the window meanwhile, or lends it (`queue.place`).

A destination that is declared dead has all its waiting recipients deferred with the reason of its last failure, as the
queue manager does (`delivery temporarily suspended: ...`), and so have those that come before `dead_seconds` are over.
Nothing else is known of a destination once nothing waits for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from mailrider.clock import Clock
from mailrider.delivery.traffic import Traffic
from mailrider.events import Observer
from mailrider.model.outcome import DeliveryReport
from mailrider.model.request import DeliveryRequest
from mailrider.queue.place import Place, Places, limit_workers
from mailrider.queue.suspension import Graves, Key, Waiting, suspend
from mailrider.queue.window import WindowTerms

Deliver = Callable[[DeliveryRequest], Awaitable[DeliveryReport]]


class Work(Waiting, Protocol):
    """A request that waits for its turn."""

    @property
    def service(self) -> str:
        """The service that delivers it."""

    @property
    def destination(self) -> str:
        """What it shares a queue with: see `delivery.portions.name_destination`."""


class _DestinationQueue(Places):
    """The requests for one destination, and its workers."""

    __slots__ = ("_burst", "_group", "_traffic", "_waiting", "_workers")

    def __init__(self, burst: Burst, key: Key, terms: WindowTerms, graves: Graves, group: asyncio.TaskGroup) -> None:
        super().__init__(key, terms, graves)
        self._burst = burst
        self._group = group
        self._waiting: deque[Work] = deque()
        self._workers = 0
        self._traffic = Traffic()

    def add(self, work: Work) -> None:
        self._waiting.append(work)

    def _hire(self) -> bool:
        if not self._waiting or self._workers >= limit_workers(self.window.width, self.streaming):
            return False
        self._workers += 1
        self._group.create_task(self._work())
        return True

    async def _work(self) -> None:
        """One worker.  Where it is cancelled or fails, the group is over and nobody takes its place."""
        while self._waiting:
            if self.free <= 0:
                await self.wait()
            else:
                await self._do(self._waiting.popleft())
        self._workers -= 1
        self._send_home()

    async def _do(self, work: Work) -> None:
        burst, traffic = self._burst, self._traffic
        place = Place(self)
        traffic.begin(burst.clock.monotonic_seconds())
        report = await burst.deliver(work.open(place, cache_load=traffic.load, cache_store=traffic.store))
        self.learn(report.destination_trouble)
        traffic.end(burst.clock.monotonic_seconds())
        work.report(report)
        if self.window.is_dead:
            self._suspend()
        place.give_up()

    def _suspend(self) -> None:
        """Defer everything that waits for a dead destination."""
        while self._waiting:
            self._burst.suspend(self._waiting.popleft(), self._key)


class Burst:
    """Works off a number of requests that are all there at the beginning.

    `deliver` does one of them.  `terms` gives the window of a service.  Between two runs only dead destinations are
    remembered.
    """

    def __init__(
        self, deliver: Deliver, terms: Callable[[str], WindowTerms], clock: Clock, observer: Observer
    ) -> None:
        self.deliver = deliver
        self.clock = clock
        self._terms = terms
        self._observer = observer
        self._graves = Graves(clock)

    async def run(self, works: Iterable[Work]) -> None:
        """Deliver all of them; returns when every one has been reported."""
        queues: dict[Key, _DestinationQueue] = {}
        async with asyncio.TaskGroup() as group:
            for work in works:
                key = (work.service, work.destination)
                queue = queues.get(key)
                if queue is None:
                    if self._graves and self._graves.find(key) is not None:
                        self.suspend(work, key)
                        continue
                    queue = queues[key] = _DestinationQueue(self, key, self._terms(work.service), self._graves, group)
                queue.add(work)
            for queue in queues.values():
                queue.staff(queue.window.width)

    def suspend(self, work: Work, key: Key) -> None:
        """Report what becomes of a request whose destination is dead."""
        suspend(work, self._graves[key].trouble, self.clock, self._observer)
