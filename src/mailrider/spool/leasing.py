"""How a spool in SQLite hands out mail: which recipients are next, and their messages.

Recipients come from two sources in turn, so that neither new mail nor old mail has to wait for all of the other: what this
process has accepted (`fresh`, known without a question), and a walk through the index of due times (`index_walk`).  The
rest of a mailing of which only so many recipients may be out at a time comes first, and takes no more than half of the room.

Reading is done in the thread of the event loop: a row costs two microseconds, and handing each over from another thread
would cost more.  `SLICE` bounds how long the loop is held up.

What can go wrong: SQLite cannot read; `sqlite3.Error` passes through, and what was picked is given back.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import deque
from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path

from mailrider.model.request import Content
from mailrider.spool.fellowship import Candidate, Fellowship
from mailrider.spool.files import FileContent
from mailrider.spool.index_walk import IndexWalk
from mailrider.spool.leases import LeaseBook, Spot
from mailrider.spool.picking import Picked, Wanted
from mailrider.spool.queue_id import queue_id_of
from mailrider.spool.rows import MessageRow, RecipientRow, decode_message, decode_open_recipient, decode_recipient, sender_of
from mailrider.spool.spool import Lease, OpenRecipient, Share
from mailrider.spool.sqlite_schema import MESSAGE_COLUMNS, RECIPIENT_COLUMNS
from mailrider.spool.texts import Texts

SLICE = 100
"""Messages that are read before other tasks get their turn: about a millisecond."""

FRESH_LIMIT = 20_000
"""Recipients accepted here that are remembered; beyond that the walk finds them."""

_dump = json.JSONEncoder(separators=(",", ":")).encode

_MESSAGES = f"SELECT {MESSAGE_COLUMNS} FROM message WHERE key IN (SELECT value FROM json_each(?))"
_RECIPIENTS = f"""SELECT {RECIPIENT_COLUMNS} FROM recipient WHERE (message, number) IN
    (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?)) ORDER BY message, number"""
_SENDER = "SELECT sender FROM message WHERE key = ?"
_MAILING = """SELECT due, message, number, domain FROM recipient
    WHERE message = ? AND number > ? AND due <= ? ORDER BY number LIMIT ?"""
_WHOSE = """SELECT r.message, r.number, r.address, m.envelope FROM recipient AS r JOIN message AS m ON m.key = r.message
    WHERE (r.message, r.number) IN (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"""


class Leasing:
    """Hands out what is due.  `reader` is a connection of the event loop's thread; `texts` and `folder` hold the contents.

    `fellows`: other processes that do the same.  `walk` is for those who know that something lies behind it.
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
        self._mailings: dict[int, int] = {}  # messages with more recipients than may be leased: after which number they are
        self._mailing_limit = 0
        self.walk = IndexWalk(reader, self._consider)

    def add_fresh(self, candidates: Sequence[Candidate]) -> None:
        """Mail that has just come in, here or at a fellow's, and is due."""
        if len(self._fresh) + len(candidates) > FRESH_LIMIT:
            self._fresh.clear()
            self.walk.begin_anew()
        else:
            self._fresh.extend(candidates)

    @property
    def has_mailings(self) -> bool:
        """Whether recipients wait for others of the same message to come back."""
        return bool(self._mailings)

    def is_foreign(self, domain: str) -> bool:
        """Whether all mail for a domain is another process's."""
        return self._share is not None and self._share.has_domain(domain) is False

    def is_due(self, now_seconds: float) -> bool:
        """Whether `lease` might find something."""
        if self._fresh or (self._mailings and any(map(self._may_follow, self._mailings))):
            return True
        return self.walk.is_due(now_seconds)

    async def lease(self, wanted: Wanted, now_seconds: float) -> list[Lease]:
        """What is due, within bounds.  Raises `sqlite3.Error`."""
        self.walk.set_out(now_seconds)
        if wanted.share is not self._share:
            self._share = wanted.share
            self.walk.begin_anew()
        self._mailing_limit = wanted.mailing_limit
        picked = Picked(wanted)
        leases: list[Lease] = []
        try:
            await self._pick(picked, now_seconds)
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
            self.walk.begin_anew()
            raise
        return leases

    async def _pick(self, picked: Picked, now_seconds: float) -> None:
        """Choose, and take into the book; what belongs to others is left."""
        picked.messages_limit = (picked.wanted.messages_limit + 1) // 2
        if self._mailings:
            self._pick_mailings(picked, now_seconds)
        self._pick_fresh(picked, now_seconds)
        picked.messages_limit = picked.wanted.messages_limit
        await self.walk.go_on(picked, now_seconds)
        self._pick_fresh(picked, now_seconds)
        if picked.unsure:
            self._leave_foreign(picked)
        if self._fellows is not None and picked.spots:
            await self._claim(self._fellows, picked, now_seconds)

    def _pick_fresh(self, picked: Picked, now_seconds: float) -> None:
        while self._fresh and picked.has_room(self._fresh[0][1]):
            _, key, number, domain = self._fresh.popleft()
            self._consider(picked, key, number, domain, now_seconds)

    def _consider(self, picked: Picked, key: int, number: int, domain: str, now_seconds: float) -> None:
        share, passes_over = self._share, picked.wanted.passes_over
        is_ours = share.has_domain(domain) if share is not None else True
        if is_ours is False:
            return
        if self._book.has(key, number):
            return
        if passes_over is not None and self._is_passed_over(picked, key, domain):
            self.walk.pass_over(now_seconds)
        elif self._mailing_limit and self._book.count(key) >= self._mailing_limit:
            self._mailings[key] = min(self._mailings.get(key, number), number - 1)
        elif self._book.take(key, number):
            picked.add(key, number)
            if is_ours is None:
                picked.unsure.append((key, number))

    def _is_passed_over(self, picked: Picked, key: int, domain: str) -> bool:
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

    def _pick_mailings(self, picked: Picked, now_seconds: float) -> None:
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

    def _leave_foreign(self, picked: Picked) -> None:
        """Leave what is not ours by sender and address."""
        assert self._share is not None
        own = set()
        for key, number, address, envelope in self._reader.execute(_WHOSE, (_dump(picked.unsure),)):
            if self._share.has_recipient(sender_of(envelope), decode_recipient(address, number).address):
                own.add((key, number))
        foreign = [spot for spot in picked.unsure if spot not in own]
        self._forgo(picked, foreign)

    async def _claim(self, fellows: Fellowship, picked: Picked, now_seconds: float) -> None:
        """Leave what a fellow works on; it is looked at again, since our share has it."""
        denied = await fellows.claim([(key, number) for key, numbers in picked.spots.items() for number in numbers])
        if denied:
            self._forgo(picked, denied)
            self.walk.pass_over(now_seconds)

    def _forgo(self, picked: Picked, spots: Collection[Spot]) -> None:
        picked.remove(frozenset(spots))
        for key, number in spots:
            self._book.forgo(key, (number,))

    def _load(self, spots: dict[int, list[int]], now_seconds: float) -> list[Lease]:
        """The messages with these recipients.  What is gone or not due any more is given back."""
        pairs = [(key, number) for key, numbers in spots.items() for number in numbers]
        found: dict[int, list[OpenRecipient]] = {}
        for key, *row in self._reader.execute(_RECIPIENTS, (_dump(pairs),)):
            recipient = RecipientRow(*row)
            if recipient.due_seconds <= now_seconds:
                found.setdefault(key, []).append(decode_open_recipient(recipient))
        rows = {row[0]: row for row in self._reader.execute(_MESSAGES, (_dump(list(spots)),))}
        small = [row for row in rows.values() if not row[-1]]
        self._texts.look_ahead([row[0] for row in small], sum(row[5] for row in small))
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
