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
from contextlib import suppress
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

PARTING_SECONDS: Final = 60.0
"""How long the queue manager may take to hang up after the final reply."""

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
        self._observer = observer
        self._handling_limit_seconds = handling_limit_seconds
        self._tell_fault = tell_fault
        self.greeting = GREETING if installation.announces else OLD_GREETING
        self._loop = asyncio.get_running_loop()

    async def run(self, connection: socket.socket) -> None:
        """Serve one connection, which has been greeted, to its end.  Never raises but for a cancellation."""
        try:
            queued = await self._receive(connection)
            if queued is not None:
                await self._serve(queued, connection)
        except Exception as fault:
            self._tell_fault(fault)
        finally:
            connection.close()

    async def _receive(self, connection: socket.socket) -> QueueRequest | None:
        """The request; None where the queue manager has changed its mind, or made no sense and was told so."""
        reader = RequestReader()
        receive = self._loop.sock_recv
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                while octets := await receive(connection, READ_OCTETS):
                    queued = reader.feed(octets)
                    if queued is not None:
                        return queued._replace(times=stamp_handed(queued.times, self._clock.wall_seconds()))
        except MalformedAttributes as trouble:
            self._observer(Warned(f"error receiving a delivery request: {trouble}", reader.queue_id))
            await self._reply(connection, FINAL_RETRY)
        except (OSError, TimeoutError):
            pass
        return None

    async def _serve(self, queued: QueueRequest, connection: socket.socket) -> None:
        path = find_path(queued.queue_name, queued.queue_id, self._installation.hashing)
        file = open_queue_file(path)
        if isinstance(file, NotOpened):
            self._observer(Warned(file.text))
            await self._reply(connection, FINAL_RETRY)
            return
        reply = FINAL_RETRY
        try:
            reply = await self._deliver(queued, file)
        finally:
            try:
                await self._reply(connection, reply)
            finally:
                file.close()

    async def _deliver(self, queued: QueueRequest, file: QueueFile) -> bytes:
        """The final reply to a request whose file is open."""
        content = QueuedContent(file, queued.offset, queued.size_octets)
        recorder = QueueRecorder(queued, file, content, self._reports, self._installation, self._observer)
        request = make_delivery_request(queued, content, self._transport, self._service)
        report = None
        try:
            report = await self._agent.deliver(request, recorder)
            if report.hand_over is not None:
                await self._hand_over(queued, request, recorder, report.hand_over)
        except MailriderError as fault:
            self._observer(Warned(str(fault), queued.queue_id))
            await self._defer_rest(request, recorder, str(fault))
        except Exception as fault:
            self._tell_fault(fault)
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
        self._observer(RecipientSettled(request, recipient, outcome))

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

    async def _reply(self, connection: socket.socket, reply: bytes) -> None:
        """Say the last word, and wait until the other side has heard it and hung up."""
        with suppress(OSError, TimeoutError):
            await self._loop.sock_sendall(connection, reply)
            await self._wait_for_end(connection)

    async def _wait_for_end(self, connection: socket.socket) -> None:
        async with asyncio.timeout(PARTING_SECONDS):
            while await self._loop.sock_recv(connection, READ_OCTETS):
                pass
