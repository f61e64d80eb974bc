from __future__ import annotations

from mailrider.model.outcome import (
    NO_DELAYS,
    Action,
    DeliveryReport,
    DestinationTrouble,
    HandOver,
    Outcome,
    Recorded,
    Status,
    defer_for_transport,
)
from mailrider.model.request import Recipient


def test_an_outcome_is_of_nobody_until_it_is_said() -> None:
    outcome = Outcome(Status.DEFERRED, "4.4.1", "connect to mx[192.0.2.1]:25: Connection refused")
    assert (outcome.relay, outcome.remote_mta, outcome.reply) == ("none", None, None)
    assert (outcome.action, outcome.delays, outcome.connection_use) == (Action.DELAYED, NO_DELAYS, 1)
    assert (outcome.soft_bounced, outcome.in_doubt) == (False, False)


def test_the_words_are_those_of_the_log_and_of_notices() -> None:
    assert [status.value for status in Status] == ["sent", "deferred", "bounced", "deliverable", "undeliverable"]
    assert [action.value for action in Action] == ["delivered", "relayed", "failed", "delayed"]
    assert Recorded(True) is Recorded.RECORDED
    assert Recorded(False) is Recorded.NOT_RECORDED


def test_a_report_may_know_of_trouble_and_of_a_hand_over() -> None:
    assert DeliveryReport(()) == ((), None, None)
    recipient = Recipient("a@example.test")
    report = DeliveryReport((None,), DestinationTrouble("4.4.1", "text"), HandOver("local", (recipient,)))
    assert report.hand_over == ("local", (recipient,))
    assert report.destination_trouble == ("4.4.1", "text")


def test_a_recipient_for_another_transport_waits() -> None:
    outcome = defer_for_transport("local")
    assert (outcome.status, outcome.status_code, outcome.relay) == (Status.DEFERRED, "4.3.0", "none")
    assert "transport local" in outcome.text
