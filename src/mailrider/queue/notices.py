"""A destination with a rate that is not for notices: mail of the null sender passes those who wait for a departure.

A rate protects from sending too much; a bounce, a delay notice or a report is an answer to somebody, is seldom, and must not
wait behind a mailing.  The window holds for all.  So that a window of one place lets a notice pass, whoever waits for a
departure holds no place; only one worker at a time waits, and he has the next place when his time has come.  Where he gets it
late, the departure after it is put off, too: two are never closer than the rate says.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailrider.queue.destination import Consignment, Crew, Depot, Destination, DestinationTerms
from mailrider.queue.line import Line
from mailrider.queue.pace import Pace
from mailrider.queue.suspension import Graves, Key


class NoticePassingDestination(Destination):
    """A destination with paces and without a rate delay."""

    __slots__ = ("_awaits_departure", "_notices")

    def __init__(
        self, depot: Depot, key: Key, terms: DestinationTerms, paces: Sequence[Pace], crew: Crew, graves: Graves
    ) -> None:
        super().__init__(depot, key, terms, paces, crew, graves)
        self._notices: Line[Consignment] = Line()
        self._awaits_departure = False  # whether a worker does

    @property
    def waiting(self) -> int:
        """Deliveries that have not begun."""
        return len(self._line) + len(self._notices)

    def add(self, consignment: Consignment) -> None:
        """Let it wait for its turn."""
        if consignment.sender:
            super().add(consignment)
            return
        self._notices.add("", consignment.message, consignment)
        if self.waiting + self.busy > self._depot.clog_length:
            self._tell_clog()
        if self.free > 0:
            self.staff(1)

    def withdraw(self) -> None:
        """Nobody who waits is tried any more."""
        for consignment in self._notices.drain():
            consignment.withdraw()
        super().withdraw()

    def _suspend(self) -> None:
        for consignment in self._notices.drain():
            self._depot.suspend(consignment)
        super()._suspend()

    def _has_work(self) -> bool:
        """Whether there is something to do for another worker."""
        return len(self._notices) > 0 or (len(self._line) > 0 and not self._awaits_departure)

    def _hire(self) -> bool:
        at_work = self._workers - self._awaits_departure
        if not self._has_work() or at_work >= self._most_workers() or not self._crew.hire(self):
            return False
        self._workers += 1
        self._depot.employ(self._work())
        return True

    async def _work(self) -> None:
        """One worker."""
        try:
            while self._has_work():
                if self.free <= 0:
                    await self.wait()
                    continue
                if len(self._notices):
                    await self._do(self._notices.take())
                else:
                    await self._wait_for_departure()
                if self._crew.hungry:
                    break  # others queue up for a worker
        finally:
            self._workers -= 1
            self._crew.dismiss(self if self._has_work() and self.free > 0 else None)
            self._send_home()
            if not self._workers and not self.busy:
                self._depot.forget(self._key, self, self._rest_seconds())

    async def _wait_for_departure(self) -> None:
        """Wait for the next departure, then for a place, and take both."""
        now = self._depot.clock.monotonic_seconds()
        pause = max([0.0, *(pace.claim(now) for pace in self._paces)])
        if pause > 0:
            self._awaits_departure = True
            await self._depot.pause(pause)
            if self.free <= 0:
                await self.wait(returning=True)
                now = self._depot.clock.monotonic_seconds()
                for pace in self._paces:
                    pace.depart(now)
            self._awaits_departure = False
        if not len(self._line):
            self.staff(1)  # all that waited is gone: the place is for somebody else
            return
        consignment = self._line.take()
        if self.free > 1 and self._has_work():
            self.staff(1)  # to wait for the departure after this one
        await self._do(consignment)
