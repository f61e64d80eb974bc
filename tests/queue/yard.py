"""A queue at work in virtual time, with a delivery agent that does what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mailrider.dsn.report import Site
from mailrider.events import Event, RecipientSettled
from mailrider.model.outcome import Action, DeliveryReport, DestinationTrouble, Outcome, Recorder, Status
from mailrider.model.request import DeliveryRequest, Envelope, Notify, Recipient, Transport
from mailrider.queue.destination import DestinationTerms
from mailrider.queue.dispatcher import ClogTerms, Dispatcher, ServiceTerms
from mailrider.queue.grouping import Finding
from mailrider.queue.office import Hands
from mailrider.queue.portion import Way
from mailrider.queue.routing import Route, Router, RoutingTerms
from mailrider.queue.runner import Runner, RunnerTerms
from mailrider.queue.schedule import Schedule, ScheduleTerms
from mailrider.queue.window import WindowTerms
from mailrider.spool.memory import MemorySpool
from mailrider.spool.spool import Accepted, Committed, Submission
from virtual_time import VirtualClock

SENT = Outcome(Status.SENT, "2.0.0", "250 Ok", "mx[192.0.2.1]:25", "mx", "250 Ok", Action.RELAYED)
BOUNCED = Outcome(Status.BOUNCED, "5.1.1", "host mx said: 550 no", "mx[192.0.2.1]:25", "mx", "550 no", Action.FAILED)
DEFERRED = Outcome(Status.DEFERRED, "4.4.1", "connect to mx: refused")
TROUBLE = DestinationTrouble("4.4.1", "connect to mx: refused")

MAIL = b"Subject: x\r\n\r\nhello\r\n"
NO_CLOG = ClogTerms()
WINDOW, SCHEDULE, TERMS = WindowTerms(), ScheduleTerms(), RunnerTerms()

Answer = Outcome | tuple[Outcome, DestinationTrouble] | Exception


class Agent:
    """Answers each recipient as `answer` says, after `seconds`; `begun` has what was asked of it, and when."""

    def __init__(self, yard: Yard) -> None:
        self._yard = yard
        self.answer: Callable[[DeliveryRequest, Recipient], Answer] = lambda request, recipient: SENT
        self.seconds = 0.0
        self.begun: list[tuple[float, DeliveryRequest]] = []
        self.busy = self.busiest = 0

    async def deliver(self, request: DeliveryRequest, recorder: Recorder) -> DeliveryReport:
        self.begun.append((self._yard.clock.wall_seconds() - self._yard.began, request))
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            if self.seconds:
                await asyncio.sleep(self.seconds)
            outcomes, trouble = [], None
            for recipient in request.envelope.recipients:
                answer = self.answer(request, recipient)
                if isinstance(answer, Exception):
                    raise answer
                if isinstance(answer, tuple) and not isinstance(answer, Outcome):
                    answer, trouble = answer
                await recorder.settle(recipient, answer)
                self._yard.events.append(RecipientSettled(request, recipient, answer))
                outcomes.append(answer)
        finally:
            self.busy -= 1
        return DeliveryReport(tuple(outcomes), trouble)


class Diary:
    """A `queue.journal.Journal`."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, ...]] = []

    def activated(self, queue_id: str, sender: str, size_octets: int, recipients: int) -> None:
        self.lines.append(("active", queue_id))

    def removed(self, queue_id: str) -> None:
        self.lines.append(("removed", queue_id))

    def expired(self, queue_id: str, sender: str) -> None:
        self.lines.append(("expired", queue_id))

    def noticed(self, queue_id: str, text: str, notice_id: str) -> None:
        self.lines.append((text, queue_id, notice_id))

    def doubted(self, queue_id: str, recipient: Recipient, server: str) -> None:
        self.lines.append(("doubted", queue_id, recipient.address, server))

    def warn(self, text: str, queue_id: str = "") -> None:
        self.lines.append(("warning", text, queue_id))


