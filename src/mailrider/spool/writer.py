"""The one thread that writes to a spool in SQLite: group commit.

Whatever is in line when the thread comes to it goes into one transaction and shares one flush; while that flush is under way,
the next group gathers.  So the busier the node, the larger the groups, and a lone message waits for one flush and
nothing else.

What nobody waits for (`leave`: what became of a recipient) lets the thread linger on a busy node, `LINGER_SECONDS` at most, so
that more of the same shares the flush: a group of five costs as much as one of fifty.  Who waits (`submit`) ends that at once.

When a group fails, nothing of it has happened.  Its changes are then tried one by one, each in a transaction of its own, so
that one message too many on a full disk takes nobody with it: a settled recipient needs less room than a new message.  That
writes them to the log once more, so what the first flush has lost does not count as flushed.  What still fails is answered
with a `Failure`.  After an error of input or output the connection is opened anew, because
SQLite's idea of the file may be wrong.

An `Errand` stands in the same line and is carried out in a transaction of its own.

What can go wrong: another process holds the write lock for longer than `sqlite_schema.BUSY_SECONDS`; the group fails.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, NamedTuple

from mailrider.errors import SpoolTrouble
from mailrider.spool.changes import Change, carry_out
from mailrider.spool.gate import Gate
from mailrider.spool.spool import Unaccepted
from mailrider.spool.sqlite_schema import LEAVE_MARK

GROUP_LIMIT = 1000
"""Changes in one transaction: enough to make the flush cheap, and few enough for the first of them not to wait long."""

LINGER_SECONDS = 0.005
"""How long a group may gather: so much more is delivered twice when the node is killed, some twenty messages of a busy one."""

BUSY_GROUP = 4
"""Changes in the last group from which on the next one is let gather: they come faster than one a millisecond."""


class Failure(NamedTuple):
    """A change that was not carried out.

    `in_doubt`: its COMMIT was tried.  SQLite may have written all of it to its log and not been able to flush that; nobody sees
    it there, but when all processes have been killed, the next one takes it for committed.
    """

    reason: Unaccepted
    text: str
    in_doubt: bool = False


class Done(NamedTuple):
    """A change that is durable, and the keys of the messages that have come to their end by it or by those beside it."""

    removed: frozenset[int] = frozenset()


class Errand(NamedTuple):
    """Something to be done in a transaction of its own; the answer is what it returns."""

    action: Callable[[sqlite3.Connection], Any]


class Job(NamedTuple):
    """A change or an errand, and who wants to know what became of it."""

    work: Change | Errand
    tell: Callable[[Any], None]


def _is_new_mail(job: Job) -> bool:
    """A message that comes in; a notice that takes the place of what it speaks of is none."""
    return isinstance(job.work, Change) and bool(job.work.messages) and not job.work.gone


Answers = list[tuple[Job, Any]]

_NOTHING_REMOVED = Done()


def explain_failure(cause: Exception) -> Failure:
    """Whether the storage is full or broken."""
    full = getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
    return Failure(Unaccepted.FULL if full else Unaccepted.FAILED, str(cause))


def _after(first: Failure, second: Done | Failure) -> Done | Failure:
    """What became of a change that was tried twice."""
    return second._replace(in_doubt=first.in_doubt or second.in_doubt) if isinstance(second, Failure) else second


class Writer:
    """A thread with a connection of its own.

    `connect` opens the connection.  `has_room` says whether new messages may come in at all.  `remove_file` is called with
    the key of a message whose text was a file, after the message is gone.  `finished` is called in the thread with the answers
    of each group; it must hand them to the event loop.  `gate`: where processes take turns.  `leaves_marks`: new mail is
    counted as that of a visitor.

    `disturbed` is set when somebody else has written to the same file; whoever has seen that clears it.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        has_room: Callable[[], bool],
        remove_file: Callable[[int], None],
        finished: Callable[[Answers], None],
        *,
        gate: Gate,
        leaves_marks: bool,
    ) -> None:
        self._gate = gate
        self._leaves_marks = leaves_marks
        self._connect = connect
        self._has_room = has_room
        self._remove_file = remove_file
        self._finished = finished
        self._line: SimpleQueue[Job | None] = SimpleQueue()
        self._hurry = threading.Event()
        self.leave: Callable[[Job], None] = self._line.put
        """Put a job in line that nobody waits for."""
        self._connection: sqlite3.Connection | None = None
        self._version = 0
        self.disturbed = False
        self._worker = threading.Thread(target=self._run, name="mailrider-spool", daemon=True)

    def start(self) -> None:
        """Open the connection and begin.  Raises `SpoolTrouble`."""
        try:
            self._connection = self._connect()
        except sqlite3.Error as cause:
            raise SpoolTrouble(f"cannot open the queue: {cause}") from None
        self._gate.open()
        self._worker.start()

    def submit(self, job: Job | None) -> None:
        """Put a job in line that somebody waits for."""
        self._line.put(job)
        self._hurry.set()

    def stop(self) -> None:
        """Finish what is in line; blocks until the thread has ended."""
        self.submit(None)
        self._worker.join()

    def _run(self) -> None:
        stopping, busy = False, False
        while not stopping:
            jobs = [self._line.get()]
            if busy:
                self._hurry.wait(LINGER_SECONDS)
            self._hurry.clear()
            while len(jobs) < GROUP_LIMIT and not self._line.empty():
                jobs.append(self._line.get())
            stopping, busy = None in jobs, len(jobs) >= BUSY_GROUP
            wanted = [job for job in jobs if job is not None]
            if wanted:
                self._finished(self._work(wanted))
        if self._connection is not None:
            self._connection.close()
        self._gate.close()

    def _work(self, jobs: Sequence[Job]) -> Answers:
        answers: Answers = []
        group: list[Job] = []
        for job in jobs:
            if isinstance(job.work, Errand):
                answers += self._commit_group(group)
                answers.append((job, self._transact(job.work.action)))
                group = []
            else:
                group.append(job)
        return answers + self._commit_group(group)

    def _commit_group(self, jobs: list[Job]) -> Answers:
        if not jobs:
            return []
        answers: Answers = []
        if any(map(_is_new_mail, jobs)) and not self._has_room():
            full = Failure(Unaccepted.FULL, "no space is left for new messages")
            answers = [(job, full) for job in jobs if _is_new_mail(job)]
            jobs = [job for job in jobs if not _is_new_mail(job)]
        done = self._commit(jobs)
        if isinstance(done, Failure) and len(jobs) > 1:
            return answers + [(job, _after(done, self._commit([job]))) for job in jobs]
        return answers + [(job, done) for job in jobs]

    def _commit(self, jobs: Sequence[Job]) -> Done | Failure:
        changes = [job.work for job in jobs if isinstance(job.work, Change)]
        if not changes:
            return _NOTHING_REMOVED
        is_visit = self._leaves_marks and any(change.messages for change in changes)

        def act(connection: sqlite3.Connection) -> Any:
            if is_visit:
                connection.execute(LEAVE_MARK)
            return carry_out(connection, changes)

        answer = self._transact(act)
        if isinstance(answer, Failure):
            return answer
        if not answer:
            return _NOTHING_REMOVED
        for message in answer:
            if message.filed:
                self._remove_file(message.key)
        return Done(frozenset([message.key for message in answer]))

    def _transact(self, action: Callable[[sqlite3.Connection], Any]) -> Any:
        """What `action` returns, once it is durable, or a `Failure`."""
        is_complete = False
        self._gate.enter()
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.execute("BEGIN IMMEDIATE")
            self._look_for_others(self._connection)
            answer = action(self._connection)
            is_complete = True
            self._connection.execute("COMMIT")
        except Exception as cause:  # whatever it is, this thread must go on
            self._recover(cause)
            return explain_failure(cause)._replace(in_doubt=is_complete)
        finally:
            self._gate.leave()
        return answer

    def _look_for_others(self, connection: sqlite3.Connection) -> None:
        """`data_version` changes when another connection has written; our own reading one never does."""
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._version = version
            self.disturbed = True

    def _recover(self, cause: Exception) -> None:
        """Undo what has been begun; where that fails or the disk is suspect, begin with a new connection."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        suspect = getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_IOERR
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            suspect = True
        if suspect:
            try:
                connection.close()
            except sqlite3.Error:
                pass
            self._version = 0
        else:
            self._connection = connection
