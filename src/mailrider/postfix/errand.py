"""One errand for the queue manager: from the greeting over the request, the delivery and the reports to the final reply.

The promises that keep mail safe are kept here:

* Whatever happens, an errand that was taken ends with a final reply, and it says "done" only if every recipient has been
  settled and recorded; a fault of ours becomes "something is left to do".
* The reply goes out after every report has been answered, and the lock on the queue file is given back after the reply.
* A queue manager that has gone away meanwhile changes nothing: the work is completed, and nobody is told.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final, Protocol

from mailrider.attributes.plain import MalformedAttributes
from mailrider.clock import Clock
from mailrider.errors import MailriderError
from mailrider.events import Observer, RecipientSettled, Warned
from mailrider.model import status as status_code
from mailrider.model.outcome import Action, Delays, DeliveryReport, HandOver, Outcome, Recorder, Status
from mailrider.model.request import DeliveryRequest, Recipient, Transport
from mailrider.postfix.installation import Installation
from mailrider.postfix.passing import pass_on
from mailrider.postfix.queue_file import NotOpened, QueuedContent, QueueFile, find_path, open_queue_file
from mailrider.postfix.recording import QueueRecorder
from mailrider.postfix.reports import Reports
from mailrider.postfix.request import GREETING, OLD_GREETING, QueuedRecipient, QueueRequest, RequestReader, stamp_handed
from mailrider.postfix.translation import DONE, FINAL_DONE, FINAL_RETRY, RETRY, encode_final_reply, make_delivery_request

READ_OCTETS: Final = 64 * 1024
"""What is read at once; most requests are a few hundred octets."""

PARTING_SECONDS: Final = 60.0
"""How long the queue manager may take to hang up after the final reply."""

SWEEP_SECONDS: Final = 10.0
"""How often it is looked for those that have taken too long."""

REQUEST_SECONDS: Final = 600.0
"""How long it may take to send a request: it sends all of it at once."""

UNKNOWN_ERROR: Final = "unknown mail transport error"


class Agent(Protocol):
    """Who delivers: `delivery.agent.DeliveryAgent`."""

    async def deliver(self, request: DeliveryRequest, recorder: Recorder) -> DeliveryReport:
        """Deliver one request."""


class Errands:
    """Runs the errands of one service.  Belongs to one event loop.

    `tell_fault` hears of exceptions that nobody has foreseen.
    """

    def __init__(
        self,
        agent: Agent,
        transport: Transport,
        service: str,
        installation: Installation,
        reports: Reports,
        clock: Clock,
        observer: Observer,
        *,
        handling_limit_seconds: float,
        tell_fault: Callable[[BaseException], None],
    ) -> None:
        self._agent = agent
        self._transport = transport
        self._service = service
        self._installation = installation
        self._reports = reports
        self._clock = clock
        self._handling_limit_seconds = handling_limit_seconds
        self.observer = observer
        self.tell_fault = tell_fault
        self.greeting = GREETING if installation.announces else OLD_GREETING
        self.loop = asyncio.get_running_loop()
        self._sweeper: asyncio.TimerHandle | None = None
        self.waiting: dict[Errand, float] = {}
        """Those that wait for the queue manager, and until when (on the event loop's clock)."""

    def begin(self, connection: socket.socket, when_done: Callable[[], None]) -> None:
        """Serve one connection, which has been greeted, to its end."""
        Errand(self, connection, when_done).begin()

    def wait_no_longer_than(self, errand: Errand, seconds: float) -> None:
        """The queue manager gets so much time; one timer looks after all that wait."""
        self.waiting[errand] = self.loop.time() + seconds
        if self._sweeper is None:
            self._sweeper = self.loop.call_later(SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        now = self.loop.time()
        for errand in [errand for errand, end in self.waiting.items() if end <= now]:
            errand.end()
        self._sweeper = self.loop.call_later(SWEEP_SECONDS, self._sweep) if self.waiting else None

    async def serve(self, queued: QueueRequest, errand: Errand) -> bytes:
        """Do what is asked for; the final reply.  The queue file is left with `errand`, which holds its lock to the end."""
        queued = queued._replace(times=stamp_handed(queued.times, self._clock.wall_seconds()))
        path = find_path(queued.queue_name, queued.queue_id, self._installation.hashing)
        file = open_queue_file(path)
        if isinstance(file, NotOpened):
            self.observer(Warned(file.text))
            return FINAL_RETRY
        errand.file = file
        return await self._deliver(queued, file)

    async def _deliver(self, queued: QueueRequest, file: QueueFile) -> bytes:
        """The final reply to a request whose file is open."""
        content = QueuedContent(file, queued.offset, queued.size_octets)
        recorder = QueueRecorder(queued, file, content, self._reports, self._installation, self.observer)
        request = make_delivery_request(queued, content, self._transport, self._service)
        report = None
        try:
            report = await self._agent.deliver(request, recorder)
            if report.hand_over is not None:
                await self._hand_over(queued, request, recorder, report.hand_over)
        except MailriderError as fault:
            self.observer(Warned(str(fault), queued.queue_id))
            await self._defer_rest(request, recorder, str(fault))
        except Exception as fault:
            self.tell_fault(fault)
            await self._defer_rest(request, recorder, UNKNOWN_ERROR)
        left = recorder.retry_needed or not all(map(recorder.has_settled, request.envelope.recipients))
        trouble = report.destination_trouble if report is not None else None
        if trouble is None:
            return FINAL_RETRY if left else FINAL_DONE
        return encode_final_reply(RETRY if left else DONE, trouble)

    async def _defer_rest(self, request: DeliveryRequest, recorder: QueueRecorder, reason: str) -> None:
        """Something is wrong with the request as a whole: whoever was not settled has to wait."""
        for recipient in request.envelope.recipients:
            if not recorder.has_settled(recipient):
                await self._defer(request, recorder, recipient, reason)
        recorder.retry_needed = True

    async def _defer(self, request: DeliveryRequest, recorder: QueueRecorder, recipient: Recipient, reason: str) -> None:
        now = self._clock.wall_seconds()
        delays = Delays(
            max(0.0, request.active_seconds - request.arrival_seconds), max(0.0, now - request.active_seconds), 0.0, 0.0
        )
        status = status_code.SERVER_UNAVAILABLE
        outcome = Outcome(Status.DEFERRED, status, reason, action=Action.DELAYED, delays=delays)
        await recorder.settle(recipient, outcome)
        self.observer(RecipientSettled(request, recipient, outcome))

    async def _hand_over(
        self, queued: QueueRequest, request: DeliveryRequest, recorder: QueueRecorder, hand_over: HandOver
    ) -> None:
        for recipient in hand_over.recipients:
            token = recipient.token
            assert isinstance(token, QueuedRecipient)
            answer = await pass_on(
                queued,
                token,
                hand_over.transport,
                announces=self._installation.announces,
                limit_seconds=self._handling_limit_seconds,
            )
            if isinstance(answer, str):
                await self._defer(request, recorder, recipient, answer)
            else:
                recorder.pass_over(recipient, left=answer != 0)


class Errand:
    """One connection of the queue manager.

    Nobody waits for it in a task of his own before there is a request, nor after the reply: that would cost more than all
    the rest of the conversation.
    """

    __slots__ = ("_connection", "_errands", "_listening", "_parting", "_reader", "_task", "_when_done", "file")

    def __init__(self, errands: Errands, connection: socket.socket, when_done: Callable[[], None]) -> None:
        self._errands = errands
        self._connection = connection
        self._when_done = when_done
        self._reader = RequestReader()
        self._listening = True
        self._parting = False
        self._task: asyncio.Task[None] | None = None  # held here, since an event loop holds its tasks weakly
        self.file: QueueFile | None = None

    def begin(self) -> None:
        """Listen."""
        self._errands.loop.add_reader(self._connection.fileno(), self._hear)
        self._errands.wait_no_longer_than(self, REQUEST_SECONDS)

    def _hear(self) -> None:
        try:
            octets = self._connection.recv(READ_OCTETS)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            octets = b""
        if self._task is not None and not self._parting:
            # Gone in the middle of our work, as after a reload: the work is completed all the same.
            self._errands.loop.remove_reader(self._connection.fileno())
            self._listening = False
        elif not octets:
            self.end()
        elif not self._parting:
            self._read(octets)

    def _read(self, octets: bytes) -> None:
        try:
            queued = self._reader.feed(octets)
        except MalformedAttributes as trouble:
            self._errands.observer(Warned(f"error receiving a delivery request: {trouble}", self._reader.queue_id))
            self._part(FINAL_RETRY)
            return
        if queued is not None:
            self._errands.waiting.pop(self, None)
            self._task = self._errands.loop.create_task(self._work(queued))

    async def _work(self, queued: QueueRequest) -> None:
        reply = FINAL_RETRY
        try:
            reply = await self._errands.serve(queued, self)
        except Exception as fault:
            self._errands.tell_fault(fault)
        finally:
            self._part(reply)

    def _part(self, reply: bytes) -> None:
        """Say the last word, and wait until the other side has heard it and hung up."""
        self._parting = True
        try:
            # A buffer of a fresh connection holds a few hundred of these.
            sent = self._connection.send(reply)
        except OSError:
            sent = 0
        if sent < len(reply) or not self._listening:
            self.end()
            return
        self._errands.wait_no_longer_than(self, PARTING_SECONDS)

    def end(self) -> None:
        """Give the lock back, and hang up."""
        self._errands.waiting.pop(self, None)
        self._errands.loop.remove_reader(self._connection.fileno())
        if self.file is not None:
            self.file.close()
            self.file = None
        self._connection.close()
        self._when_done()
