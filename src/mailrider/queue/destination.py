"""The mail for one destination, worked off under its concurrency window while more comes in.

This is `queue.burst` for a queue that never ends.  Workers take one delivery after the other, so that no task is made for a
message; where nothing waits they go home, and where nobody is left the destination is forgotten with all that was learned
about it, as the queue manager does.  A delivery that only awaits its last reply lends its place (`queue.place`).

Deliveries at a set pace (`*_destination_rate_delay`, `*_transport_rate_delay`, rates) are taken when their departure comes.
With a rate delay they go one at a time, and the pause counts from the end of one to the beginning of the next (qmgr(8)).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mailrider.delivery.traffic import Traffic
from mailrider.model.outcome import DeliveryReport, DestinationTrouble
from mailrider.model.request import DeliveryRequest, Turn
from mailrider.queue.line import Line
from mailrider.queue.pace import Pace
from mailrider.queue.place import Place, limit_workers
from mailrider.queue.window import ConcurrencyWindow, WindowTerms

if TYPE_CHECKING:
    from mailrider.queue.dispatcher import Dispatcher

Key = tuple[str, str]
"""The service and the name of the destination."""


class Consignment(Protocol):
    """A delivery that waits for its turn: some recipients of one message."""

    @property
    def key(self) -> Key:
        """Where it waits."""

    @property
    def sender(self) -> str:
        """Whose turn it takes."""

    @property
    def message(self) -> object:
        """Which message's turn it takes."""

    def open(self, turn: Turn | None, *, cache_load: bool, cache_store: bool) -> DeliveryRequest:
        """The request itself; must not raise."""

    def deliver(self, request: DeliveryRequest) -> Awaitable[DeliveryReport]:
        """Deliver it, recording what becomes of each recipient as soon as it is known."""

    def report(self, report: DeliveryReport) -> None:
        """It is over.  Recipients that were not recorded on the way get the outcome that the report has."""

    def fail(self, fault: Exception) -> None:
        """A fault of ours has ended it; whoever was not recorded waits."""

    def withdraw(self) -> None:
        """It is not tried: the node stops."""


@dataclass(frozen=True, slots=True)
class DestinationTerms:
    """`rate_delay_seconds`: the pause after each delivery (0: none).  `interval_seconds`: between the beginnings of two."""

    window: WindowTerms
    rate_delay_seconds: float = 0.0
    interval_seconds: float = 0.0


class Crew:
    """The workers of one service: no more than `limit`; where all are at work, destinations queue up for one.

    A worker who has done a delivery goes home where others queue up, so that destinations take turns.
    """

    __slots__ = ("_limit", "at_work", "hungry")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.at_work = 0
        self.hungry: dict[Destination, None] = {}

    def hire(self, destination: Destination) -> bool:
        """Take a worker, or queue up for one."""
        if self.at_work >= self._limit:
            self.hungry[destination] = None
            return False
        self.at_work += 1
        return True

    def dismiss(self, destination: Destination | None) -> None:
        """A worker goes home; `destination` would like one again, after the others."""
        self.at_work -= 1
        if destination is not None:
            self.hungry.setdefault(destination)
        while self.hungry and self.at_work < self._limit:
            first = next(iter(self.hungry))
            del self.hungry[first]
            first.employ()


