from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.delivery.ledger import Ledger
from mailrider.errors import BrokenPromise
from mailrider.events import Event, RecipientSettled
from mailrider.model.outcome import Action, Outcome, Recorded, Status
from mailrider.model.request import DeliveryRequest, Envelope, Recipient
from mailrider.spool.message import MemoryMessage

SENT = Outcome(Status.SENT, "2.0.0", "250 ok", action=Action.RELAYED)
BOUNCED = Outcome(Status.BOUNCED, "5.1.1", "550 no", action=Action.FAILED)
DEFERRED = Outcome(Status.DEFERRED, "4.2.1", "450 later", action=Action.DELAYED)


class Keeper:
    def __init__(self, answer: Recorded = Recorded.RECORDED) -> None:
        self.answer = answer
        self.heard: list[tuple[str, Outcome]] = []

    async def settle(self, recipient: Recipient, outcome: Outcome) -> Recorded:
        self.heard.append((recipient.address, outcome))
        return self.answer


def request_for(count: int) -> DeliveryRequest:
    recipients = tuple(Recipient(f"r{number}@example.test") for number in range(count))
    return DeliveryRequest(Envelope("a@example.test", recipients), MemoryMessage(b""), "example.test", queue_id="QID")


def make(count: int, answer: Recorded = Recorded.RECORDED) -> tuple[Ledger, Keeper, list[Event]]:
    keeper, events = Keeper(answer), []
    return Ledger(request_for(count), keeper, events.append), keeper, events


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_outcomes_come_in_the_order_of_the_request_whatever_the_order_of_events() -> None:
    ledger, keeper, events = make(3)
    assert ledger.open == [0, 1, 2]
    for index, outcome in ((2, SENT), (0, BOUNCED), (1, DEFERRED)):
        run(ledger.settle(index, outcome))
    assert ledger.close() == (BOUNCED, DEFERRED, SENT)
    assert keeper.heard == [("r2@example.test", SENT), ("r0@example.test", BOUNCED), ("r1@example.test", DEFERRED)]
    assert [event.recipient.address for event in events if isinstance(event, RecipientSettled)] == [
        "r2@example.test", "r0@example.test", "r1@example.test",
    ]  # fmt: skip


def test_nobody_is_settled_twice() -> None:
    ledger, keeper, _ = make(2)
    run(ledger.settle(1, SENT))
    with pytest.raises(BrokenPromise, match="settled twice"):
        run(ledger.settle(1, SENT))
    assert len(keeper.heard) == 1


def test_nobody_is_left_open() -> None:
    ledger, _, _ = make(2)
    run(ledger.settle(1, SENT))
    with pytest.raises(BrokenPromise, match="1 recipients of QID are left open"):
        ledger.close()


@pytest.mark.parametrize(("outcome", "status_code"), [(SENT, "4.3.0"), (BOUNCED, "4.1.1"), (DEFERRED, "4.2.1")])
def test_what_could_not_be_recorded_is_deferred(outcome: Outcome, status_code: str) -> None:
    """Better twice than lost; the observer hears what really holds."""
    ledger, keeper, events = make(1, Recorded.NOT_RECORDED)
    run(ledger.settle(0, outcome))
    (settled,) = ledger.close()
    assert settled is not None
    assert (settled.status, settled.status_code, settled.action) == (Status.DEFERRED, status_code, Action.DELAYED)
    assert settled.text == outcome.text
    assert keeper.heard == [("r0@example.test", outcome)]
    (event,) = events
    assert isinstance(event, RecipientSettled)
    assert event.outcome == settled


def test_recipients_are_handed_over_once_and_have_no_outcome() -> None:
    ledger, keeper, _ = make(3)
    run(ledger.settle(1, SENT))
    assert [recipient.address for recipient in ledger.hand_over()] == ["r0@example.test", "r2@example.test"]
    assert ledger.hand_over() == ()
    assert ledger.close() == (None, SENT, None)
    assert len(keeper.heard) == 1


@given(st.integers(0, 6), st.lists(st.tuples(st.integers(0, 5), st.sampled_from([SENT, BOUNCED, DEFERRED]))))
def test_every_recipient_is_either_open_or_has_the_first_outcome_that_it_was_given(
    count: int, steps: list[tuple[int, Outcome]]
) -> None:
    ledger, _, events = make(count)
    first: dict[int, Outcome] = {}
    for index, outcome in steps:
        if index < count and index not in first:
            first[index] = outcome
            run(ledger.settle(index, outcome))
        assert ledger.open == [each for each in range(count) if each not in first]
    ledger.hand_over()
    assert ledger.close() == tuple(first.get(index) for index in range(count))
    assert len(events) == len(first)
