"""How failures and acceptances become outcomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mailrider.delivery.ledger import Ledger
from mailrider.delivery.progress import Progress
from mailrider.delivery.trouble import Failure
from mailrider.events import Event, ServerFailedSoftly
from mailrider.model.outcome import Action, DestinationTrouble, Outcome, Recorded, Status
from mailrider.model.request import DeliveryRequest, Envelope, Recipient
from mailrider.smtp.refusal import Scope
from mailrider.spool.message import MemoryMessage
from virtual_time import VirtualClock, run

from .scene import profile_of

SITE = Failure(Scope.SITE, "4.4.2", "lost connection")
HARD_SITE = Failure(Scope.SITE, "5.4.4", "not found")
MESSAGE = Failure(Scope.MESSAGE, "4.3.0", "later")
HARD = Failure(Scope.RECIPIENT, "5.1.1", "no such user", "mx.test", "550 5.1.1 no such user")


class Keeper:
    async def settle(self, recipient: Recipient, outcome: Outcome) -> Recorded:
        return Recorded.RECORDED


def play(
    act: Callable[[Progress], Any], *, count: int = 2, probe: bool = False, **settings: object
) -> tuple[Progress, tuple[Outcome | None, ...], list[Event]]:
    events: list[Event] = []

    async def main() -> tuple[Progress, tuple[Outcome | None, ...]]:
        recipients = tuple(Recipient(f"r{number}@example.test") for number in range(count))
        envelope = Envelope("a@example.test", recipients)
        request = DeliveryRequest(envelope, MemoryMessage(b""), "x.test", queue_id="QID", probe=probe)
        ledger = Ledger(request, Keeper(), events.append)
        progress = Progress(request, profile_of(**settings), ledger, VirtualClock(), events.append)
        await act(progress)
        ledger.hand_over()
        return progress, ledger.close()

    progress, outcomes = run(main())
    return progress, outcomes, events


def test_a_soft_failure_before_the_last_server_keeps_everybody_and_is_told() -> None:
    progress, outcomes, events = play(lambda it: it.fail_all(SITE, None, last_server=False))
    assert outcomes == (None, None)
    assert events == [ServerFailedSoftly("QID", "lost connection")]
    assert progress.latest == SITE
    assert progress.destination_trouble is None


def test_a_hard_failure_bounces_with_what_the_server_said() -> None:
    _, (first, second), _ = play(lambda it: it.fail([1], HARD, None, last_server=False))
    assert first is None
    assert second is not None
    assert (second.status, second.action, second.status_code, second.text) == (
        Status.BOUNCED, Action.FAILED, "5.1.1", "no such user",
    )  # fmt: skip
    assert (second.remote_mta, second.reply) == ("mx.test", "550 5.1.1 no such user")


def test_with_soft_bounce_it_is_held_back() -> None:
    progress, (first, _), _ = play(lambda it: it.fail([0], HARD, None, last_server=True), soft_bounce=True)
    assert first is not None
    assert (first.status, first.status_code, first.soft_bounced) == (Status.DEFERRED, "4.1.1", True)
    assert progress.destination_trouble is None


def test_a_probe_ends_undeliverable_whether_hard_or_soft() -> None:
    for failure in (HARD, MESSAGE):
        _, (first, _), _ = play(lambda it, f=failure: it.fail_all(f, None, last_server=True), probe=True)
        assert first is not None
        assert (first.status, first.status_code) == (Status.UNDELIVERABLE, failure.status)


def test_the_first_failure_of_the_site_is_the_one_that_counts() -> None:
    async def act(progress: Progress) -> None:
        await progress.fail([0], SITE, None, last_server=True)
        await progress.fail([1], SITE._replace(text="another"), None, last_server=True)

    progress, _, _ = play(act)
    assert progress.destination_trouble == DestinationTrouble("4.4.2", "lost connection")


@pytest.mark.parametrize("failure", [MESSAGE, HARD, HARD_SITE])
def test_other_failures_are_no_trouble_of_the_destination(failure: Failure) -> None:
    progress, _, _ = play(lambda it: it.fail_all(failure, None, last_server=True))
    assert progress.destination_trouble is None


def test_a_site_that_has_served_somebody_is_not_in_trouble() -> None:
    async def act(progress: Progress) -> None:
        progress.had_complete_session = True
        await progress.fail_all(SITE, None, last_server=True)

    assert play(act)[0].destination_trouble is None


@pytest.mark.parametrize(
    ("rule", "failure", "status", "trouble"),
    [
        ("/^4.4.2/ 5.4.2 enough", SITE, Status.BOUNCED, False),
        ("/^5.4.4/ 4.4.4 wait", HARD_SITE, Status.DEFERRED, True),
        ("/^5.1.1/ 4.1.1 wait", HARD, Status.DEFERRED, False),
    ],
)
def test_the_filter_has_its_say_before_anything_is_concluded(
    rule: str, failure: Failure, status: Status, trouble: bool, tmp_path: Any
) -> None:
    table = tmp_path / "filter"
    table.write_text(rule + "\n")
    progress, (first, _), _ = play(
        lambda it: it.fail_all(failure, None, last_server=True), smtp_delivery_status_filter=f"regexp:{table}"
    )
    assert first is not None
    assert first.status is status
    assert (progress.destination_trouble is not None) == trouble


def test_the_filter_is_not_asked_before_the_last_server(tmp_path: Any) -> None:
    table = tmp_path / "filter"
    table.write_text("/^4/ 5.0.0 no\n")
    _, outcomes, events = play(
        lambda it: it.fail_all(SITE, None, last_server=False), smtp_delivery_status_filter=f"regexp:{table}"
    )
    assert outcomes == (None, None)
    assert events == [ServerFailedSoftly("QID", "lost connection")]