class Destination:
    """One destination.  `_busy` counts places that are taken, `_called` those that are kept for somebody on his way."""

    __slots__ = (
        "_busy", "_called", "_clog_seconds", "_crew", "_delay_seconds", "_dispatcher", "_key", "_line", "_paces",
        "_ready_seconds", "_resting", "_returning", "_terms", "_traffic", "_workers", "streaming", "window",
    )  # fmt: skip

    def __init__(
        self, dispatcher: Dispatcher, key: Key, terms: DestinationTerms, paces: Sequence[Pace], crew: Crew
    ) -> None:
        self._crew = crew
        self._dispatcher = dispatcher
        self._key = key
        self._terms = terms.window
        self._delay_seconds = terms.rate_delay_seconds
        self._paces = tuple(paces)
        self._line: Line[Consignment] = Line()
        self._returning: deque[asyncio.Future[None]] = deque()
        self._resting: deque[asyncio.Future[None]] = deque()
        self._workers = 0
        self._busy = 0
        self._called = 0
        self.streaming = 0
        self._ready_seconds = 0.0
        self._clog_seconds = 0.0  # when it may be told again that this destination fills the queue
        self._traffic = Traffic()
        self.streaming = 0
        self.window = ConcurrencyWindow(self._terms)

    @property
    def waiting(self) -> int:
        """Deliveries that have not begun."""
        return len(self._line)

    @property
    def busy(self) -> int:
        """Deliveries that hold a place."""
        return self._busy

    def add(self, consignment: Consignment) -> None:
        """Let it wait for its turn."""
        self._line.add(consignment.sender, consignment.message, consignment)
        if len(self._line) + self._busy > self._dispatcher.clog_length:
            self._tell_clog()
        if self._free > 0:
            self._staff(1)

    def _tell_clog(self) -> None:
        now = self._dispatcher.clock.monotonic_seconds()
        if now >= self._clog_seconds:
            self._clog_seconds = now + self._dispatcher.tell_clog(self._key, self._terms.limit)

    def employ(self) -> None:
        """There is a worker to be had."""
        if self._free > 0:
            self._staff(1)

    def withdraw(self) -> None:
        """Nobody who waits is tried any more."""
        for consignment in self._line.drain():
            consignment.withdraw()

    @property
    def _free(self) -> int:
        """Places to be had.  What is under way goes on even where the window is closed, one after the other."""
        return (self.window.width or 1) - self._busy - self._called

    def _staff(self, places: int) -> None:
        """See that somebody comes for so many of the free places."""
        for _ in range(places):
            if self._returning:
                self._call(self._returning)
            elif self._resting:
                self._call(self._resting)
            elif len(self._line) and self._workers < self._most_workers():
                if not self._crew.hire(self):
                    return
                self._workers += 1
                self._dispatcher.employ(self._work())
            else:
                return  # those who are about to finish will

    def _most_workers(self) -> int:
        """With a rate delay the next one must not ride behind: it has to wait."""
        return 1 if self._delay_seconds else limit_workers(self.window.width, self.streaming)

    def _call(self, queue: deque[asyncio.Future[None]]) -> None:
        self._called += 1
        queue.popleft().set_result(None)

    async def wait_for_place(self, *, returning: bool = False) -> None:
        """See `queue.place.Places`."""
        if self._free <= 0:
            called = asyncio.get_running_loop().create_future()
            (self._returning if returning else self._resting).append(called)
            await called
            self._called -= 1
        self._busy += 1

    def lend_place(self) -> None:
        """See `queue.place.Places`."""
        self._busy -= 1
        if self._free > 0:
            self._staff(1)

    async def _work(self) -> None:
        """One worker."""
        try:
            while len(self._line):
                if self._free <= 0:
                    await self.wait_for_place()
                    self._busy -= 1  # it is ours: nobody else runs before we have looked again
                    continue
                if self._delay_seconds or self._paces:
                    await self._wait_for_departure()
                else:
                    await self._do(self._line.take())
                if self._crew.hungry:
                    break  # others queue up for a worker
        finally:
            self._workers -= 1
            self._crew.dismiss(self if len(self._line) and self._free > 0 else None)
            while self._resting:
                self._call(self._resting)  # nothing is left to do: go home
            if not self._workers and not self._busy:
                rest = self._rest_seconds()
                self._dispatcher.forget(self._key, self, rest)

    def _rest_seconds(self) -> float:
        """How long the destination has to be remembered for the sake of its pace."""
        now = self._dispatcher.clock.monotonic_seconds()
        return max([self._ready_seconds - now, 0.0, *(pace.rest_seconds(now) for pace in self._paces)])

    async def _wait_for_departure(self) -> None:
        """Hold a place until the next departure, and take it."""
        now = self._dispatcher.clock.monotonic_seconds()
        pause = max([self._ready_seconds - now, 0.0, *(pace.claim(now) for pace in self._paces)])
        if pause > 0:
            self._busy += 1
            await self._dispatcher.pause(pause)
            self._busy -= 1
        if len(self._line):
            await self._do(self._line.take())

    async def _do(self, consignment: Consignment) -> None:
        dispatcher, traffic = self._dispatcher, self._traffic
        self._busy += 1
        place = Place(self)
        traffic.begin(dispatcher.clock.monotonic_seconds())
        turn = None if self._delay_seconds else place
        request = consignment.open(turn, cache_load=traffic.load, cache_store=traffic.store)
        trouble = None
        try:
            report = await consignment.deliver(request)
        except Exception as fault:  # one message must not stop all the others, whatever it has found
            dispatcher.tell_fault(fault)
            consignment.fail(fault)
        else:
            trouble = report.destination_trouble
            self._learn(trouble)
            consignment.report(report)
        now = dispatcher.clock.monotonic_seconds()
        traffic.end(now)
        if self._delay_seconds:
            self._ready_seconds = now + self._delay_seconds
        if self.window.is_dead:
            self._suspend(trouble)
        if place.give_up():
            self._busy -= 1
        free = self._free
        if free > 1 or self._returning:
            self._staff(free - (not self._returning))  # the last one is for ourselves

    def _learn(self, trouble: DestinationTrouble | None) -> None:
        if trouble is None:
            if self.window.is_dead:
                self._dispatcher.revive(self._key)
            self.window.succeed(self._busy)
        else:
            self.window.fail()

    def _suspend(self, trouble: DestinationTrouble | None) -> None:
        """Defer everything that waits for a dead destination, and what will."""
        if trouble is not None:
            self._dispatcher.bury(self._key, trouble, self._terms.dead_seconds)
        for consignment in self._line.drain():
            self._dispatcher.suspend(consignment)
