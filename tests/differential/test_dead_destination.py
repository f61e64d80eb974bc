"""A destination that was declared dead stays dead for `minimal_backoff_time`, also for mail that comes later."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from mailrider.delivery.portions import name_destination
from mailrider.events import ignore_event
from mailrider.model.outcome import Action, DeliveryReport, DestinationTrouble, Outcome, Status
from mailrider.model.request import DeliveryRequest, Envelope, Recipient, Turn
from mailrider.queue.burst import Burst
from mailrider.queue.window import WindowTerms
from mailrider.spool.message import MemoryMessage

REFUSED = DestinationTrouble("4.4.1", "connect to mx.example.test[192.0.2.1]:25: Connection refused")
SENT = Outcome(Status.SENT, "2.0.0", "250 2.0.0 Ok", "mx.example.test[192.0.2.1]:25", action=Action.RELAYED)
FAILED = Outcome(Status.DEFERRED, REFUSED.status_code, REFUSED.text, action=Action.DELAYED)


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic_seconds(self) -> float:
        return self.seconds

    def wall_seconds(self) -> float:
        return self.seconds


class Letter:
    """Work for one recipient."""

    def __init__(self, destination: str = "example.test") -> None:
        self.service = "smtp"
        self.destination = destination
        self.text = ""

    def open(self, turn: Turn | None, *, cache_load: bool, cache_store: bool) -> DeliveryRequest:
        envelope = Envelope("a@example.org", (Recipient("b@example.test"),))
        return DeliveryRequest(envelope, MemoryMessage(b"\n"), "example.test")

    def report(self, report: DeliveryReport) -> None:
        (outcome,) = report.outcomes
        assert outcome is not None
        self.text = outcome.text


class House:
    """A burst whose deliveries fail as long as `down` is set."""

    def __init__(self, terms: WindowTerms) -> None:
        self.clock = HandClock()
        self.down = True
        self.deliveries = 0
        self._burst = Burst(self._deliver, lambda service: terms, self.clock, ignore_event)

    async def _deliver(self, request: DeliveryRequest) -> DeliveryReport:
        self.deliveries += 1
        return DeliveryReport((FAILED,), REFUSED) if self.down else DeliveryReport((SENT,))

    def send(self, *letters: Letter) -> Iterable[str]:
        asyncio.run(self._burst.run(letters))
        return [letter.text for letter in letters]


ONE_AT_A_TIME = WindowTerms(initial=1, limit=1, dead_seconds=60.0)
SUSPENDED = f"delivery temporarily suspended: {REFUSED.text}"


def test_later_mail_for_a_dead_destination_is_deferred_untried() -> None:
    house = House(ONE_AT_A_TIME)
    assert house.send(Letter()) == [REFUSED.text]
    house.down = False
    assert house.send(Letter(), Letter("other.test")) == [SUSPENDED, SENT.text]
    assert house.deliveries == 2


def test_a_dead_destination_is_tried_again_when_its_time_is_over() -> None:
    house = House(ONE_AT_A_TIME)
    house.send(Letter())
    house.down = False
    house.clock.seconds += 59.9
    assert house.send(Letter()) == [SUSPENDED]
    house.clock.seconds += 0.1
    assert house.send(Letter(), Letter()) == [SENT.text, SENT.text]


def test_what_was_not_yet_dead_is_forgotten_when_nothing_waits() -> None:
    """The cohort of failures begins anew: the queue manager drops a queue that is empty."""
    house = House(WindowTerms(initial=1, limit=1, failed_cohort_limit=2, dead_seconds=60.0))
    assert house.send(Letter()) == [REFUSED.text]
    assert house.send(Letter()) == [REFUSED.text]
    assert house.send(Letter(), Letter(), Letter()) == [REFUSED.text, REFUSED.text, SUSPENDED]
    assert house.send(Letter()) == [SUSPENDED]


def test_with_one_recipient_per_request_each_mailbox_is_a_destination() -> None:
    recipients = (Recipient("b@example.test"),)
    assert name_destination("[mx.example.test]:25", recipients, 1) == "b@[mx.example.test]:25"
    assert name_destination("[mx.example.test]:25", recipients, 0) == "[mx.example.test]:25"
