"""The walk through the index of due times, on which a spool in SQLite finds what is to be handed out.

The walk goes on from where it was, because what is leased keeps its place in the index; it begins anew when something may lie
behind it: recipients that were put back, orders of an operator, another process that writes, a clock that went back.

What was passed over is looked for by a second walk, from the beginning up to where the first one is, so that the first one
gets on.  Whether a sender is passed over costs a question for each message; so both walks stop when they have passed over
`PASSED_LIMIT` for that reason: the first one goes on after a rest, the second one when there is a reason again.  While the
first one is on its way through a backlog in that manner, the newest mail is looked at beside it.

What can go wrong: SQLite cannot read; `sqlite3.Error` passes through.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable

from mailrider.spool.fellowship import Candidate
from mailrider.spool.picking import Picked
from mailrider.spool.spool import PASSED_OVER_SECONDS

ROWS_AT_ONCE = 1000
"""Rows of the index that are looked at before other tasks get their turn."""

DISTURBED_SECONDS = 0.5
"""How often the walk begins anew because others write: it costs a look at all that is leased."""

STALE_SECONDS = 60.0
"""How often the walk of a process that has fellows begins anew in any case: for what one has taken for another's."""

PASSED_LIMIT = 1000
"""Messages that are passed over for their senders at a time: some milliseconds of questions."""

REST_SECONDS = 0.1
"""Between two such times: a small part of the processor."""

NEWEST_ROWS = 200
"""How many of the newest recipients are looked at while the walk is far behind them."""

Place = tuple[float, int, int]
"""A place in the index: due time, key, number."""

BEGINNING: Place = (-1.0, 0, -1)

Consider = Callable[[Picked, int, int, str, float], None]
"""Takes a recipient that the walk has come to (key, number, domain) and adds it to what is picked, or not."""

_ON = """SELECT due, message, number, domain FROM recipient
    WHERE due <= ? AND (due, message, number) > (?, ?, ?) ORDER BY due, message, number LIMIT ?"""
_NEWEST = """SELECT due, message, number, domain FROM recipient WHERE due <= ?
    ORDER BY due DESC, message DESC, number DESC LIMIT ?"""
_NEXT = "SELECT due FROM recipient WHERE due > ? ORDER BY due LIMIT 1"


