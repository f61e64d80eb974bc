"""Many requests at once, without a spool: queued per destination, worked off under a concurrency window.

Each destination (service and next hop) has its own queue and its own window.  A worker takes one request after the other, so
that no task is made for a message, and holds a place in the window meanwhile.  A delivery that only waits for its last reply,
over a connection that takes the next message already (PIPELINING), lends its place: another worker then puts the next envelope
right behind.  So there are never more connections than the window is wide, and up to twice as many workers.

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
from mailrider.events import Observer, RecipientSettled
from mailrider.model.outcome import DeliveryReport, DestinationTrouble
from mailrider.model.request import DeliveryRequest, Turn
from mailrider.queue.place import Place, limit_workers
from mailrider.queue.suspension import Grave, suspend
from mailrider.queue.window import ConcurrencyWindow, WindowTerms

Deliver = Callable[[DeliveryRequest], Awaitable[DeliveryReport]]
_Key = tuple[str, str]  # service and destination

class Work(Protocol):
    """A request that waits for its turn.

    What is heavy about it (the message) is opened only then, so that a long queue costs little memory.
    """

    @property
    def service(self) -> str:
        """The service that delivers it."""

    @property
    def destination(self) -> str:
        """What it shares a queue with: see `delivery.portions.name_destination`."""

    def open(self, turn: Turn | None, *, cache_load: bool, cache_store: bool) -> DeliveryRequest:
        """The request itself, with its place in the window and hints for the connection cache.  Must not raise."""

    def report(self, report: DeliveryReport) -> None:
        """What became of it."""


class _DestinationQueue:
    """The requests for one destination.

    `_busy` counts the places in its window that are taken, `_called` those that are kept for somebody who is on his way.
    Whoever waits for a place is either a delivery that lent its own and needs it back, or a worker.
    """

    __slots__ = (
        "_burst", "_busy", "_called", "_group", "_key", "_resting", "_returning", "_terms", "_waiting", "_workers",
        "streaming", "traffic", "window",
    )  # fmt: skip

    def __init__(self, burst: Burst, key: _Key, terms: WindowTerms, group: asyncio.TaskGroup) -> None:
        self._burst = burst
        self._group = group
        self._key = key
        self._terms = terms
        self._waiting: deque[Work] = deque()
        self._returning: deque[asyncio.Future[None]] = deque()
        self._resting: deque[asyncio.Future[None]] = deque()
        self._workers = 0
        self._busy = 0
        self._called = 0
        self.streaming = 0
        self.window = ConcurrencyWindow(terms)
        self.traffic = Traffic()

    def add(self, work: Work) -> None:
        self._waiting.append(work)

    @property
    def _free(self) -> int:
        """Places to be had.  What is under way goes on even where the window is closed, one after the other."""
        return (self.window.width or 1) - self._busy - self._called

    def staff(self, places: int) -> None:
        """See that somebody comes for so many of the free places."""
        for _ in range(places):
            if self._returning:
                self._call(self._returning)
            elif self._resting:
                self._call(self._resting)
            elif self._waiting and self._workers < limit_workers(self.window.width, self.streaming):
                self._workers += 1
                self._group.create_task(self._work())
            else:
                return  # those who are about to finish will

    def _call(self, queue: deque[asyncio.Future[None]]) -> None:
        self._called += 1
        queue.popleft().set_result(None)

    async def wait_for_place(self, *, returning: bool = False) -> None:
        """Take a place as soon as there is one."""
        if self._free <= 0:
            called = asyncio.get_running_loop().create_future()
            (self._returning if returning else self._resting).append(called)
            await called
            self._called -= 1
        self._busy += 1

    def lend_place(self) -> None:
        """A place is to be had."""
        self._busy -= 1
        if self._free > 0:
            self.staff(1)

    async def _work(self) -> None:
        """One worker.  Where it is cancelled or fails, the group is over and nobody takes its place."""
        while self._waiting:
            if self._free <= 0:
                await self.wait_for_place()
                self._busy -= 1  # it is ours: nobody else runs before we have looked again
            else:
                await self._do(self._waiting.popleft())
        self._workers -= 1
        while self._resting:
            self._call(self._resting)  # nothing is left to do: go home

    async def _do(self, work: Work) -> None:
        burst, traffic = self._burst, self.traffic
        self._busy += 1
        place = Place(self)
        traffic.begin(burst.clock.monotonic_seconds())
        report = await burst.deliver(work.open(place, cache_load=traffic.load, cache_store=traffic.store))
        self._learn(report.destination_trouble)
        traffic.end(burst.clock.monotonic_seconds())
        work.report(report)
        if self.window.is_dead:
            self._suspend(report.destination_trouble)
        if place.give_up():
            self._busy -= 1
        free = self._free
        if free > 1 or self._returning:
            self.staff(free - (not self._returning))  # the last one is for ourselves

    def _learn(self, trouble: DestinationTrouble | None) -> None:
        if trouble is None:
            if self.window.is_dead:
                self._burst.revive(self._key)
            self.window.succeed(self._busy)
        else:
            self.window.fail()

    def _suspend(self, trouble: DestinationTrouble | None) -> None:
        """Defer everything that waits for a dead destination, and what will."""
        if trouble is not None:
            self._burst.bury(self._key, trouble, self._terms.dead_seconds)
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
        self._graves: dict[_Key, Grave] = {}

    async def run(self, works: Iterable[Work]) -> None:
        """Deliver all of them; returns when every one has been reported."""
        queues: dict[_Key, _DestinationQueue] = {}
        async with asyncio.TaskGroup() as group:
            for work in works:
                key = (work.service, work.destination)
                queue = queues.get(key)
                if queue is None:
                    if self._graves and self._is_dead(key):
                        self.suspend(work, key)
                        continue
                    queue = queues[key] = _DestinationQueue(self, key, self._terms(work.service), group)
                queue.add(work)
            for queue in queues.values():
                queue.staff(queue.window.width)

    def bury(self, key: _Key, trouble: DestinationTrouble, seconds: float) -> None:
        """A destination is dead, for so long.  What fails after that changes nothing."""
        self._graves.setdefault(key, Grave(trouble, self.clock.monotonic_seconds() + seconds))

    def revive(self, key: _Key) -> None:
        """It is not dead after all."""
        self._graves.pop(key, None)

    def _is_dead(self, key: _Key) -> bool:
        grave = self._graves.get(key)
        if grave is not None and grave.until_seconds <= self.clock.monotonic_seconds():
            self.revive(key)
            return False
        return grave is not None

    def suspend(self, work: Work, key: _Key) -> None:
        """Report what becomes of a request whose destination is dead."""
        trouble = self._graves[key].trouble
        request = work.open(None, cache_load=False, cache_store=False)
        outcome = suspend(request, trouble, self.clock.wall_seconds())
        for recipient in request.envelope.recipients:
            self._observer(RecipientSettled(request, recipient, outcome))
        work.report(DeliveryReport(tuple(outcome for _ in request.envelope.recipients), trouble))
