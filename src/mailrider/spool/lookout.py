"""The lookout: knows when there may be mail to lease, whoever has brought it, and waits for that.

What comes in here is heard at once (`came_in`), and so is what a fellow announces.  Visitors, who have no fellows, leave a mark
in the database, and so does an operator who flushes; the marks are looked at every `POLL_SECONDS`.  A process that is alone
asks as often whether anybody at all has written to the file, and at once when the `bell` rings.  Turns come by themselves:
those in the index, and those that could not be written down (`leases`).

What can go wrong: the marks cannot be read.  Nobody has come then; the next `lease` tells of the trouble.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import suppress

from mailrider.clock import Clock
from mailrider.spool.desk import Desk
from mailrider.spool.fellowship import Candidate, Fellowship
from mailrider.spool.leases import LeaseBook
from mailrider.spool.leasing import Leasing
from mailrider.spool.spool import Stir
from mailrider.spool.sqlite_schema import MARKS

POLL_SECONDS = 0.25
"""How often a process that waits looks for what others have written."""

RUNG_SECONDS = 0.02
"""How often it does so while the bell rings: a look takes a turn in the writer's line."""


class Lookout:
    """Looks after a `leasing` and its `book`.  `reader` is a connection of the event loop's thread.

    `stir` ends the waiting, for whoever has given it a reason to end.
    """

    def __init__(
        self,
        reader: sqlite3.Connection,
        clock: Clock,
        leasing: Leasing,
        book: LeaseBook,
        desk: Desk,
        fellows: Fellowship | None,
    ) -> None:
        self._reader = reader
        self._clock = clock
        self._leasing = leasing
        self._walk = leasing.walk
        self._book = book
        self._desk = desk
        self._fellows = fellows
        self._stirred = asyncio.Event()
        self.stir = self._stirred.set
        self._flushes = 0  # how many there had been when it was looked last
        self._visits = 0  # likewise
        self._visited = False
        self._version = 0  # of the file, likewise
        self._looked_seconds = float("-inf")
        self._rung = False
        self._asked_to_flush()
        if fellows is not None:
            fellows.attend(self.hear)

    # What is heard

    def came_in(self, candidates: Sequence[Candidate]) -> None:
        """Mail has come in here, or (none at all) anything may have changed; fellows hear of it."""
        if self._fellows is not None:
            self._fellows.announce(candidates)
        self.hear(candidates)

    def hear(self, candidates: Sequence[Candidate]) -> None:
        """The same, here or at a fellow's.  All of one message, and so due at the same time."""
        if not candidates:
            self._walk.begin_anew()
            self.stir()
            return
        if self._fellows is not None:
            candidates = [candidate for candidate in candidates if not self._leasing.is_foreign(candidate[3])]
            if not candidates:
                return
        due = candidates[0][0]
        if due <= self._clock.wall_seconds():
            self._leasing.add_fresh(candidates)
        else:
            self._walk.add_later(due)
        self.stir()

    def rung(self) -> None:
        """A visitor has written."""
        self._rung = True
        self.stir()

    # What is seen

    def look_back(self, now_seconds: float) -> None:
        """Before a lease: what lies behind the walk is to be found, too."""
        if self._book.let_in(now_seconds):
            self._walk.begin_anew()
        if self._have_others_written(now_seconds):
            self._visited = self._desk.writer.disturbed = False
            self._walk.begin_for_others(now_seconds)

    async def wait(self, timeout_seconds: float) -> Stir:
        """See `spool.Spool`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_seconds
        while True:
            self._stirred.clear()
            if timeout_seconds > 0:  # who has no time to wait has mail, and finds that of others by himself
                await self._look_for_writers(loop.time())
            stir = self._look()
            left = end - loop.time()
            if stir or left <= 0:
                return stir
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(left, self._seconds_to_next_look()))):
                    await self._stirred.wait()

    def _seconds_to_next_look(self) -> float:
        times = (self._walk.next_look_seconds(), self._book.next_in_seconds())
        now = self._clock.wall_seconds()
        return min([RUNG_SECONDS if self._rung else POLL_SECONDS, *(time - now for time in times if time is not None)])

    def _look(self) -> Stir:
        """What there is, without waiting."""
        stir = Stir.NOTHING
        if self._asked_to_flush():
            stir |= Stir.FLUSH
        now = self._clock.wall_seconds()
        next_in = self._book.next_in_seconds()
        found = self._leasing.is_due(now) or (next_in is not None and next_in <= now)
        if found or self._have_others_written(now):
            stir |= Stir.MAIL
        return stir

    def _have_others_written(self, now_seconds: float) -> bool:
        """Whether everything is to be looked at because of others.

        A process with fellows is told what they write, and asks for the marks of visitors only.
        """
        if self._fellows is None:
            return self._desk.writer.disturbed and self._walk.may_begin_for_others(now_seconds)
        return self._walk.is_stale(now_seconds) or (self._visited and self._walk.may_begin_for_others(now_seconds))

    async def _look_for_writers(self, loop_seconds: float) -> None:
        """Has anybody written, and was it somebody else?  The writer knows; a busy one finds out by itself."""
        pause = RUNG_SECONDS if self._rung else POLL_SECONDS
        if self._fellows is not None or loop_seconds < self._looked_seconds + pause:
            return
        self._rung = False
        try:
            (version,) = self._reader.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            return
        if version != self._version:
            self._version, self._looked_seconds = version, loop_seconds
            await self._desk.run(lambda connection: None)

    def _asked_to_flush(self) -> bool:
        """Whether there was a flush since the last look; visitors are noticed with it."""
        try:
            flushes, visits = self._reader.execute(MARKS).fetchone()
        except sqlite3.Error:
            return False
        before, self._flushes = self._flushes, flushes
        if visits != self._visits:
            self._visits, self._visited = visits, True
        return bool(flushes != before)
