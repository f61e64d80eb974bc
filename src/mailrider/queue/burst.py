"""Many requests at once, without a spool: queued per destination, worked off under a concurrency window.

Each destination (service and next hop) has its own queue and its own window.  A worker takes one request after the other;
there are as many workers as the window is wide, so that no task is made for a message.  When the window grows, a worker is
added; when it shrinks, one retires after its request.

A destination that is declared dead has all its waiting recipients deferred with the reason of its last failure, as the
queue manager does (`delivery temporarily suspended: ...`), and so have those that come before `dead_seconds` are over.
Nothing else is known of a destination once nothing waits for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple, Protocol

from mailrider.clock import Clock
from mailrider.delivery.traffic import Traffic
from mailrider.events import Observer, RecipientSettled
from mailrider.model.outcome import Action, Delays, DeliveryReport, DestinationTrouble, Outcome, Status
from mailrider.model.request import DeliveryRequest
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

    def open(self, *, cache_load: bool, cache_store: bool) -> DeliveryRequest:
        """The request itself, with hints for the connection cache.  Must not raise."""

    def report(self, report: DeliveryReport) -> None:
        """What became of it."""


class _DestinationQueue:
    """The requests for one destination."""

    __slots__ = ("_burst", "_key", "_terms", "_waiting", "_workers", "traffic", "window")

    def __init__(self, burst: Burst, key: _Key, terms: WindowTerms) -> None:
        self._burst = burst
        self._key = key
        self._terms = terms
        self._waiting: deque[Work] = deque()
        self._workers = 0
        self.window = ConcurrencyWindow(terms)
        self.traffic = Traffic()

    def add(self, work: Work) -> None:
        self._waiting.append(work)

    def staff(self, group: asyncio.TaskGroup) -> None:
        """Add workers up to the width of the window, but no more than there is work for."""
        while self._workers < min(self.window.width, self._workers + len(self._waiting)):
            self._workers += 1
            group.create_task(self._work(group))

    async def _work(self, group: asyncio.TaskGroup) -> None:
        """One worker.  Where it is cancelled or fails, the group is over and nobody takes its place."""
        while self._waiting and self._workers <= self.window.width:
            await self._do(self._waiting.popleft())
            if self._workers < self.window.width and self._waiting:
                self.staff(group)
        self._workers -= 1
        if self._waiting and not self.window.is_dead:
            self.staff(group)

    async def _do(self, work: Work) -> None:
        burst, traffic = self._burst, self.traffic
        traffic.begin(burst.clock.monotonic_seconds())
        request = work.open(cache_load=traffic.load, cache_store=traffic.store)
        report = await burst.deliver(request)
        self._learn(report.destination_trouble)
        traffic.end(burst.clock.monotonic_seconds())
        work.report(report)
        if self.window.is_dead:
            self._suspend(report.destination_trouble)

    def _learn(self, trouble: DestinationTrouble | None) -> None:
        if trouble is None:
            if self.window.is_dead:
                self._burst.revive(self._key)
            self.window.succeed(self.traffic.busy)
        else:
            self.window.fail()

    def _suspend(self, trouble: DestinationTrouble | None) -> None:
        """Defer everything that waits for a dead destination, and what will."""
        if trouble is not None:
            self._burst.bury(self._key, trouble, self._terms.dead_seconds)
        while self._waiting:
            self._burst.suspend(self._waiting.popleft(), self._key)


class _Grave(NamedTuple):
    """Why a destination is dead, and until when (seconds on the monotonic clock)."""

    trouble: DestinationTrouble
    until_seconds: float


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
        self._graves: dict[_Key, _Grave] = {}

    async def run(self, works: Iterable[Work]) -> None:
        """Deliver all of them; returns when every one has been reported."""
        queues: dict[_Key, _DestinationQueue] = {}
        for work in works:
            key = (work.service, work.destination)
            queue = queues.get(key)
            if queue is None:
                if self._graves and self._is_dead(key):
                    self.suspend(work, key)
                    continue
                queue = queues[key] = _DestinationQueue(self, key, self._terms(work.service))
            queue.add(work)
        async with asyncio.TaskGroup() as group:
            for queue in queues.values():
                queue.staff(group)

    def bury(self, key: _Key, trouble: DestinationTrouble, seconds: float) -> None:
        """A destination is dead, for so long.  What fails after that changes nothing."""
        self._graves.setdefault(key, _Grave(trouble, self.clock.monotonic_seconds() + seconds))

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
        request = work.open(cache_load=False, cache_store=False)
        now = self.clock.wall_seconds()
        before = max(0.0, request.active_seconds - request.arrival_seconds)
        outcome = Outcome(
            Status.DEFERRED,
            trouble.status_code,
            f"delivery temporarily suspended: {trouble.text}",
            action=Action.DELAYED,
            delays=Delays(before, max(0.0, now - request.active_seconds), 0.0, 0.0),
        )
        for recipient in request.envelope.recipients:
            self._observer(RecipientSettled(request, recipient, outcome))
        work.report(DeliveryReport(tuple(outcome for _ in request.envelope.recipients), trouble))
