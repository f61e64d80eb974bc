"""Acts for dockets: records what became of recipients in the spool, and writes notices.

What is put in line is not waited for: a delivery goes on while the flush that makes the one before durable is still under way.
Where the storage refuses to record what is final, the same is tried again until it holds, with growing pauses, as long as the
node runs, also when its settings are read anew; so a recipient that was served is not served again while the disk is full.
When the node ends before that, the recipient is as it was, and is served again by the next one.

A deferral that cannot be recorded is not tried again: the spool has its time in memory, and the recipient may be out again, or
served, by the time there is room.  Nor is a warning: the next deferral will find that it is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple

from mailrider.dsn.notice import compose, find_message_id
from mailrider.dsn.plan import Plan, is_double_bounce, is_redacted, plan_notices
from mailrider.dsn.report import Kind, Message, Report, Site
from mailrider.model.outcome import Outcome
from mailrider.model.request import BodyType, Envelope, Recipient
from mailrider.queue.docket import Docket
from mailrider.queue.journal import Journal
from mailrider.queue.schedule import Schedule
from mailrider.spool.spool import Committed, InDoubt, Lease, NotAccepted, Notice, Settlement, Spool, Submission

RETRY_SECONDS = 1.0
RETRY_LIMIT_SECONDS = 60.0
"""How soon, and at last how seldom, a change that the storage refused is tried again."""

_REMOVED = Committed.REMOVED
_FAILED = Committed.FAILED


class Hands(NamedTuple):
    """What an office works with."""

    spool: Spool
    site: Site
    schedule: Schedule
    journal: Journal
    now_seconds: Callable[[], float]


class Desk:
    """A `queue.docket.Office`.  `closed` is told of every docket that is done."""

    def __init__(self, hands: Hands, closed: Callable[[Docket], None]) -> None:
        self._spool = hands.spool
        self._journal = hands.journal
        self._closed = closed
        self._errands: set[asyncio.Future[Any]] = set()
        self._insisting: set[asyncio.Task[None]] = set()
        self._hurried = False
        self.site = hands.site
        self.confirms_delays = hands.site.confirms_delays
        self.schedule = hands.schedule
        self.now_seconds = hands.now_seconds

    def settle(self, lease: Lease, settlements: list[Settlement]) -> None:
        """See `queue.docket.Office`."""
        self._follow(lambda: self._spool.settle(lease, settlements), lease)

    def defer(self, lease: Lease, numbers: list[int], outcome: Outcome, turn_seconds: float, in_doubt: InDoubt | None) -> None:
        """See `queue.docket.Office`."""
        change = lambda: self._spool.defer(lease, numbers, outcome, turn_seconds, in_doubt=in_doubt)  # noqa: E731
        self._follow(change, lease, is_final=False)

    def doubt(self, lease: Lease, recipient: Recipient, number: int, in_doubt: InDoubt) -> None:
        """See `queue.docket.Office`."""
        self._journal.doubted(lease.message.queue_id, recipient, in_doubt.server)
        self._follow(lambda: self._spool.mark_in_doubt(lease, [number], in_doubt), lease)

    def notify(
        self, lease: Lease, kind: Kind, reports: list[Report], settlements: list[Settlement], owed: list[int]
    ) -> None:
        """See `queue.docket.Office`."""
        notices = self._write(lease, kind, reports)
        first = notices[0][1] if notices else None
        self._follow(lambda: self._spool.discharge(lease, settlements, owed, first), lease)
        self._send(lease, notices)

    def warn(self, lease: Lease, numbers: list[int], reports: list[Report]) -> None:
        """See `queue.docket.Office`."""
        notices = self._write(lease, Kind.DELAY, reports)
        first = notices[0][1] if notices else None
        self._follow(lambda: self._spool.warn(lease, numbers, first), lease, is_final=False)
        self._send(lease, notices)

    def expired(self, lease: Lease) -> None:
        """See `queue.docket.Office`."""
        self._journal.expired(lease.message.queue_id, lease.message.envelope.sender)

    def release(self, lease: Lease, numbers: list[int]) -> None:
        """See `queue.docket.Office`."""
        self._spool.release(lease, numbers)

    def close(self, docket: Docket) -> None:
        """See `queue.docket.Office`."""
        self._closed(docket)

    # Notices

    def _write(self, lease: Lease, kind: Kind, reports: list[Report]) -> list[tuple[Plan, Notice]]:
        """The notices that are to be sent, the sender's first."""
        stored = lease.message
        envelope = stored.envelope
        message = Message(
            stored.queue_id,
            envelope.sender,
            stored.arrival_seconds,
            lease.content,
            envid=envelope.envid,
            ret=envelope.ret,
            smtputf8=envelope.smtputf8,
            requiretls=envelope.requiretls,
            message_id=find_message_id(lease.content) if self.site.threaded else "",
        )
        if is_double_bounce(message, self.site):
            self._journal.warn("undeliverable postmaster notification discarded", stored.queue_id)
        return [self._make(plan, message) for plan in plan_notices(kind, message, reports, self.site)]

    def _make(self, plan: Plan, message: Message) -> tuple[Plan, Notice]:
        queue_id = self._spool.new_queue_id()
        text = b"".join(compose(plan, message, self.site, queue_id=queue_id, now_seconds=self.now_seconds()))
        envelope = Envelope(
            plan.sender,
            (Recipient(plan.recipient),),
            body=BodyType.UNKNOWN if text.isascii() else BodyType.EIGHT_BIT,
            smtputf8=message.smtputf8,
            requiretls=message.requiretls and not is_redacted(message, self.site),
        )
        return plan, Notice(Submission(envelope, origin="notice", queue_id=queue_id), text)

    def _send(self, lease: Lease, notices: list[tuple[Plan, Notice]]) -> None:
        """Tell of the first, which goes with its settlement; the others are sent on their own, and may be lost (bounce(8))."""
        for plan, notice in notices[:1]:
            self._journal.noticed(lease.message.queue_id, plan.log, notice.submission.queue_id)
        for plan, notice in notices[1:]:
            self._employ(self._accept(lease.message.queue_id, plan, notice))

    async def _accept(self, queue_id: str, plan: Plan, notice: Notice) -> None:
        answer = await self._spool.accept(notice.submission, notice.content)
        if isinstance(answer, NotAccepted):
            self._journal.warn(f"postmaster notice failed: {answer.text}", queue_id)
        else:
            self._journal.noticed(queue_id, plan.log, answer.queue_id)

    # What is in line

    def _follow(self, change: Callable[[], Awaitable[Committed]], lease: Lease, *, is_final: bool = True) -> None:
        """Put a change in line, and look after it until it is durable, or, if it is not final, until it is refused."""
        future = asyncio.ensure_future(change())
        self._errands.add(future)
        future.add_done_callback(partial(self._look_after, change, lease, is_final))

    def _look_after(
        self, change: Callable[[], Awaitable[Committed]], lease: Lease, is_final: bool, ended: asyncio.Future[Committed]
    ) -> None:
        self._errands.discard(ended)
        if ended.cancelled():
            return
        committed = ended.result()
        if committed is _REMOVED:
            self._journal.removed(lease.message.queue_id)
        elif committed is _FAILED and is_final and not self._hurried:
            self._insist(change, lease)

    async def _try_again(self, change: Callable[[], Awaitable[Committed]], lease: Lease) -> None:
        pause = RETRY_SECONDS
        while True:
            self._journal.warn(f"the queue cannot be written; trying again in {pause:.0f} s", lease.message.queue_id)
            await asyncio.sleep(pause)
            committed = await change()
            if committed is not _FAILED:
                if committed is _REMOVED:
                    self._journal.removed(lease.message.queue_id)
                return
            pause = min(pause * 2, RETRY_LIMIT_SECONDS)

    def _insist(self, change: Callable[[], Awaitable[Committed]], lease: Lease) -> None:
        task = self._employ(self._try_again(change, lease))
        self._insisting.add(task)
        task.add_done_callback(self._insisting.discard)

    def _employ(self, errand: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
        return task

    def hurry(self) -> None:
        """The node ends: what the storage refuses is given up."""
        self._hurried = True
        for task in list(self._insisting):
            task.cancel()

    async def close_down(self) -> None:
        """Wait for what is in line."""
        while self._errands:
            await asyncio.wait(list(self._errands))