class IndexWalk:
    """Both walks.  `reader` is a connection of the event loop's thread."""

    __slots__ = (
        "_begun_seconds", "_consider", "_has_more", "_looks_at_newest", "_next_due_seconds", "_place", "_reader",
        "_rest_seconds", "_second", "_second_seconds",
    )  # fmt: skip

    def __init__(self, reader: sqlite3.Connection, consider: Consider) -> None:
        self._reader = reader
        self._consider = consider
        self._place = BEGINNING
        self._second: Place | None = None  # where the second walk is
        self._second_seconds = 0.0  # when it begins; 0: nothing was passed over
        self._rest_seconds = 0.0  # until when the first walk rests; 0: it does not
        self._looks_at_newest = False
        self._begun_seconds = 0.0
        self._has_more = True
        self._next_due_seconds: float | None = None

    # What may lie behind it

    def begin_anew(self) -> None:
        """Something may lie behind the walk."""
        self._place = BEGINNING
        self._second = None
        self._rest_seconds = 0.0
        self._has_more = True

    def begin_for_others(self, now_seconds: float) -> None:
        """Others have written: what they did is due now, and lies at the end where it is new."""
        if self._rest_seconds:
            self._looks_at_newest = True
            self._begun_seconds = now_seconds
        else:
            self.begin_anew()

    def add_later(self, due_seconds: float) -> None:
        """Mail whose turn comes at a time."""
        if self._next_due_seconds is None or due_seconds < self._next_due_seconds:
            self._next_due_seconds = due_seconds
        if due_seconds <= self._place[0]:
            self.begin_anew()

    def pass_over(self, now_seconds: float) -> None:
        """Somebody was left where he is, and is to be looked at again after a while."""
        self._second_seconds = self._second_seconds or now_seconds + PASSED_OVER_SECONDS

    def look_again(self) -> None:
        """What was passed over need not be any more."""
        if self._second_seconds:
            self._second_seconds = 0.0
            self._second = BEGINNING

    # When it is worth while

    def is_due(self, now_seconds: float) -> bool:
        """Whether it might find something."""
        if self._has_more or self._second is not None or self._looks_at_newest:
            return True
        if any(time and time <= now_seconds for time in (self._second_seconds, self._rest_seconds)):
            return True
        return self._next_due_seconds is not None and self._next_due_seconds <= now_seconds

    def next_look_seconds(self) -> float | None:
        """When `is_due` will next become true by itself."""
        times = (self._next_due_seconds, self._second_seconds or None, self._rest_seconds or None)
        return min([time for time in times if time is not None], default=None)

    def may_begin_for_others(self, now_seconds: float) -> bool:
        """Whether it is long enough since the walk was begun for others to be looked after."""
        return not 0.0 <= now_seconds - self._begun_seconds < DISTURBED_SECONDS

    def is_stale(self, now_seconds: float) -> bool:
        """Whether it is long since everything was looked at."""
        return not 0.0 <= now_seconds - self._begun_seconds < STALE_SECONDS

    # Walking

    def set_out(self, now_seconds: float) -> None:
        """Before anything is picked: has the clock gone back, or is it time for the second walk?"""
        if self._place[0] > now_seconds:
            self.begin_anew()
        if self._second_seconds and now_seconds >= self._second_seconds:
            self.look_again()

    async def go_on(self, picked: Picked, now_seconds: float) -> None:
        """Pick until there is enough or nothing more is due.  Raises `sqlite3.Error`."""
        if self._looks_at_newest:
            self._look_at_newest(picked, now_seconds)
        if self._second is not None:
            await self._go_second(picked, now_seconds)
        self._has_more = False
        if self._rest_seconds <= now_seconds:
            await self._go_first(picked, now_seconds)

    def _look_at_newest(self, picked: Picked, now_seconds: float) -> None:
        self._looks_at_newest = False
        rows: list[Candidate] = self._reader.execute(_NEWEST, (now_seconds, NEWEST_ROWS)).fetchall()
        for _, key, number, domain in rows[::-1]:
            if picked.has_room(key):
                self._consider(picked, key, number, domain, now_seconds)

    async def _go_second(self, picked: Picked, now_seconds: float) -> None:
        """Look for what was passed over, from the beginning up to where the first walk is."""
        picked.passed = 0
        while self._second is not None:
            rows: list[Candidate] = self._reader.execute(_ON, (now_seconds, *self._second, ROWS_AT_ONCE)).fetchall()
            for due, key, number, domain in rows:
                if not picked.has_room(key):
                    return
                if (due, key, number) > self._place or picked.passed >= PASSED_LIMIT:
                    self._second = None
                    return
                self._second = (due, key, number)
                self._consider(picked, key, number, domain, now_seconds)
            if len(rows) < ROWS_AT_ONCE:
                self._second = None
            await asyncio.sleep(0)

    async def _go_first(self, picked: Picked, now_seconds: float) -> None:
        if self._place == BEGINNING:
            self._begun_seconds = now_seconds
        self._rest_seconds = 0.0
        picked.passed = 0
        at_once = min(ROWS_AT_ONCE, 2 * picked.wanted.messages_limit + 1)
        while True:
            rows: list[Candidate] = self._reader.execute(_ON, (now_seconds, *self._place, at_once)).fetchall()
            for due, key, number, domain in rows:
                if not picked.has_room(key):
                    self._has_more = True
                    return
                if picked.passed >= PASSED_LIMIT:
                    self._rest_seconds = now_seconds + REST_SECONDS
                    self._looks_at_newest |= self._begun_seconds == now_seconds
                    return
                self._place = (due, key, number)
                self._consider(picked, key, number, domain, now_seconds)
            if len(rows) < at_once:
                break
            await asyncio.sleep(0)
        next_row = self._reader.execute(_NEXT, (now_seconds,)).fetchone()
        self._next_due_seconds = next_row[0] if next_row else None
