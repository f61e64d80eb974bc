"""Some recipients of one message that go to one destination together: they wait for their turn, and are recorded one by one."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from mailrider.events import Observer, RecipientSettled
from mailrider.model import status as status_code
from mailrider.model.outcome import Action, DeliveryReport, Outcome, Recorded, Recorder, Status
from mailrider.model.request import DeliveryRequest, Envelope, Recipient, Transport, Turn
from mailrider.queue.docket import Docket
from mailrider.queue.grouping import Finding

_RECORDED = Recorded.RECORDED

CRASHED = "unknown mail transport error"


class Agent(Protocol):
    """What `delivery.agent.DeliveryAgent` is."""

    def deliver(self, request: DeliveryRequest, recorder: Recorder) -> Awaitable[DeliveryReport]:
        """Deliver one request."""


class Way:
    """A transport and next hop with everything that is found out about it once.

    `find_exchangers`: where destinations with the same exchangers are one (`queue.grouping`).
    """

    __slots__ = ("agent", "find_exchangers", "limit", "name", "nexthop", "observer", "service", "transport")

    def __init__(
        self,
        service: str,
        transport: Transport,
        nexthop: str,
        agent: Agent,
        limit: int,
        observer: Observer,
        find_exchangers: Finding | None = None,
    ) -> None:
        self.service = service
        self.transport = transport
        self.nexthop = nexthop
        self.name = nexthop.lower()
        self.agent = agent
        self.limit = limit
        self.observer = observer
        self.find_exchangers = find_exchangers if limit != 1 else None


class Portion:
    """A `queue.destination.Consignment`, and the `Recorder` of its own delivery."""

    __slots__ = ("_active_seconds", "_docket", "_doubtful_server", "_envelope", "key", "way")

    def __init__(
        self, docket: Docket, way: Way, recipients: tuple[Recipient, ...], active_seconds: float, doubtful_server: str = ""
    ) -> None:
        envelope = docket.lease.message.envelope
        if len(recipients) != len(envelope.recipients):
            envelope = envelope._replace(recipients=recipients)
        self._docket = docket
        self.way = way
        self._envelope: Envelope = envelope
        self._active_seconds = active_seconds
        self._doubtful_server = doubtful_server
        name = way.name
        if way.limit == 1:
            name = f"{recipients[0].address.rpartition('@')[0].lower()}@{name}"
        self.key = (way.service, name)
        docket.outstanding += 1

    @property
    def is_grouped(self) -> bool:
        """Whether it is to `join` a group before it waits for its turn."""
        return self.way.find_exchangers is not None

    def join(self, group: str) -> None:
        """Wait with the others of a group."""
        self.key = (self.way.service, group)

    @property
    def sender(self) -> str:
        """See `queue.destination.Consignment`."""
        return self._envelope.sender

    @property
    def message(self) -> Docket:
        """See `queue.destination.Consignment`."""
        return self._docket

    def open(self, turn: Turn | None, *, cache_load: bool, cache_store: bool) -> DeliveryRequest:
        """See `queue.destination.Consignment`."""
        lease, way = self._docket.lease, self.way
        message = lease.message
        return DeliveryRequest(
            envelope=self._envelope,
            content=lease.content,
            nexthop=way.nexthop,
            transport=way.transport,
            service=way.service,
            queue_id=message.queue_id,
            arrival_seconds=message.arrival_seconds,
            active_seconds=self._active_seconds,
            cache_load=cache_load,
            cache_store=cache_store,
            client=message.client,
            turn=turn,
            doubtful_server=self._doubtful_server,
        )

    def deliver(self, request: DeliveryRequest) -> Awaitable[DeliveryReport]:
        """See `queue.destination.Consignment`."""
        return self.way.agent.deliver(request, self)

    async def settle(self, recipient: Recipient, outcome: Outcome) -> Recorded:
        """See `model.outcome.Recorder`: in line for the next flush, which nobody has to wait for.

        A recipient whose settlement the storage refuses is settled again until it holds: what was delivered is not
        delivered again.
        """
        assert isinstance(recipient.token, int)
        self._docket.settle(recipient.token, outcome)
        return _RECORDED

    def report(self, report: DeliveryReport) -> None:
        """See `queue.destination.Consignment`."""
        docket = self._docket
        if report.hand_over is not None:
            text = f"mail for this destination is for transport {report.hand_over.transport}, which this node does not have"
            self._defer_rest(Outcome(Status.DEFERRED, status_code.SERVER_UNAVAILABLE, text, action=Action.DELAYED))
        for recipient, outcome in zip(self._envelope.recipients, report.outcomes, strict=True):
            assert isinstance(recipient.token, int)
            if outcome is not None and docket.is_open(recipient.token):
                docket.settle(recipient.token, outcome)
        docket.count_back()

    def fail(self, fault: Exception) -> None:
        """See `queue.destination.Consignment`."""
        self._defer_rest(Outcome(Status.DEFERRED, status_code.SERVER_UNAVAILABLE, CRASHED, action=Action.DELAYED))
        self._docket.count_back()

    def _defer_rest(self, outcome: Outcome) -> None:
        request = self.open(None, cache_load=False, cache_store=False)
        for recipient in self._envelope.recipients:
            assert isinstance(recipient.token, int)
            if self._docket.is_open(recipient.token):
                self.way.observer(RecipientSettled(request, recipient, outcome))
                self._docket.settle(recipient.token, outcome)

    def withdraw(self) -> None:
        """See `queue.destination.Consignment`."""
        self._docket.withdraw([it.token for it in self._envelope.recipients if isinstance(it.token, int)])
        self._docket.count_back()
