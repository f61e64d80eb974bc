"""The spool in one SQLite file, with large messages as files beside it: the default filling.

`<folder>/queue.db` (WAL, `synchronous=FULL`) holds the queue, `<folder>/content/` the texts above `files.SMALL_OCTETS`.  All
writing is done by one thread (`writer`), which puts everything that waits into one transaction; reading for leases is done
in the event loop's thread (`leasing`), and answering questions in a thread of its own (`listing`).

Several processes may have the spool open at a time: `mailrider sendmail` and `mailrider queue` beside a running node, and
the workers of a node among themselves.  They see each other's changes within `POLL_SECONDS`.

What can go wrong: the disk is full or broken (`NotAccepted`, `Committed.FAILED`, each with a sentence to `report`), the file is
not ours (`SpoolTrouble` on opening).  A message whose file is damaged is handed out, and reading it raises `ContentUnreadable`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from mailrider.clock import Clock
from mailrider.errors import SpoolTrouble
from mailrider.model.outcome import Outcome
from mailrider.model.request import Content
from mailrider.spool import listing, rows, sqlite_schema
from mailrider.spool.arrival import key_for, times_of
from mailrider.spool.changes import Change, Debt, Deferral, Doubt
from mailrider.spool.fellowship import Candidate, Fellowship, SharedLeaseBook
from mailrider.spool.files import Files
from mailrider.spool.gate import Gate
from mailrider.spool.gathering import Gathered, gather_content
from mailrider.spool.leases import LeaseBook
from mailrider.spool.leasing import Leasing, Wanted, key_of_lease, make_lease
from mailrider.spool.orders import carry_out_order
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
from mailrider.spool.texts import Texts
from mailrider.spool.writer import Answers, Done, Errand, Failure, Job, Writer

DATABASE_NAME = "queue.db"
CONTENT_NAME = "content"

POLL_SECONDS = 0.25
"""How often a process that waits looks for what others have written."""

_DONE = Done()
_REMOVED = Done(frozenset((0,)))
"""What the change that has removed a message is told."""

T = TypeVar("T")


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
        own = (self._connect, self._files.has_room, self._remove_file, self._finished)
        self._writer = Writer(*own, gate=Gate((folder, self._files.folder)), leaves_marks=is_visitor)
        self._lease_lock = asyncio.Lock()
        self._stirred = asyncio.Event()
        self._flushes = 0  # how many there had been when it was looked last
        self._visits = 0  # likewise
        self._visited = False
        self._version = 0  # of the file, likewise
        self._looked_seconds = float("-inf")

    def _connect(self) -> sqlite3.Connection:
        return self._connect_to(self._path)

    async def __aenter__(self) -> Self:
        """Open it."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(sqlite_schema.prepare, self._path)
        try:
            self._files.open()
            self._reader = self._connect()
            self._texts = Texts(self._connect())
            self._questions = listing.Questions(self._connect())
            self._asked_to_flush()
        except (sqlite3.Error, OSError) as cause:
            raise SpoolTrouble(f"cannot open the queue {self._path}: {cause}") from None
        self._leasing = Leasing(self._reader, self._texts, self._files.folder, self._book, self._fellows)
        self._writer.start()
        if self._fellows is not None:
            self._fellows.attend(self._hear)
        if self._sweeps:
            await self._questions.ask(lambda connection: self._files.sweep(lambda name: listing.knows_file(connection, name)))
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Finish what is in line, then close."""
        await asyncio.to_thread(self._writer.stop)
        await asyncio.sleep(0)  # the last answers are told
        self._questions.close()
        self._texts.close()
        self._reader.close()

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
                if gathered.descriptor is not None:
                    self._files.remove(queue_id_of(key))
                _give(answer, NotAccepted(done.reason, done.text))
                return
            self._came_in(fresh)
            _give(answer, Accepted(queue_id_of(key), gathered.size_octets))

        self._writer.submit(Job(change, tell))
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

    def _came_in(self, candidates: Sequence[Candidate]) -> None:
        if self._fellows is not None:
            self._fellows.announce(candidates)
        self._hear(candidates)

    def _hear(self, candidates: Sequence[Candidate]) -> None:
        """Mail has come in here, or at a fellow's."""
        if not candidates:
            self._leasing.begin_anew()
            self._stirred.set()
            return
        if self._fellows is not None:
            candidates = [candidate for candidate in candidates if not self._leasing.is_foreign(candidate[3])]
            if not candidates:
                return
        due = candidates[0][0]
        if due <= self._clock.wall_seconds():
            self._leasing.add_fresh(candidates)
        else:
            self._leasing.add_later(due)
        self._stirred.set()

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
            if self._book.let_in(now):
                self._leasing.begin_anew()
            if self._must_begin_anew(now):
                self._visited = self._writer.disturbed = False
                self._leasing.begin_for_others(now)
            wanted = Wanted(messages_limit, recipients_limit, passes_over, passes_over_sender, mailing_limit, share)
            try:
                return tuple(await self._leasing.lease(wanted, now))
            except sqlite3.Error as cause:
                raise SpoolTrouble(f"the queue cannot be read: {cause}") from None

    def look_again(self) -> None:
        """What was passed over need not be any more."""
        self._leasing.look_again()
        self._stirred.set()

    async def wait(self, timeout_seconds: float) -> Stir:
        """Wait until there may be something new to lease, or an operator has asked for a flush, or the time is up."""
        end = self._loop.time() + timeout_seconds
        while True:
            self._stirred.clear()
            if timeout_seconds > 0:  # who has no time to wait has mail, and finds that of others by himself
                await self._look_for_others()
            stir = self._look()
            left = end - self._loop.time()
            if stir or left <= 0:
                return stir
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(left, self._seconds_to_next_look()))):
                    await self._stirred.wait()

    def _seconds_to_next_look(self) -> float:
        times = (self._leasing.next_look_seconds(), self._book.next_in_seconds())
        now = self._clock.wall_seconds()
        return min([POLL_SECONDS, *(time - now for time in times if time is not None)])

    def _look(self) -> Stir:
        """What there is, without waiting."""
        stir = Stir.NOTHING
        if self._asked_to_flush():
            stir |= Stir.FLUSH
        now = self._clock.wall_seconds()
        next_in = self._book.next_in_seconds()
        found = self._leasing.is_due(now) or (next_in is not None and next_in <= now)
        if found or self._must_begin_anew(now):
            stir |= Stir.MAIL
        return stir

    def _must_begin_anew(self, now_seconds: float) -> bool:
        """Whether others have written, so that everything is to be looked at.

        A process with fellows is told what they write, and asks for the marks of visitors only.
        """
        if self._fellows is None:
            return self._writer.disturbed and self._leasing.may_begin_for_others(now_seconds)
        return self._leasing.is_stale(now_seconds) or (self._visited and self._leasing.may_begin_for_others(now_seconds))

    async def _look_for_others(self) -> None:
        """Has anybody written, and was it somebody else?  The writer knows; a busy one finds out by itself."""
        if self._fellows is not None:
            return
        try:
            (version,) = self._reader.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            return
        if version != self._version and self._loop.time() >= self._looked_seconds + POLL_SECONDS:
            self._version, self._looked_seconds = version, self._loop.time()
            await self._run(lambda connection: None)

    def _asked_to_flush(self) -> bool:
        """Whether there was a flush since the last look; visitors are noticed with it."""
        try:
            flushes, visits = self._reader.execute(sqlite_schema.MARKS).fetchone()
        except sqlite3.Error:
            return False
        before, self._flushes = self._flushes, flushes
        if visits != self._visits:
            self._visits, self._visited = visits, True
        return bool(flushes != before)

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
                self._leasing.add_later(not_before_seconds)
            self._stirred.set()

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
            self._leasing.begin_anew()
            self._stirred.set()

    def _then_came_in(self, fresh: list[Candidate]) -> Callable[[Done | Failure], None]:
        return lambda done: self._came_in(fresh) if fresh and isinstance(done, Done) else None

    def _change(
        self,
        lease: Lease,
        change: Change,
        leaving: Collection[int],
        then: Callable[[Done | Failure], None] | None = None,
    ) -> Awaitable[Committed]:
        """Put a change in line; the recipients in `leaving` leave the lease when it is durable."""
        answer: asyncio.Future[Committed] = self._loop.create_future()
        key = key_of_lease(lease)

        def tell(done: Done | Failure) -> None:
            if leaving and isinstance(done, Done):
                self._book.give_back(key, leaving)
                if self._leasing.has_mailings:
                    self._stirred.set()
            if then is not None:
                then(done)
            if isinstance(done, Failure):
                _give(answer, Committed.FAILED)
            else:
                _give(answer, Committed.REMOVED if done is _REMOVED else Committed.DONE)

        self._writer.submit(Job(change, tell))
        return answer

    # Answers of the writer

    def _remove_file(self, key: int) -> None:
        self._files.remove(queue_id_of(key))

    def _finished(self, answers: Answers) -> None:
        """In the writer's thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._tell, answers)

    def _tell(self, answers: Answers) -> None:
        claimed: set[int] = set()
        told: list[tuple[Job, Any]] = []
        for job, answer in reversed(answers):  # of the changes to a message, the last one has removed it
            if isinstance(answer, Done) and answer.removed:
                key = job.work.gone[0][0] if isinstance(job.work, Change) and job.work.gone else None
                is_last = key in answer.removed and key not in claimed
                if is_last and key is not None:
                    claimed.add(key)
                answer = _REMOVED if is_last else _DONE
            told.append((job, answer))
        for job, answer in reversed(told):
            if isinstance(answer, Failure):
                self._report(f"the queue cannot be written: {answer.text}")
            job.tell(answer)

    async def _run(self, action: Callable[[sqlite3.Connection], T]) -> T | Failure:
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._writer.submit(Job(Errand(action), lambda done: _give(answer, done)))
        result: T | Failure = await answer
        return result

    # Operating

    async def administer(self, order: Order, selection: Selection) -> int:
        """Carry out an operator's order."""
        now = self._clock.wall_seconds()
        answer = await self._run(lambda connection: carry_out_order(connection, order, selection, now))
        if isinstance(answer, Failure):
            raise SpoolTrouble(f"the queue cannot be written: {answer.text}")
        for message in answer.removed:
            if message.filed:
                self._remove_file(message.key)
        if self._fellows is not None:
            self._fellows.announce(())
        self._hear(())
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


def _give(answer: asyncio.Future[T], value: T) -> None:
    if not answer.done():  # whoever asked may have been cancelled
        answer.set_result(value)
