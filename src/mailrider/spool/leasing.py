"""How a spool in SQLite hands out mail: which rows are next, and their messages.

Rows come from two sources in turn, so that neither new mail nor old mail has to wait for all of the other: what this process
has accepted (`fresh`, known without a question), and a walk through the index of due times.  The walk goes on from where it
was, because what is leased keeps its place in the index; it begins anew when something may lie behind it: recipients that
were put back, orders of an operator, another process that writes, a clock that went back.

What was passed over is looked for by a second walk, from the beginning up to where the first one is, so that the first one
gets on.  Whether a sender is passed over costs a question for each message; so both walks stop when they have passed over
`PASSED_LIMIT` for that reason: the first one goes on after a rest, the second one when there is a reason again.  While the
first one is on its way through a backlog in that manner, the newest mail is looked at beside it.

Reading is done in the thread of the event loop: a row costs two microseconds, and handing each over from another thread
would cost more.  `SLICE` bounds how long the loop is held up.

What can go wrong: SQLite cannot read; `sqlite3.Error` passes through, and what was picked is given back.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import deque
from collections.abc import Callable, Collection, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from mailrider.model.request import Content
from mailrider.spool.fellowship import Candidate, Fellowship, Spot
from mailrider.spool.files import FileContent
from mailrider.spool.leases import LeaseBook
from mailrider.spool.queue_id import queue_id_of
from mailrider.spool.rows import MessageRow, RecipientRow, decode_message, decode_open_recipient, decode_recipient, sender_of
from mailrider.spool.spool import PASSED_OVER_SECONDS, Lease, OpenRecipient, Share
from mailrider.spool.texts import Texts

SLICE = 100
"""Messages that are read before other tasks get their turn: about a millisecond."""

WALK_ROWS = 1000
"""Rows of the index that are looked at before other tasks get their turn."""

FRESH_LIMIT = 20_000
"""Recipients accepted here that are remembered; beyond that the walk finds them."""

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

_dump = json.JSONEncoder(separators=(",", ":")).encode

Place = tuple[float, int, int]
"""A place in the index: due time, key, number."""

BEGINNING: Place = (-1.0, 0, -1)

_WALK = """SELECT due, message, number, domain FROM recipient
    WHERE due <= ? AND (due, message, number) > (?, ?, ?) ORDER BY due, message, number LIMIT ?"""
_NEWEST = """SELECT due, message, number, domain FROM recipient WHERE due <= ?
    ORDER BY due DESC, message DESC, number DESC LIMIT ?"""
_NEXT = "SELECT due FROM recipient WHERE due > ? ORDER BY due LIMIT 1"
_MESSAGES = """SELECT key, envelope, sender, arrival, expires, size, total, held, filed FROM message
    WHERE key IN (SELECT value FROM json_each(?))"""
_RECIPIENTS = """SELECT message, number, address, domain, due, owed, attempts, latest, latest_at, doubt, doubt_at, warned
    FROM recipient WHERE (message, number) IN
    (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?)) ORDER BY message, number"""
_SENDER = "SELECT sender FROM message WHERE key = ?"
_MAILING = """SELECT due, message, number, domain FROM recipient
    WHERE message = ? AND number > ? AND due <= ? ORDER BY number LIMIT ?"""
_WHOSE = """SELECT r.message, r.number, r.address, m.envelope FROM recipient AS r JOIN message AS m ON m.key = r.message
    WHERE (r.message, r.number) IN (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"""


class Wanted(NamedTuple):
    """What a lease is asked for."""

    messages_limit: int
    recipients_limit: int
    passes_over: Callable[[str], bool | None] | None = None
    passes_over_sender: Callable[[str, str], bool] | None = None
    mailing_limit: int = 0
    share: Share | None = None


class _Picked:
    """What has been chosen so far; `unsure` are those of whom it is not known yet whether they are ours.

    `senders` remembers who has sent a message, as far as somebody wanted to know; `passed` counts those who were passed over.
    """

    __slots__ = ("count", "passed", "senders", "spots", "unsure", "wanted")

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.spots: dict[int, list[int]] = {}
        self.unsure: list[Spot] = []
        self.senders: dict[int, str] = {}
        self.passed = 0
        self.count = 0

    def has_room(self, key: int) -> bool:
        """Whether a recipient of this message may be added."""
        if self.count >= self.wanted.recipients_limit:
            return False
        return key in self.spots or len(self.spots) < self.wanted.messages_limit

    def add(self, key: int, number: int) -> None:
        """Choose a recipient."""
        self.spots.setdefault(key, []).append(number)
        self.count += 1

    def remove(self, spots: Collection[Spot]) -> None:
        """Do without these."""
        for key in {key for key, _ in spots}:
            kept = [number for number in self.spots[key] if (key, number) not in spots]
            if kept:
                self.spots[key] = kept
            else:
                del self.spots[key]


class Leasing:
    """Hands out what is due.  `reader` is a connection of the event loop's thread; `texts` and `folder` hold the contents.

    `fellows`: other processes that do the same.
    """

    def __init__(
        self, reader: sqlite3.Connection, texts: Texts, folder: Path, book: LeaseBook, fellows: Fellowship | None = None
    ) -> None:
        self._fellows = fellows
        self._share: Share | None = None
        self._reader = reader
        self._texts = texts
        self._folder = folder
        self._book = book
        self._fresh: deque[Candidate] = deque()
        self._place = BEGINNING
        self._mailings: dict[int, int] = {}  # messages with more recipients than may be leased: after which number they are
        self._mailing_limit = 0
        self._anew_seconds = 0.0  # when it is looked for what was passed over; 0: nothing was
        self._again: Place | None = None  # where the second walk is
        self._rest_seconds = 0.0  # until when the first walk rests; 0: it does not
        self._looks_at_newest = False
        self._begun_seconds = 0.0
        self.has_more = True
        self.next_due_seconds: float | None = None

    def add_fresh(self, candidates: Sequence[Candidate]) -> None:
        """Mail that has just come in, here or at a fellow's, and is due."""
        if len(self._fresh) + len(candidates) > FRESH_LIMIT:
            self._fresh.clear()
            self.begin_anew()
        else:
            self._fresh.extend(candidates)
        self.has_more = True

    def add_later(self, due_seconds: float) -> None:
        """Mail whose turn comes at a time."""
        if self.next_due_seconds is None or due_seconds < self.next_due_seconds:
            self.next_due_seconds = due_seconds
        if due_seconds <= self._place[0]:
            self.begin_anew()

    def begin_anew(self) -> None:
        """Something may lie behind the walk."""
        self._place = BEGINNING
        self._again = None
        self._rest_seconds = 0.0
        self.has_more = True

    def begin_for_others(self, now_seconds: float) -> None:
        """Others have written: what they did is due now, and lies at the end where it is new."""
        if self._rest_seconds:
            self._looks_at_newest = True
            self._begun_seconds = now_seconds
        else:
            self.begin_anew()

    @property
    def has_mailings(self) -> bool:
        """Whether recipients wait for others of the same message to come back."""
        return bool(self._mailings)

    def look_again(self) -> None:
        """What was passed over need not be any more."""
        if self._anew_seconds:
            self._anew_seconds = 0.0
            self._again = BEGINNING

    def may_begin_for_others(self, now_seconds: float) -> bool:
        """Whether it is long enough since the walk was begun for others to be looked after."""
        return not 0.0 <= now_seconds - self._begun_seconds < DISTURBED_SECONDS

    def is_foreign(self, domain: str) -> bool:
        """Whether all mail for a domain is another process's."""
        return self._share is not None and self._share.has_domain(domain) is False

    def is_stale(self, now_seconds: float) -> bool:
        """Whether it is long since everything was looked at."""
        return not 0.0 <= now_seconds - self._begun_seconds < STALE_SECONDS

    def is_due(self, now_seconds: float) -> bool:
        """Whether `lease` might find something."""
        if self._mailings and any(map(self._may_follow, self._mailings)):
            return True
        if self.has_more or self._again is not None or self._looks_at_newest:
            return True
        if any(time and time <= now_seconds for time in (self._anew_seconds, self._rest_seconds)):
            return True
        return self.next_due_seconds is not None and self.next_due_seconds <= now_seconds

    def next_look_seconds(self) -> float | None:
        """When `is_due` will next become true by itself."""
        times = (self.next_due_seconds, self._anew_seconds or None, self._rest_seconds or None)
        return min([time for time in times if time is not None], default=None)

    async def lease(self, wanted: Wanted, now_seconds: float) -> list[Lease]:
        """What is due, within bounds.  Raises `sqlite3.Error`."""
        if self._place[0] > now_seconds:
            self.begin_anew()
        if self._anew_seconds and now_seconds >= self._anew_seconds:
            self.look_again()
        if wanted.share is not self._share:
            self._share = wanted.share
            self.begin_anew()
        self._mailing_limit = wanted.mailing_limit
        picked = _Picked(wanted)
        leases: list[Lease] = []
        try:
            half = _Picked(wanted._replace(messages_limit=(wanted.messages_limit + 1) // 2))
            half.spots, half.unsure = picked.spots, picked.unsure
            if self._mailings:
                self._pick_mailings(half, now_seconds)
            self._pick_fresh(half, now_seconds)
            picked.count = half.count
            await self._walk_again(picked, now_seconds)
            await self._walk(picked, now_seconds)
            self._pick_fresh(picked, now_seconds)
            if picked.unsure:
                self._leave_foreign(picked)
            if self._fellows is not None and picked.spots:
                await self._claim(self._fellows, picked, now_seconds)
            spots = iter(list(picked.spots.items()))
            while some := dict(islice(spots, SLICE)):
                leases += self._load(some, now_seconds)
                for key in some:
                    del picked.spots[key]
                await asyncio.sleep(0)
        except BaseException:  # cancelled, or the storage failed: nobody has got these
            for key, numbers in picked.spots.items():
                self._book.give_back(key, numbers)
            for lease in leases:
                self._book.give_back(key_of_lease(lease), [one.number for one in lease.message.recipients])
            self.begin_anew()
            raise
        return leases

    def _pick_fresh(self, picked: _Picked, now_seconds: float) -> None:
        while self._fresh and picked.has_room(self._fresh[0][1]):
            _, key, number, domain = self._fresh.popleft()
            self._consider(picked, key, number, domain, now_seconds)
        if self._fresh:
            self.has_more = True

    def _consider(self, picked: _Picked, key: int, number: int, domain: str, now_seconds: float) -> None:
        share, passes_over = self._share, picked.wanted.passes_over
        is_ours = share.has_domain(domain) if share is not None else True
        if is_ours is False:
            return
        if self._book.has(key, number):
            return
        if passes_over is not None and self._is_passed_over(picked, key, domain):
            self._anew_seconds = self._anew_seconds or now_seconds + PASSED_OVER_SECONDS
        elif self._mailing_limit and self._book.count(key) >= self._mailing_limit:
            self._mailings[key] = min(self._mailings.get(key, number), number - 1)
        elif self._book.take(key, number):
            picked.add(key, number)
            if is_ours is None:
                picked.unsure.append((key, number))

    def _is_passed_over(self, picked: _Picked, key: int, domain: str) -> bool:
        assert picked.wanted.passes_over is not None
        passed = picked.wanted.passes_over(domain)
        if passed is not None:
            return passed
        sender = picked.senders.get(key)
        if sender is None:
            row = self._reader.execute(_SENDER, (key,)).fetchone()
            sender = picked.senders[key] = row[0] if row is not None else ""
        assert picked.wanted.passes_over_sender is not None
        passed = picked.wanted.passes_over_sender(domain, sender)
        picked.passed += passed
        return passed

    def _may_follow(self, key: int) -> bool:
        """Whether so many recipients of a mailing are back that others may be handed out."""
        return self._book.count(key) <= self._mailing_limit // 2

    def _pick_mailings(self, picked: _Picked, now_seconds: float) -> None:
        """Go on with mailings; half of the room is left to others."""
        limit = (picked.wanted.recipients_limit + 1) // 2
        for key in [key for key in self._mailings if self._may_follow(key)]:
            after = self._mailings.pop(key)
            rows: list[Candidate] = self._reader.execute(_MAILING, (key, after, now_seconds, self._mailing_limit)).fetchall()
            for _, key, number, domain in rows:
                if picked.count >= limit or not picked.has_room(key):
                    self._mailings[key] = min(self._mailings.get(key, number), number - 1)
                    break
                self._consider(picked, key, number, domain, now_seconds)
            else:
                if len(rows) == self._mailing_limit:
                    self._mailings.setdefault(key, rows[-1][2])

    def _leave_foreign(self, picked: _Picked) -> None:
        """Leave what is not ours by sender and address."""
        assert self._share is not None
        own = set()
        for key, number, address, envelope in self._reader.execute(_WHOSE, (_dump(picked.unsure),)):
            if self._share.has_recipient(sender_of(envelope), decode_recipient(address, number).address):
                own.add((key, number))
        foreign = [spot for spot in picked.unsure if spot not in own]
        self._forgo(picked, foreign)

    async def _claim(self, fellows: Fellowship, picked: _Picked, now_seconds: float) -> None:
        """Leave what a fellow works on; it is looked at again, since our share has it."""
        denied = await fellows.claim([(key, number) for key, numbers in picked.spots.items() for number in numbers])
        if denied:
            self._forgo(picked, denied)
            self._anew_seconds = self._anew_seconds or now_seconds + PASSED_OVER_SECONDS

    def _forgo(self, picked: _Picked, spots: Collection[Spot]) -> None:
        picked.remove(frozenset(spots))
        for key, number in spots:
            self._book.forgo(key, (number,))

    async def _walk_again(self, picked: _Picked, now_seconds: float) -> None:
        """Look for what was passed over, from the beginning up to where the first walk is."""
        if self._looks_at_newest:
            self._looks_at_newest = False
            for _, key, number, domain in reversed(self._reader.execute(_NEWEST, (now_seconds, NEWEST_ROWS)).fetchall()):
                if picked.has_room(key):
                    self._consider(picked, key, number, domain, now_seconds)
        picked.passed = 0
        while self._again is not None:
            rows: list[Candidate] = self._reader.execute(_WALK, (now_seconds, *self._again, WALK_ROWS)).fetchall()
            for due, key, number, domain in rows:
                if not picked.has_room(key):
                    return
                if (due, key, number) > self._place or picked.passed >= PASSED_LIMIT:
                    self._again = None
                    return
                self._again = (due, key, number)
                self._consider(picked, key, number, domain, now_seconds)
            if len(rows) < WALK_ROWS:
                self._again = None
            await asyncio.sleep(0)

    async def _walk(self, picked: _Picked, now_seconds: float) -> None:
        """Go on through the index until there is enough or nothing more is due."""
        self.has_more = False
        if self._rest_seconds > now_seconds:
            return
        if self._place is BEGINNING:
            self._begun_seconds = now_seconds
        self._rest_seconds = 0.0
        picked.passed = 0
        while True:
            rows: list[Candidate] = self._reader.execute(_WALK, (now_seconds, *self._place, WALK_ROWS)).fetchall()
            for due, key, number, domain in rows:
                if not picked.has_room(key):
                    self.has_more = True
                    return
                if picked.passed >= PASSED_LIMIT:
                    self._rest_seconds = now_seconds + REST_SECONDS
                    self._looks_at_newest |= self._begun_seconds == now_seconds
                    return
                self._place = (due, key, number)
                self._consider(picked, key, number, domain, now_seconds)
            if len(rows) < WALK_ROWS:
                break
            await asyncio.sleep(0)
        next_row = self._reader.execute(_NEXT, (now_seconds,)).fetchone()
        self.next_due_seconds = next_row[0] if next_row else None

    def _load(self, spots: dict[int, list[int]], now_seconds: float) -> list[Lease]:
        """The messages with these recipients.  What is gone or not due any more is given back."""
        pairs = [(key, number) for key, numbers in spots.items() for number in numbers]
        found: dict[int, list[OpenRecipient]] = {}
        for key, *row in self._reader.execute(_RECIPIENTS, (_dump(pairs),)):
            recipient = RecipientRow(*row)
            if recipient.due_seconds <= now_seconds:
                found.setdefault(key, []).append(decode_open_recipient(recipient))
        rows = {row[0]: row for row in self._reader.execute(_MESSAGES, (_dump(list(spots)),))}
        self._texts.look_ahead([row[0] for row in rows.values() if not row[-1]], sum(row[5] for row in rows.values()))
        leases = []
        for key, numbers in spots.items():
            recipients = tuple(found.get(key, ()))
            row = rows.get(key)
            if len(recipients) < len(numbers) or row is None:
                kept = {recipient.number for recipient in recipients} if row is not None else set()
                self._book.give_back(key, [number for number in numbers if number not in kept])
            if recipients and row is not None:
                leases.append(make_lease(self._texts, self._folder, MessageRow(*row), recipients))
        return leases


def make_lease(texts: Texts, folder: Path, row: MessageRow, recipients: tuple[OpenRecipient, ...]) -> Lease:
    """A message and its content."""
    queue_id = queue_id_of(row.key)
    content: Content
    if row.filed:
        content = FileContent(folder / queue_id, row.size_octets, row.key)
    else:
        content = texts.content(row.key, row.size_octets)
    return Lease(decode_message(row, queue_id, recipients), content)


def key_of_lease(lease: Lease) -> int:
    """The key of the message that a lease of this room is for."""
    key: int = getattr(lease.content, "key")  # noqa: B009 (both contents of this room have it)
    return key
