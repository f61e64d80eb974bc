"""A stand-alone node: a spool, the queue that works on it, and delivery, in one event loop.

For programs::

    async with mailrider.Node("/etc/mailrider") as node:
        queue_id = await node.enqueue(message, sender="a@example.com", recipients=["b@dest.example"])

`enqueue` answers when the message is on stable storage; from then on it is delivered, retried, and at last returned, by this
process or, if that dies, by the next one with the same `queue_directory`.

`reload` puts new settings into effect: what is under way is finished under the old ones.  On the way out deliveries that
are under way may go on for `shutdown_grace_time`; what has not ended by then is broken off and goes back as it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mailrider.content.whole_address import write_orcpt
from mailrider.errors import QueueRefused, WrongUsage
from mailrider.events import Observer, Warned
from mailrider.intake.dates import date_now
from mailrider.intake.submission import complete_submission
from mailrider.machine import SystemClock
from mailrider.model.request import BodyType, Envelope, Notify, Recipient
from mailrider.model.texts import check_text
from mailrider.node_parts import (
    Ways,
    make_clog_terms,
    make_postmaster,
    make_router,
    make_runner_terms,
    make_schedule_terms,
    make_service_terms,
    make_share,
    make_site,
    make_submitter,
    spool_folder,
)
from mailrider.queue.dispatcher import Dispatcher
from mailrider.queue.journal import Journal
from mailrider.queue.office import Hands
from mailrider.queue.runner import Runner
from mailrider.queue.schedule import Schedule
from mailrider.queue.share import ALONE, Part
from mailrider.settings import Settings
from mailrider.spool.files import SMALL_OCTETS
from mailrider.spool.spool import NotAccepted, Spool, Submission
from mailrider.spool.tenure import Tenure
from mailrider.wiring import Engine

if TYPE_CHECKING:
    from mailrider.api import AnyMessage, AnySettings


class Works:
    """The part of a node that depends on its settings: it is replaced as a whole when they change."""

    def __init__(
        self, settings: Settings, spool: Spool, journal: Journal, observer: Observer, part: Part = ALONE
    ) -> None:
        self.settings = settings

        def warn(text: str) -> None:
            observer(Warned(text))

        site = make_site(settings, warn)
        self.postmaster = make_postmaster(settings, observer, spool, site)
        observer = self.postmaster or observer
        self.engine = Engine(settings, observer)
        self.engine.check()
        clock = self.engine.clock
        router = make_router(settings, warn)
        schedule = Schedule(make_schedule_terms(settings), clock.wall_seconds())
        self.schedule = schedule
        self.submitter = make_submitter(settings)
        self.dispatcher = Dispatcher(
            lambda service: make_service_terms(settings, service, part.workers),
            clock,
            observer,
            make_clog_terms(settings, part.workers),
        )
        self.runner = Runner(
            Hands(spool, site, schedule, journal, clock.wall_seconds),
            router,
            self.dispatcher,
            Ways(self.engine, observer).find,
            make_runner_terms(settings, part.workers),
            clock,
            observer,
            make_share(settings, router, part),
        )
        self._running: asyncio.Task[None] | None = None

    def start(self, failed: Callable[[BaseException], None]) -> None:
        """Begin; `failed` hears of a fault that ends the work."""
        self._running = asyncio.get_running_loop().create_task(self.runner.run())

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (fault := task.exception()) is not None:
                failed(fault)

        self._running.add_done_callback(ended)

    async def finish(self, grace_seconds: float | None) -> None:
        """End: what is under way may go on for so long (None: to its end, until the node itself ends)."""
        self.runner.stop()
        if self._running is not None:
            try:
                await asyncio.wait([self._running], timeout=grace_seconds)
            except asyncio.CancelledError:
                self.break_off()
                raise
            if not self._running.done():
                self.break_off()
                await asyncio.wait([self._running])
        await self.engine.close()
        if self.postmaster is not None:
            await self.postmaster.finish()

    def break_off(self) -> None:
        """What is under way goes back as it was, and what the storage refuses to record is given up."""
        self.dispatcher.cancel()
        self.runner.hurry()


class Node:
    """See the top of this file.  Use it as an asynchronous context manager.

    `settings` as for `api.Agent`.  `spool`: another one than that of `queue_directory`.  `part`: which of several workers
    on one queue it is; its spool must have a fellowship then.  Raises `WrongConfiguration` and `SpoolTrouble` on entry.
    """

    def __init__(
        self,
        settings: AnySettings = None,
        *,
        spool: Spool | None = None,
        journal: Journal | None = None,
        observer: Observer | None = None,
        part: Part = ALONE,
    ) -> None:
        self._part = part
        self._given = settings
        self._tenure: Tenure | None = None
        self._spool = spool
        self._journal = journal
        self._observer = observer
        self._works: Works | None = None
        self._ending: Works | None = None
        self._old: set[asyncio.Task[None]] = set()
        self.failed: asyncio.Future[BaseException] | None = None

    async def __aenter__(self) -> Node:
        from mailrider.api import make_settings

        settings = make_settings(self._given)
        if self._journal is None or self._observer is None:
            log = SilentLog()
            self._journal = self._journal or log
            self._observer = self._observer or log
        self.failed = asyncio.get_running_loop().create_future()
        if self._spool is None:
            self._spool = open_spool(settings, self._journal)
            self._tenure = Tenure(spool_folder(settings))
        await self._spool.__aenter__()
        try:
            if self._tenure is not None:
                self._tenure.take()
            self._works = Works(settings, self._spool, self._journal, self._observer, self._part)
        except BaseException:
            await self._close_spool(None, None, None)
            raise
        self._works.start(self._fail)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._spool is not None
        if self._works is not None:
            works, self._works = self._works, None
            self._ending = works
            grace = works.settings.shutdown_grace_time
            await works.finish(grace)
            if self._old:
                await asyncio.wait(self._old, timeout=grace)
                for task in self._old:
                    task.cancel()
        await self._close_spool(kind, error, trace)

    async def _close_spool(self, *exception: Any) -> None:
        assert self._spool is not None
        await self._spool.__aexit__(*exception)
        if self._tenure is not None:
            self._tenure.give_up()

    def hurry(self) -> None:
        """Break off what is under way: its mail goes back as it was."""
        if self._ending is not None:
            self._ending.break_off()

    def _fail(self, fault: BaseException) -> None:
        if self.failed is not None and not self.failed.done():
            self.failed.set_result(fault)

    @property
    def spool(self) -> Spool:
        """Where the mail is."""
        if self._spool is None:
            raise WrongUsage("a Node has its spool between `async with` and its end")
        return self._spool

    @property
    def works(self) -> Works:
        """What works on it, under the settings of now."""
        if self._works is None:
            raise WrongUsage("a Node works between `async with` and its end")
        return self._works

    @property
    def settings(self) -> Settings:
        """The settings in effect."""
        return self.works.settings

    async def reload(self, settings: Settings) -> None:
        """Put new settings into effect; where they make no sense (`WrongConfiguration`) the old ones stay."""
        assert self._journal is not None
        assert self._observer is not None
        old = self.works
        works = Works(settings, self.spool, self._journal, self._observer, self._part)
        old.runner.stop()
        self._works = works
        works.start(self._fail)
        ending = asyncio.get_running_loop().create_task(old.finish(None))
        self._old.add(ending)
        ending.add_done_callback(self._old.discard)

    async def enqueue(
        self,
        message: AnyMessage,
        *,
        sender: str,
        recipients: Sequence[str],
        envid: str = "",
        ret: str = "",
        notify: Notify = Notify.UNSET,
        smtputf8: bool = False,
    ) -> str:
        """Take a message; its queue id, once it is on stable storage.

        Its header gets what `sendmail` would give it: a Received field, and Message-Id, Date and From where they are missing.
        `ret` is `"full"`, `"hdrs"` or empty; `notify` holds for every recipient (RFC 3461 §4.1).  Raises `WrongUsage` for an
        argument that makes no sense, `QueueRefused` where the storage does not take it: nothing of it is kept then.
        """
        from mailrider.api import choose, make_content, read_address

        content = make_content(message)
        limit = self.settings.message_size_limit
        if limit and content.size_octets > limit:
            raise WrongUsage(f"the message has {content.size_octets} octets, more than message_size_limit = {limit}")
        envelope = Envelope(
            self.works.submitter.completion.whole_sender(read_address("sender", sender)),
            self._read_recipients(recipients, notify),
            envid=check_text("envid", envid),
            ret=choose("ret", ret, ("", "full", "hdrs")),
            body=BodyType.EIGHT_BIT if getattr(content, "labelled_8bit", False) else BodyType.UNKNOWN,
            smtputf8=smtputf8,
        )
        queue_id = self.spool.new_queue_id()
        text = complete_submission(
            content.chunks(), self.works.submitter, queue_id, envelope.sender, date_now()
        )
        whole = b"".join(text) if content.size_octets <= SMALL_OCTETS // 2 else text
        answer = await self.spool.accept(Submission(envelope, origin="api", queue_id=queue_id), whole)
        if isinstance(answer, NotAccepted):
            raise QueueRefused(answer.text)
        return answer.queue_id

    def _read_recipients(self, recipients: Sequence[str], notify: Notify) -> tuple[Recipient, ...]:
        from mailrider.api import read_address

        if not recipients or isinstance(recipients, str):
            raise WrongUsage("recipients is no list of addresses, or empty")
        addresses = [read_address("recipient", text) for text in recipients]
        if not all(addresses):
            raise WrongUsage("a recipient is empty")
        completion = self.works.submitter.completion
        whole = [completion.whole(address) for address in addresses]
        return tuple(Recipient(address, orcpt=write_orcpt(address), notify=notify) for address in whole)


def open_spool(settings: Settings, journal: Journal) -> Spool:
    """The spool that the settings name, not opened yet."""
    from mailrider.spool.sqlite import SqliteSpool

    return SqliteSpool(spool_folder(settings), SystemClock(), sweeps=True, report=journal.warn)


class SilentLog:
    """A `Journal` and an `Observer` that keeps quiet."""

    def __call__(self, event: object) -> None:
        """Nobody wants to know."""

    def activated(self, queue_id: str, sender: str, size_octets: int, recipients: int) -> None:
        """Nobody wants to know."""

    def removed(self, queue_id: str) -> None:
        """Nobody wants to know."""

    def expired(self, queue_id: str, sender: str) -> None:
        """Nobody wants to know."""

    def noticed(self, queue_id: str, text: str, notice_id: str) -> None:
        """Nobody wants to know."""

    def doubted(self, queue_id: str, recipient: Recipient, server: str) -> None:
        """Nobody wants to know."""

    def warn(self, text: str, queue_id: str = "") -> None:
        """Nobody wants to know."""
