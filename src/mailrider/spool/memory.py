"""The spool in memory: for tests, and for a node whose mail may be lost when it ends.

It keeps every promise of `spool` but one: nothing outlives the process.  Changes are carried out when they are called, and what
they return is done already.

What can go wrong: `limit_octets` of text is there already; `accept` then answers as on a full disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Collection
from typing import Self

from mailrider.clock import Clock
from mailrider.model.outcome import Outcome
from mailrider.model.request import Content
from mailrider.spool.arrival import key_for, times_of
from mailrider.spool.kept import Kept, KeptContent, count_messages
from mailrider.spool.leases import LeaseBook
from mailrider.spool.queue_id import QueueIds, key_of, queue_id_of
from mailrider.spool.rows import domain_of
from mailrider.spool.spool import (
    ALL,
    HELD_SECONDS,
    LEASED_MESSAGES_LIMIT,
    LEASED_RECIPIENTS_LIMIT,
    LISTED_LIMIT,
    Accepted,
    Chunks,
    Committed,
    InDoubt,
    Lease,
    NotAccepted,
    Notice,
    OpenRecipient,
    Order,
    PastFailure,
    Selection,
    Settlement,
    Share,
    Stats,
    Stir,
    StoredMessage,
    Submission,
    Unaccepted,
)
from mailrider.spool.spread import Spread
from mailrider.spool.turns import Turn, Turns

LIMIT_OCTETS = 1024 * 1024 * 1024
"""How much text is kept unless told otherwise."""


class MemorySpool:
    """The spool of one process, in memory."""

    def __init__(self, clock: Clock, *, limit_octets: int = LIMIT_OCTETS) -> None:
        self._clock = clock
        self._limit_octets = limit_octets
        self._octets = 0
        self._ids = QueueIds(clock.wall_seconds)
        self._kept: dict[int, Kept] = {}
        self._turns = Turns()
        self._book = LeaseBook()
        self._share: Share | None = None
        self._mailings: set[int] = set()  # messages with more recipients than may be leased
        self._mailing_limit = 0
        self._stirred = asyncio.Event()
        self._flushed = False

    async def __aenter__(self) -> Self:
        """Nothing to open.  What was leased by the one who closed it last is handed out again."""
        self._book = LeaseBook()
        self._turns = Turns(
            Turn(one.not_before_seconds, key, one.number)
            for key, kept in self._kept.items()
            for one in kept.recipients.values()
        )
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Nothing to close."""

    def new_queue_id(self) -> str:
        """A queue id that nobody else has."""
        return self._ids.new_queue_id()

    async def accept(self, submission: Submission, content: Chunks) -> Accepted | NotAccepted:
        """Keep a message."""
        key = key_for(submission, self._ids)
        octets = content if isinstance(content, bytes) else await _join(content)
        if self._octets + len(octets) > self._limit_octets:
            return NotAccepted(Unaccepted.FULL, f"more than {self._limit_octets} octets are waiting")
        if key in self._kept:
            return NotAccepted(Unaccepted.FAILED, f"{submission.queue_id} is there already")
        self._keep(submission, key, octets)
        return Accepted(queue_id_of(key), len(octets))

    def _keep(self, submission: Submission, key: int, octets: bytes) -> None:
        arrival, due = times_of(submission, self._clock.wall_seconds())
        kept = self._kept[key] = Kept(submission, octets, arrival, due)
        self._octets += len(octets)
        for number in kept.recipients:
            self._wait_for(key, number, due)

    def _wait_for(self, key: int, number: int, due_seconds: float) -> None:
        self._turns.add(key, number, due_seconds)
        self._stirred.set()

    async def lease(
        self,
        messages_limit: int = LEASED_MESSAGES_LIMIT,
        recipients_limit: int = LEASED_RECIPIENTS_LIMIT,
        *,
        passes_over: Callable[[str], bool | None] | None = None,
        passes_over_sender: Callable[[str, str], bool] | None = None,
        mailing_limit: int = 0,
        share: Share | None = None,
    ) -> tuple[Lease, ...]:
        """Messages whose turn has come and that are not leased."""
        now = self._clock.wall_seconds()
        self._mailing_limit = mailing_limit
        if share is not self._share:
            self._share = share
            self._turns.look_again()
        self._turns.look_in_time(now)
        found: dict[int, list[OpenRecipient]] = {}
        count = 0
        while count < recipients_limit and (turn := self._turns.take(now)) is not None:
            if turn.key not in found and len(found) >= messages_limit:
                self._turns.put_back(turn)
                break
            one = self._whose(turn)
            if one is None:
                continue
            if share is not None and not self._is_ours(share, turn.key, one):
                self._turns.leave(turn)
            elif passes_over is not None and self._is_passed_over(passes_over, passes_over_sender, turn.key, one):
                self._turns.pass_over(turn, now)
            elif mailing_limit and self._book.count(turn.key) >= mailing_limit:
                self._turns.leave(turn)
                self._mailings.add(turn.key)
            elif self._book.take(turn.key, turn.number):
                found.setdefault(turn.key, []).append(one)
                count += 1
        return tuple([self._lease(key, recipients) for key, recipients in found.items()])

    def _is_passed_over(
        self,
        passes_over: Callable[[str], bool | None],
        passes_over_sender: Callable[[str, str], bool] | None,
        key: int,
        one: OpenRecipient,
    ) -> bool:
        domain = domain_of(one.recipient.address)
        passed = passes_over(domain)
        if passed is None:
            assert passes_over_sender is not None
            return passes_over_sender(domain, self._kept[key].submission.envelope.sender)
        return passed

    def look_again(self) -> None:
        """What was passed over need not be any more."""
        self._turns.look_again()
        self._stirred.set()

    def _give_back(self, key: int, numbers: Collection[int]) -> bool:
        was_out = self._book.give_back(key, numbers)
        if key in self._mailings and self._book.count(key) <= self._mailing_limit // 2:
            self._mailings.discard(key)
            self.look_again()
        return was_out

    def _is_ours(self, share: Share, key: int, one: OpenRecipient) -> bool:
        known = share.has_domain(domain_of(one.recipient.address))
        if known is not None:
            return known
        return share.has_recipient(self._kept[key].submission.envelope.sender, one.recipient.address)

    def _whose(self, turn: Turn) -> OpenRecipient | None:
        """The recipient that a turn is for, unless it is gone or has got another turn."""
        kept = self._kept.get(turn.key)
        one = kept.recipients.get(turn.number) if kept is not None else None
        return one if one is not None and one.not_before_seconds == turn.due_seconds else None

    def _lease(self, key: int, recipients: list[OpenRecipient]) -> Lease:
        kept = self._kept[key]
        ordered = tuple(sorted(recipients, key=lambda one: one.number))
        return Lease(kept.show(queue_id_of(key), ordered), KeptContent(self._kept, key, len(kept.octets)))

    async def wait(self, timeout_seconds: float) -> Stir:
        """Wait until there may be something new to lease, or an operator has asked for a flush, or the time is up."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_seconds
        while True:
            self._stirred.clear()
            now = self._clock.wall_seconds()
            next_seconds = self._turns.next_seconds()
            stir = Stir.MAIL if next_seconds <= now else Stir.NOTHING
            if self._flushed:
                self._flushed = False
                stir |= Stir.FLUSH
            left = end - loop.time()
            if stir or left <= 0:
                return stir
            try:
                async with asyncio.timeout(min(left, next_seconds - now)):
                    await self._stirred.wait()
            except TimeoutError:
                pass

    # Changes

    def settle(self, lease: Lease, settlements: Collection[Settlement]) -> Awaitable[Committed]:
        """Record what is final."""
        return self.discharge(lease, settlements, (), None)

    def discharge(
        self, lease: Lease, settlements: Collection[Settlement], owed_numbers: Collection[int], notice: Notice | None
    ) -> Awaitable[Committed]:
        """Settle recipients, let go those that were owed a notice, and accept the notice."""
        if notice is not None and not self._take_notice(notice):
            return _done(Committed.FAILED)
        now = self._clock.wall_seconds()
        key = _key(lease)
        kept = self._kept.get(key)
        gone = [*(one.number for one in settlements if not one.owed), *owed_numbers]
        self._give_back(key, gone)
        if kept is None:
            return _done(Committed.DONE)
        for settlement in settlements:
            before = kept.recipients.get(settlement.number)
            if settlement.owed and before is not None:
                fate = PastFailure(settlement.outcome, now)
                due = min(before.not_before_seconds, now)
                kept.recipients[settlement.number] = before._replace(latest=fate, owed=True, not_before_seconds=due)
        for number in gone:
            kept.recipients.pop(number, None)
        if kept.recipients:
            return _done(Committed.DONE)
        self._forget(key)
        return _done(Committed.REMOVED)

    def _take_notice(self, notice: Notice) -> bool:
        key = key_for(notice.submission, self._ids)
        if self._octets + len(notice.content) > self._limit_octets or key in self._kept:
            return False
        self._keep(notice.submission, key, notice.content)
        return True

    def _forget(self, key: int) -> None:
        self._octets -= len(self._kept.pop(key).octets)

    def _replace(self, key: int, number: int, change: Callable[[OpenRecipient], OpenRecipient]) -> None:
        kept = self._kept.get(key)
        if kept is not None and number in kept.recipients:
            kept.recipients[number] = change(kept.recipients[number])

    def defer(
        self,
        lease: Lease,
        numbers: Collection[int],
        outcome: Outcome,
        not_before_seconds: float,
        *,
        in_doubt: InDoubt | None = None,
    ) -> Awaitable[Committed]:
        """Put recipients back until their time comes."""
        key = _key(lease)
        kept = self._kept.get(key)
        due = HELD_SECONDS if kept is not None and kept.on_hold else not_before_seconds
        failure = PastFailure(outcome, self._clock.wall_seconds())
        for number in numbers:
            self._replace(
                key,
                number,
                lambda one: one._replace(
                    attempts=one.attempts + 1,
                    latest=failure,
                    not_before_seconds=due,
                    in_doubt=in_doubt or one.in_doubt,
                ),
            )
        self._give_back(key, numbers)
        for number in numbers:
            self._wait_for(key, number, due)
        return _done(Committed.DONE)

    def warn(self, lease: Lease, numbers: Collection[int], notice: Notice | None) -> Awaitable[Committed]:
        """Accept a delay notice and mark the recipients that it speaks of."""
        if notice is not None and not self._take_notice(notice):
            return _done(Committed.FAILED)
        for number in numbers:
            self._replace(_key(lease), number, lambda one: one._replace(warned=True))
        return _done(Committed.DONE)

    def mark_in_doubt(self, lease: Lease, numbers: Collection[int], in_doubt: InDoubt) -> Awaitable[Committed]:
        """Record that these recipients may have got the message."""
        for number in numbers:
            self._replace(_key(lease), number, lambda one: one._replace(in_doubt=in_doubt))
        return _done(Committed.DONE)

    def release(self, lease: Lease, numbers: Collection[int] | None = None) -> None:
        """Put recipients back untouched."""
        key = _key(lease)
        kept = self._kept.get(key)
        for one in lease.message.recipients:
            if numbers is not None and one.number not in numbers:
                continue
            if self._give_back(key, (one.number,)) and kept is not None and one.number in kept.recipients:
                self._wait_for(key, one.number, kept.recipients[one.number].not_before_seconds)

    # Operating

    async def administer(self, order: Order, selection: Selection, spread: Spread | None = None) -> int:
        """Carry out an operator's order."""
        order.check(spread)
        now = self._clock.wall_seconds()
        keys = [key for key in self._kept if self._is_chosen(key, selection) and self._kept[key].is_concerned(order)]
        if spread is not None:
            if order is Order.FLUSH:
                keys = [key for key in keys if self._kept[key].waits(now)]
            keys.sort(key=lambda key: (self._kept[key].arrival_seconds, key))
        for place, key in enumerate(keys):
            if order is Order.DELETE:
                self._forget(key)
            else:
                if spread is None:
                    self._kept[key].obey(order, now)
                else:
                    self._kept[key].take_turn(spread.turn_seconds(place), now)
                for one in self._kept[key].recipients.values():
                    self._wait_for(key, one.number, one.not_before_seconds)
        self._flushed |= order is Order.FLUSH
        self._stirred.set()
        return len(keys)

    def _is_chosen(self, key: int, selection: Selection) -> bool:
        return self._kept[key].is_chosen(selection, queue_id_of(key))

    async def show(self, queue_id: str) -> StoredMessage | None:
        """One message with all its recipients, or None."""
        kept = self._kept.get(key_of(queue_id) or -1)
        return kept.show(queue_id, tuple(kept.recipients.values())) if kept is not None else None

    async def content(self, queue_id: str) -> Content | None:
        """The text of one message, or None."""
        key = key_of(queue_id)
        if key is None or key not in self._kept:
            return None
        return KeptContent(self._kept, key, len(self._kept[key].octets))

    async def list(self, selection: Selection = ALL, after: str = "", limit: int = LISTED_LIMIT) -> tuple[StoredMessage, ...]:
        """One page of messages in the order of their arrival."""
        first = key_of(after) if after else -1
        if first is None:
            return ()
        keys = sorted(key for key in self._kept if key > first and self._is_chosen(key, selection))[:limit]
        return tuple([self._kept[key].show(queue_id_of(key), tuple(self._kept[key].recipients.values())) for key in keys])

    async def stats(self) -> Stats:
        """Counts."""
        return count_messages(self._kept.values(), self._clock.wall_seconds())


async def _join(content: Chunks) -> bytes:
    if isinstance(content, AsyncIterable):
        return b"".join([chunk async for chunk in content])
    return content if isinstance(content, bytes) else b"".join(content)


def _key(lease: Lease) -> int:
    return key_of(lease.message.queue_id) or 0


def _done(committed: Committed) -> Awaitable[Committed]:
    future: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
    future.set_result(committed)
    return future
