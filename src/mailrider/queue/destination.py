"""The mail for one destination, worked off under its concurrency window while more comes in.

This is `queue.burst` for a queue that never ends.  Workers take one delivery after the other, so that no task is made for a
message; where nothing waits they go home, and where nobody is left the destination is forgotten with all that was learned
about it, as the queue manager does.  Each delivery holds a place in the window, or lends it (`queue.place`).

Deliveries at a set pace (`*_destination_rate_delay`, `*_transport_rate_delay`, rates) are taken when their departure comes.
With a rate delay they go one at a time, and the pause counts from the end of one to the beginning of the next (qmgr(8)).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mailrider.clock import Clock
from mailrider.delivery.traffic import Traffic
from mailrider.model.outcome import DeliveryReport
from mailrider.model.request import DeliveryRequest
from mailrider.queue.line import Line
from mailrider.queue.pace import Pace
from mailrider.queue.place import Place, Places, limit_workers
from mailrider.queue.suspension import Graves, Key, Waiting
from mailrider.queue.window import WindowTerms


class Consignment(Waiting, Protocol):
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
        self.hungry: OrderedDict[Destination, None] = OrderedDict()

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


class Depot(Protocol):
    """What a destination needs of whoever has them all (`queue.dispatcher`)."""

    @property
    def clock(self) -> Clock:
        """Tells the time."""

    @property
    def clog_length(self) -> int:
        """With more deliveries in memory than this a destination tells that it fills the queue."""

    def employ(self, work: Coroutine[Any, Any, None]) -> None:
        """Let a worker begin."""

    async def pause(self, seconds: float) -> None:
        """Wait, but not once the node stops."""

    def suspend(self, consignment: Consignment) -> None:
        """Report what becomes of mail whose destination is dead."""

    def forget(self, key: Key, destination: Destination, rest_seconds: float) -> None:
        """Nothing is left to do for a destination, which has to be remembered for so long."""

    def tell_clog(self, key: Key, limit: int) -> float:
        """Warn of a destination that fills the queue; after how many seconds that may be done again."""

    def tell_fault(self, fault: Exception) -> None:
        """A fault of ours."""


class Destination(Places):
    """One destination, its line and its workers."""

    __slots__ = (
        "_clog_seconds", "_crew", "_delay_seconds", "_depot", "_line", "_paces", "_ready_seconds", "_traffic", "_workers",
    )  # fmt: skip

    def __init__(
        self, depot: Depot, key: Key, terms: DestinationTerms, paces: Sequence[Pace], crew: Crew, graves: Graves
    ) -> None:
        super().__init__(key, terms.window, graves)
        self._crew = crew
        self._depot = depot
        self._delay_seconds = terms.rate_delay_seconds
        self._paces = tuple(paces)
        self._line: Line[Consignment] = Line()
        self._workers = 0
        self._ready_seconds = 0.0
        self._clog_seconds = 0.0  # when it may be told again that this destination fills the queue
        self._traffic = Traffic()

    @property
    def waiting(self) -> int:
        """Deliveries that have not begun."""
        return len(self._line)

    def add(self, consignment: Consignment) -> None:
        """Let it wait for its turn."""
        self._line.add(consignment.sender, consignment.message, consignment)
        if len(self._line) + self.busy > self._depot.clog_length:
            self._tell_clog()
        if self.free > 0:
            self.staff(1)

    def _tell_clog(self) -> None:
        now = self._depot.clock.monotonic_seconds()
        if now >= self._clog_seconds:
            self._clog_seconds = now + self._depot.tell_clog(self._key, self._terms.limit)

    def employ(self) -> None:
        """There is a worker to be had."""
        if self.free > 0:
            self.staff(1)

    def withdraw(self) -> None:
        """Nobody who waits is tried any more."""
        for consignment in self._line.drain():
            consignment.withdraw()

    def _hire(self) -> bool:
        if not len(self._line) or self._workers >= self._most_workers() or not self._crew.hire(self):
            return False
        self._workers += 1
        self._depot.employ(self._work())
        return True

    def _most_workers(self) -> int:
        """With a rate delay the next one must not ride behind: it has to wait."""
        return 1 if self._delay_seconds else limit_workers(self.window.width, self.streaming)

    async def _work(self) -> None:
        """One worker."""
        try:
            while len(self._line):
                if self.free <= 0:
                    await self.wait()
                    continue
                if self._delay_seconds or self._paces:
                    await self._wait_for_departure()
                else:
                    await self._do(self._line.take())
                if self._crew.hungry:
                    break  # others queue up for a worker
        finally:
            self._workers -= 1
            self._crew.dismiss(self if len(self._line) and self.free > 0 else None)
            self._send_home()
            if not self._workers and not self.busy:
                self._depot.forget(self._key, self, self._rest_seconds())

    def _rest_seconds(self) -> float:
        """How long the destination has to be remembered for the sake of its pace."""
        now = self._depot.clock.monotonic_seconds()
        return max([self._ready_seconds - now, 0.0, *(pace.rest_seconds(now) for pace in self._paces)])

    async def _wait_for_departure(self) -> None:
        """Hold a place until the next departure, and take it."""
        now = self._depot.clock.monotonic_seconds()
        pause = max([self._ready_seconds - now, 0.0, *(pace.claim(now) for pace in self._paces)])
        if pause > 0:
            self.busy += 1
            await self._depot.pause(pause)
            self.busy -= 1
        if len(self._line):
            await self._do(self._line.take())

    async def _do(self, consignment: Consignment) -> None:
        depot, traffic = self._depot, self._traffic
        place = Place(self)
        traffic.begin(depot.clock.monotonic_seconds())
        turn = None if self._delay_seconds else place
        request = consignment.open(turn, cache_load=traffic.load, cache_store=traffic.store)
        try:
            report = await consignment.deliver(request)
        except Exception as fault:  # one message must not stop all the others, whatever it has found
            depot.tell_fault(fault)
            consignment.fail(fault)
        else:
            self.learn(report.destination_trouble)
            consignment.report(report)
        now = depot.clock.monotonic_seconds()
        traffic.end(now)
        if self._delay_seconds:
            self._ready_seconds = now + self._delay_seconds
        if self.window.is_dead:
            self._suspend()
        place.give_up()

    def _suspend(self) -> None:
        """Defer everything that waits for a dead destination."""
        for consignment in self._line.drain():
            self._depot.suspend(consignment)