class Yard:
    """Use it as an asynchronous context manager; the queue runs in between."""

    def __init__(
        self,
        *,
        window: WindowTerms = WINDOW,
        schedule: ScheduleTerms = SCHEDULE,
        terms: RunnerTerms = TERMS,
        rate_delay: float = 0.0,
        interval: float = 0.0,
        transport_interval: float = 0.0,
        deliveries: int = 1000,
        notices_pass: bool = False,
        recipient_limit: int = 50,
        classes: Sequence[str] = (),
        clog: ClogTerms = NO_CLOG,
        exchangers: Finding | None = None,
        site: Mapping[str, Any] | None = None,
        spool: Callable[[VirtualClock], Any] = MemorySpool,
    ) -> None:
        self.clock = VirtualClock()
        self.began = self.clock.wall_seconds()
        self.events: list[Event] = []
        self.diary = Diary()
        self.agent = Agent(self)
        self.spool = spool(self.clock)
        self._limit = recipient_limit
        self._exchangers = exchangers
        self._ways: dict[Route, Way] = {}
        service = ServiceTerms(DestinationTerms(window, rate_delay, interval), transport_interval, deliveries, notices_pass)
        self.dispatcher = Dispatcher(lambda name: service, self.clock, self.events.append, clog)
        names = {"myhostname": "mail.here.example"}
        own = Site("mail.here.example", "here.example", names.get, lambda name: 3600.0, classes=frozenset(classes))
        own = replace(own, **(site or {}))
        self.schedule = Schedule(schedule, self.began)
        nobody: Any = {}
        routing = RoutingTerms(
            is_local=lambda domain: domain == "mail.here.example",
            is_relay=lambda domain: False,
            is_virtual=lambda domain: False,
            transport_maps=Fixed({"wrong.example": "error:5.1.2 no such place", "slow.example": "retry:later",
                                  "hole.example": "discard:gone"}),
            relayhost_maps=Fixed(nobody),
            default_transport_maps=Fixed(nobody),
            host_name="mail.here.example",
        )  # fmt: skip
        hands = Hands(self.spool, own, self.schedule, self.diary, self.clock.wall_seconds)
        self.runner = Runner(
            hands, Router(routing), self.dispatcher, self._find_way, terms, self.clock, self.events.append
        )

    def _find_way(self, route: Route) -> Way | str:
        if route.transport != "smtp":
            return "4.3.0 mail transport unavailable"
        way = self._ways.get(route)
        if way is None:
            way = Way("smtp", Transport.SMTP, route.nexthop, self.agent, self._limit, self.events.append, self._exchangers)
            self._ways[route] = way
        return way

    async def __aenter__(self) -> Yard:
        await self.spool.__aenter__()
        self._running = asyncio.ensure_future(self.runner.run())
        return self

    async def __aexit__(self, *rest: object) -> None:
        self.runner.stop()
        await self._running
        await self.spool.__aexit__(None, None, None)

    async def send(
        self, *recipients: str, sender: str = "a@here.example", notify: Notify = Notify.UNSET, content: bytes = MAIL
    ) -> str:
        envelope = Envelope(sender, tuple(Recipient(address, notify=notify) for address in recipients))
        answer = await self.spool.accept(Submission(envelope), content)
        assert isinstance(answer, Accepted)
        return answer.queue_id

    @property
    def times(self) -> list[float]:
        """When deliveries began, in seconds since the queue did."""
        return [round(seconds, 3) for seconds, _ in self.agent.begun]

    def outcomes(self, address: str) -> list[str]:
        return [
            f"{it.outcome.status.value} {it.outcome.status_code} {it.outcome.text}"
            for it in self.events
            if isinstance(it, RecipientSettled) and it.recipient.address == address
        ]


async def refused() -> Committed:
    """What a storage answers that is full."""
    return Committed.FAILED


class Fixed(dict[str, str]):
    """A table."""

    def find(self, key: str, *, partial: bool = False) -> str | None:
        return self.get(key)
