"""The spool in one SQLite file, with large messages as files beside it: the default filling.

`<folder>/queue.db` (WAL, `synchronous=FULL`) holds the queue, `<folder>/content/` the texts above `files.SMALL_OCTETS`.  All
writing is done by one thread (`writer`, behind the `desk`), which puts everything that waits into one transaction; reading
for leases is done in the event loop's thread (`leasing`), and answering questions in threads, one at a time (`listing`).

Several processes may have the spool open at a time: `mailrider sendmail` and `mailrider queue` beside a running node, and
the workers of a node among themselves.  They see each other's changes within `lookout.POLL_SECONDS`, and a node of one process
sees what visitors bring at once (`bell`).

What can go wrong: the disk is full or broken (`NotAccepted`, `Committed.FAILED`, each with a sentence to `report`), the file is
not ours (`SpoolTrouble` on opening).  A message whose file is damaged is handed out, and reading it raises `ContentUnreadable`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Collection
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Self

from mailrider.clock import Clock
from mailrider.errors import SpoolTrouble
from mailrider.model.outcome import Outcome
from mailrider.model.request import Content
from mailrider.spool import listing, rows, sqlite_schema
from mailrider.spool.arrival import key_for, times_of
from mailrider.spool.bell import Bell
from mailrider.spool.changes import Change, Debt, Deferral, Doubt
from mailrider.spool.desk import REMOVED, Desk, give
from mailrider.spool.fellowship import Candidate, Fellowship, SharedLeaseBook
from mailrider.spool.files import Files
from mailrider.spool.gate import Gate
from mailrider.spool.gathering import Gathered, gather_content
from mailrider.spool.leases import LeaseBook
from mailrider.spool.leasing import Leasing, key_of_lease, make_lease
from mailrider.spool.lookout import Lookout
from mailrider.spool.orders import carry_out_order
from mailrider.spool.picking import Wanted
from mailrider.spool.queue_id import QueueIds, queue_id_of
from mailrider.spool.spool import (
    ALL,
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
    Order,
    Selection,
    Settlement,
    Share,
    Stats,
    Stir,
    StoredMessage,
    Submission,
)
from mailrider.spool.spread import Spread
from mailrider.spool.texts import Texts
from mailrider.spool.writer import Done, Failure, Job

DATABASE_NAME = "queue.db"
CONTENT_NAME = "content"


def _say_nothing() -> None:
    """Whoever is no visitor tells others in another way."""


class SqliteSpool:
    """The spool in a folder.  `report` hears a sentence about every failure of the storage.

    `sweeps`: remove files of messages that were never accepted, on opening; for the process that runs the node.
    `fellows`: the other processes of a node that has several.  Who has neither is a visitor: he leaves a mark that he was here.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        sweeps: bool = False,
        report: Callable[[str], None] = lambda sentence: None,
        files: Files | None = None,
        fellows: Fellowship | None = None,
        connect: Callable[[Path], sqlite3.Connection] = sqlite_schema.connect,
    ) -> None:
        self._path = folder / DATABASE_NAME
        self._files = files if files is not None else Files(folder / CONTENT_NAME)
        self._clock = clock
        self._sweeps = sweeps
        self._report = report
        self._connect_to = connect
        self._ids = QueueIds(clock.wall_seconds)
        self._fellows = fellows
        self._book = LeaseBook() if fellows is None else SharedLeaseBook(fellows)
        is_visitor = fellows is None and not sweeps
        self._bell = Bell(folder)
        self._ring: Callable[[], None] = self._bell.ring if is_visitor else _say_nothing
        gate = Gate((folder, self._files.folder))
        own = (self._connect, self._files.has_room, self._remove_file, report)
        self._desk = Desk(*own, gate=gate, leaves_marks=is_visitor)
        self._lease_lock = asyncio.Lock()

    def _connect(self) -> sqlite3.Connection:
        return self._connect_to(self._path)

    async def __aenter__(self) -> Self:
        """Open it."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(sqlite_schema.prepare, self._path)
        with ExitStack() as opened:
            try:
                self._files.open()
                self._reader = opened.enter_context(closing(self._connect()))
                self._texts = opened.enter_context(closing(Texts(self._connect())))
                self._questions = opened.enter_context(closing(listing.Questions(self._connect())))
                self._keep_names()
                if self._sweeps:
                    await self._questions.ask(self._sweep)
            except (sqlite3.Error, OSError) as cause:
                raise SpoolTrouble(f"cannot open the queue {self._path}: {cause}") from None
            self._leasing = Leasing(self._reader, self._texts, self._files.folder, self._book, self._fellows)
            self._desk.open()
            self._connections = opened.pop_all()
        self._lookout = Lookout(self._reader, self._clock, self._leasing, self._book, self._desk, self._fellows)
        if self._sweeps and self._fellows is None:
            self._bell.listen(self._lookout.rung)
        return self

    def _keep_names(self) -> None:
        """SQLite flushes the folder when it has made its log, but does not mind if that fails: everything would be lost."""
        self._reader.execute(sqlite_schema.MARKS).fetchone()  # now the log is there, until the last one closes
        self._files.synchronize_names(self._path.parent)

    def _sweep(self, connection: sqlite3.Connection) -> None:
        self._files.sweep(lambda name: listing.knows_file(connection, name))

    async def __aexit__(self, *exception: object) -> None:
        """Finish what is in line, then close."""
        self._bell.close()
        await self._desk.close()
        self._connections.close()

    # Coming in

    def new_queue_id(self) -> str:
        """A queue id that nobody else has."""
        return self._ids.new_queue_id()

    async def accept(self, submission: Submission, content: Chunks) -> Accepted | NotAccepted:
        """Keep a message."""
        key = key_for(submission, self._ids)
        gathered = await gather_content(self._files, queue_id_of(key), content)
        if isinstance(gathered, NotAccepted):
            self._report(f"a message was not accepted: {gathered.text}")
            return gathered
        change, fresh = self._arrival(submission, key, gathered)
        answer: asyncio.Future[Accepted | NotAccepted] = self._loop.create_future()

        def tell(done: Done | Failure) -> None:
            self._files.close(gathered.descriptor)
            if isinstance(done, Failure):
                if gathered.descriptor is not None and not done.in_doubt:
                    self._files.remove(queue_id_of(key))
                give(answer, NotAccepted(done.reason, done.text))
                return
            self._lookout.came_in(fresh)
            self._ring()
            give(answer, Accepted(queue_id_of(key), gathered.size_octets))

        self._desk.submit(Job(change, tell))
        return await answer

    def _arrival(self, submission: Submission, key: int, gathered: Gathered) -> tuple[Change, list[Candidate]]:
        """The rows of a new message, and which of its recipients are due."""
        arrival, due = times_of(submission, self._clock.wall_seconds())
        filed = gathered.descriptor is not None
        message = rows.encode_message(submission, key, arrival, gathered.size_octets, filed=filed)
        recipients = [
            (key, rows.RecipientRow(number, rows.encode_recipient(one), rows.domain_of(one.address), due))
            for number, one in enumerate(submission.envelope.recipients)
        ]
        contents = () if filed else ((key, gathered.octets),)
        fresh = [(due, key, row.number, row.domain) for _, row in recipients]
        return Change((message,), contents, recipients), fresh

    def _with_notice(self, notice: Notice | None) -> tuple[Change, list[Candidate]]:
        if notice is None:
            return Change(), []
        key = key_for(notice.submission, self._ids)
        return self._arrival(notice.submission, key, Gathered(notice.content, len(notice.content), None))

    # Going out

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
        async with self._lease_lock:
            now = self._clock.wall_seconds()
            self._lookout.look_back(now)
            wanted = Wanted(messages_limit, recipients_limit, passes_over, passes_over_sender, mailing_limit, share)
            try:
                return tuple(await self._leasing.lease(wanted, now))
            except sqlite3.Error as cause:
                raise SpoolTrouble(f"the queue cannot be read: {cause}") from None

    def look_again(self) -> None:
        """What was passed over need not be any more."""
        self._leasing.walk.look_again()
        self._lookout.stir()

    async def wait(self, timeout_seconds: float) -> Stir:
        """Wait until there may be something new to lease, or an operator has asked for a flush, or the time is up."""
        return await self._lookout.wait(timeout_seconds)

    def settle(self, lease: Lease, settlements: Collection[Settlement]) -> Awaitable[Committed]:
        """Record what is final."""
        return self._change(lease, self._settled(lease, settlements), [one.number for one in settlements if not one.owed])

    def _settled(self, lease: Lease, settlements: Collection[Settlement]) -> Change:
        key = key_of_lease(lease)
        gone = [(key, one.number) for one in settlements if not one.owed]
        if len(gone) == len(settlements):
            return Change(gone=gone)
        now = self._clock.wall_seconds()
        debts = [Debt(key, one.number, rows.encode_outcome(one.outcome), now) for one in settlements if one.owed]
        return Change(gone=gone, debts=debts)

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
        key = key_of_lease(lease)
        text = rows.encode_outcome(outcome)
        server, at = in_doubt if in_doubt is not None else (None, 0.0)
        now = self._clock.wall_seconds()
        deferrals = [Deferral(key, number, not_before_seconds, text, now, server, at) for number in numbers]

        def put_back(done: Done | Failure) -> None:
            if isinstance(done, Failure):
                self._book.keep_out(key, numbers, not_before_seconds)
            elif self._book.give_back(key, numbers):
                self._leasing.walk.add_later(not_before_seconds)
            self._lookout.stir()

        return self._change(lease, Change(deferrals=deferrals), (), put_back)

    def discharge(
        self, lease: Lease, settlements: Collection[Settlement], owed_numbers: Collection[int], notice: Notice | None
    ) -> Awaitable[Committed]:
        """In one transaction: settle recipients, let go those that were owed a notice, and accept the notice."""
        key = key_of_lease(lease)
        settled = self._settled(lease, settlements)
        gone = [*settled.gone, *((key, number) for number in owed_numbers)]
        leaving = [*(one.number for one in settlements if not one.owed), *owed_numbers]
        arrival, fresh = self._with_notice(notice)
        return self._change(lease, arrival._replace(gone=gone, debts=settled.debts), leaving, self._then_came_in(fresh))

    def warn(self, lease: Lease, numbers: Collection[int], notice: Notice | None) -> Awaitable[Committed]:
        """In one transaction: accept a delay notice and mark the recipients that it speaks of."""
        key = key_of_lease(lease)
        arrival, fresh = self._with_notice(notice)
        change = arrival._replace(warned=[(key, number) for number in numbers])
        return self._change(lease, change, (), self._then_came_in(fresh))

    def mark_in_doubt(self, lease: Lease, numbers: Collection[int], in_doubt: InDoubt) -> Awaitable[Committed]:
        """Record that these recipients may have got the message."""
        key = key_of_lease(lease)
        doubts = [Doubt(key, number, in_doubt.server, in_doubt.at_seconds) for number in numbers]
        return self._change(lease, Change(doubts=doubts), ())

    def release(self, lease: Lease, numbers: Collection[int] | None = None) -> None:
        """Put recipients back untouched."""
        chosen = [one.number for one in lease.message.recipients] if numbers is None else numbers
        if self._book.give_back(key_of_lease(lease), chosen):
            self._leasing.walk.begin_anew()
            self._lookout.stir()

    def _then_came_in(self, fresh: list[Candidate]) -> Callable[[Done | Failure], None]:
        return lambda done: self._lookout.came_in(fresh) if fresh and isinstance(done, Done) else None

    def _change(
        self,
        lease: Lease,
        change: Change,
        leaving: Collection[int],
        then: Callable[[Done | Failure], None] | None = None,
    ) -> Awaitable[Committed]:
        """Put a change in line; the recipients in `leaving` leave the lease when it is durable."""
        answer: asyncio.Future[Committed] = self._loop.create_future()
        self._desk.leave(Job(change, partial(self._tell, answer, key_of_lease(lease), leaving, then)))
        return answer

    def _tell(
        self,
        answer: asyncio.Future[Committed],
        key: int,
        leaving: Collection[int],
        then: Callable[[Done | Failure], None] | None,
        done: Done | Failure,
    ) -> None:
        """What has become of a change."""
        if leaving and isinstance(done, Done):
            self._book.give_back(key, leaving)
            if self._leasing.has_mailings:
                self._lookout.stir()
        if then is not None:
            then(done)
        if isinstance(done, Failure):
            give(answer, Committed.FAILED)
        else:
            give(answer, Committed.REMOVED if done is REMOVED else Committed.DONE)

    def _remove_file(self, key: int) -> None:
        self._files.remove(queue_id_of(key))

    # Operating

    async def administer(self, order: Order, selection: Selection, spread: Spread | None = None) -> int:
        """Carry out an operator's order."""
        order.check(spread)
        now = self._clock.wall_seconds()
        answer = await self._desk.run(lambda connection: carry_out_order(connection, order, selection, now, spread))
        if isinstance(answer, Failure):
            raise SpoolTrouble(f"the queue cannot be written: {answer.text}")
        for message in answer.removed:
            if message.filed:
                self._remove_file(message.key)
        self._lookout.came_in(())
        self._ring()
        return answer.messages

    async def show(self, queue_id: str) -> StoredMessage | None:
        """One message with all its recipients, or None."""
        found = await self._questions.ask(lambda connection: listing.show_message(connection, queue_id))
        return found[0] if found is not None else None

    async def content(self, queue_id: str) -> Content | None:
        """The text of one message, or None."""
        found = await self._questions.ask(lambda connection: listing.show_message(connection, queue_id))
        return make_lease(self._texts, self._files.folder, found[1], ()).content if found is not None else None

    async def list(self, selection: Selection = ALL, after: str = "", limit: int = LISTED_LIMIT) -> tuple[StoredMessage, ...]:
        """One page of messages in the order of their arrival."""
        return await self._questions.ask(lambda connection: listing.list_messages(connection, selection, after, limit))

    async def stats(self) -> Stats:
        """Counts."""
        now = self._clock.wall_seconds()
        return await self._questions.ask(lambda connection: listing.count_messages(connection, now))
