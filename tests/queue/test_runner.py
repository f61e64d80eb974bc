"""The queue at work: what becomes of mail over days, in virtual time."""

from __future__ import annotations

import asyncio
import email
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from yard import BOUNCED, DEFERRED, SENT, TROUBLE, Yard, refused

from mailrider.events import Warned
from mailrider.model.outcome import DestinationTrouble, Outcome
from mailrider.model.request import DeliveryRequest, Notify, Recipient
from mailrider.queue.dispatcher import ClogTerms
from mailrider.queue.runner import RunnerTerms
from mailrider.queue.schedule import ScheduleTerms
from mailrider.queue.window import WindowTerms
from mailrider.spool.spool import Order, Selection
from virtual_time import run

DAY = 86_400.0
ALL = Selection(everything=True)


def play(scene: Callable[[], Coroutine[Any, Any, None]], days: float = 7) -> None:
    run(scene(), limit_seconds=days * DAY)


def test_what_is_delivered_is_gone() -> None:
    async def scene() -> None:
        async with Yard() as yard:
            queue_id = await yard.send("b@dest.example", "c@dest.example", "d@other.example")
            await asyncio.sleep(1)
            assert sorted(len(request.envelope.recipients) for _, request in yard.agent.begun) == [1, 2]
            assert yard.diary.lines == [("active", queue_id), ("removed", queue_id)]
            assert (await yard.spool.stats()).messages == 0
            assert yard.runner.active == 0

    play(scene)


def test_the_retries_are_those_of_qmgr() -> None:
    """Recorded: a message that arrives 10 s after the queue manager began, and is always deferred."""

    async def scene() -> None:
        async with Yard(schedule=ScheduleTerms(lifetime_seconds=20_000)) as yard:
            yard.agent.answer = lambda request, recipient: DEFERRED
            await asyncio.sleep(10)
            queue_id = await yard.send("b@dest.example")
            await asyncio.sleep(DAY)
            assert [int(seconds) for seconds in yard.times[:8]] == [10, 600, 1200, 2400, 4800, 9000, 13_200, 17_400]
            expired = [line for line in yard.diary.lines if line[0] == "expired"]
            assert expired == [("expired", queue_id)]
            assert int(yard.times[8]) == 21_600  # the first after its lifetime: tried once more, then returned

    play(scene)


async def notices(yard: Yard) -> list[tuple[str, str, str]]:
    """Sender, recipient and subject of the notices that were delivered."""
    return [
        (request.envelope.sender, request.envelope.recipients[0].address, subject(request))
        for _, request in yard.agent.begun
        if not request.envelope.sender or request.envelope.sender.startswith("double-bounce")
    ]


def subject(request: DeliveryRequest) -> str:
    return SUBJECTS[request.queue_id]


SUBJECTS: dict[str, str] = {}


def answer_and_read(answer: Callable[[DeliveryRequest, Recipient], Any]) -> Callable[[DeliveryRequest, Recipient], Any]:
    """Remember the subjects of notices, which are gone with them."""

    def deliver(request: DeliveryRequest, recipient: Recipient) -> Any:
        mail = email.message_from_bytes(b"".join(request.content.chunks()))
        SUBJECTS[request.queue_id] = f"{mail['Subject']}"
        return answer(request, recipient)

    return deliver


def refuse(request: DeliveryRequest, recipient: Recipient) -> Outcome:
    return BOUNCED if recipient.address.startswith("bad") else SENT


def test_who_is_refused_is_told_of_in_one_notice() -> None:
    async def scene() -> None:
        async with Yard(classes=["bounce"]) as yard:
            yard.agent.answer = answer_and_read(refuse)
            queue_id = await yard.send("bad1@dest.example", "good@dest.example", "bad2@other.example")
            await asyncio.sleep(10)
            assert sorted(await notices(yard)) == [
                ("", "a@here.example", "Undelivered Mail Returned to Sender"),
                ("double-bounce@mail.here.example", "postmaster@here.example", "Postmaster Copy: Undelivered Mail"),
            ]
            assert ("removed", queue_id) in yard.diary.lines
            assert (await yard.spool.stats()).messages == 0

    play(scene)


def test_a_notice_that_bounces_is_not_answered() -> None:
    async def scene() -> None:
        async with Yard() as yard:
            yard.agent.answer = lambda request, recipient: BOUNCED
            await yard.send("bad@dest.example")
            await asyncio.sleep(10)
            assert len(yard.agent.begun) == 2
            assert (await yard.spool.stats()).messages == 0

    play(scene)


def test_a_double_bounce_that_bounces_is_discarded_with_a_warning() -> None:
    async def scene() -> None:
        async with Yard(classes=["2bounce"]) as yard:
            yard.agent.answer = lambda request, recipient: BOUNCED
            await yard.send("bad@dest.example", sender="")
            await asyncio.sleep(10)
            assert [request.envelope.sender for _, request in yard.agent.begun] == ["", "double-bounce@mail.here.example"]
            warnings = [line[1] for line in yard.diary.lines if line[0] == "warning"]
            assert warnings == ["undeliverable postmaster notification discarded"]
            assert (await yard.spool.stats()).messages == 0

    play(scene)


def test_success_is_told_where_it_was_asked_for_and_nobody_else_will() -> None:
    async def scene() -> None:
        async with Yard() as yard:
            yard.agent.answer = answer_and_read(
                lambda request, recipient: SENT._replace(passes_notice_on=recipient.address.startswith("dsn"))
            )
            await yard.send("b@dest.example", "dsn@dest.example", notify=Notify.SUCCESS)
            await asyncio.sleep(10)
            assert await notices(yard) == [("", "a@here.example", "Successful Mail Delivery Report")]

    play(scene)


@pytest.mark.parameter("delay_warning_time")
def test_the_sender_is_warned_once() -> None:
    async def scene() -> None:
        async with Yard(schedule=ScheduleTerms(warning_seconds=3600), classes=["delay"]) as yard:
            yard.agent.answer = answer_and_read(
                lambda request, recipient: DEFERRED if request.envelope.sender == "a@here.example" else SENT
            )
            await yard.send("b@dest.example")
            await asyncio.sleep(DAY)
            assert sorted(await notices(yard)) == [
                ("", "a@here.example", "Delayed Mail (still being retried)"),
                ("double-bounce@mail.here.example", "postmaster@here.example", "Postmaster Warning: Delayed Mail"),
            ]

    play(scene)


@pytest.mark.parameter("maximal_queue_lifetime")
def test_what_is_too_old_goes_back_with_its_last_reason() -> None:
    async def scene() -> None:
        async with Yard(schedule=ScheduleTerms(lifetime_seconds=0)) as yard:
            yard.agent.answer = answer_and_read(
                lambda request, recipient: DEFERRED if request.envelope.sender == "a@here.example" else SENT
            )
            queue_id = await yard.send("b@dest.example")
            await asyncio.sleep(10)
            assert ("expired", queue_id) in yard.diary.lines
            assert await notices(yard) == [("", "a@here.example", "Undelivered Mail Returned to Sender")]

    play(scene)


@pytest.mark.parameter("default_destination_concurrency_failed_cohort_limit")
def test_a_dead_destination_is_left_alone_and_the_others_are_not_slower() -> None:
    async def scene() -> None:
        async with Yard(window=WindowTerms(initial=2, limit=2)) as yard:
            yard.agent.answer = lambda request, recipient: (
                (DEFERRED, TROUBLE) if request.nexthop == "dead.example" else SENT
            )
            for number in range(20):
                await yard.send(f"u{number}@dead.example")
            await yard.send("b@live.example")
            await asyncio.sleep(5)
            tried = [request.nexthop for _, request in yard.agent.begun]
            assert tried.count("dead.example") == 2  # one pseudo-cohort
            assert tried.count("live.example") == 1
            texts = {text for number in range(20) for text in yard.outcomes(f"u{number}@dead.example")}
            assert texts == {
                "deferred 4.4.1 connect to mx: refused",
                "deferred 4.4.1 delivery temporarily suspended: connect to mx: refused",
            }
            await yard.send("late@dead.example")
            await asyncio.sleep(1)
            assert yard.outcomes("late@dead.example")[0].startswith("deferred 4.4.1 delivery temporarily suspended")

    play(scene)


def test_a_flush_brings_dead_destinations_back() -> None:
    async def scene() -> None:
        async with Yard(window=WindowTerms(initial=1, limit=1)) as yard:
            yard.agent.answer = lambda request, recipient: (DEFERRED, TROUBLE)
            await yard.send("b@dead.example")
            await asyncio.sleep(1)
            yard.agent.answer = lambda request, recipient: SENT
            await yard.spool.administer(Order.FLUSH, ALL)
            await asyncio.sleep(1)
            assert len(yard.agent.begun) == 2
            assert (await yard.spool.stats()).messages == 0

    play(scene)


@pytest.mark.parameter("defer_transports")
def test_a_flush_is_heard_before_the_mail_that_it_brings_is_looked_at() -> None:
    """However busy the queue is, and whenever the flush comes: here while a lease is under way."""

    async def scene() -> None:
        async with Yard(window=WindowTerms(initial=1, failed_cohort_limit=1)) as yard:
            yard.agent.answer = lambda request, recipient: (DEFERRED, TROUBLE)
            await yard.send("b@dest.example")
            await asyncio.sleep(1)
            assert len(yard.times) == 1
            yard.agent.answer = lambda request, recipient: SENT
            lease, flushed = yard.spool.lease, []

            async def flush_and_lease(*given: Any, **more: Any) -> Any:
                if not flushed:
                    flushed.append(await yard.spool.administer(Order.FLUSH, ALL))
                return await lease(*given, **more)

            yard.spool.lease = flush_and_lease
            await yard.send("c@other.example")
            await asyncio.sleep(1)
            assert flushed
            assert yard.outcomes("b@dest.example")[1:] == ["sent 2.0.0 250 Ok"]

    play(scene)


def test_a_deferred_transport_waits_for_a_flush() -> None:
    async def scene() -> None:
        async with Yard(terms=RunnerTerms(defer_transports=frozenset({"smtp"}))) as yard:
            await yard.send("b@dest.example")
            await asyncio.sleep(1000)
            assert yard.agent.begun == []
            assert set(yard.outcomes("b@dest.example")) == {"deferred 4.3.2 deferred transport"}
            await yard.spool.administer(Order.FLUSH, ALL)
            await asyncio.sleep(1)
            assert len(yard.agent.begun) == 1

    play(scene)


@pytest.mark.parameter("transport_maps")
def test_some_transports_need_no_server() -> None:
    async def scene() -> None:
        async with Yard() as yard:
            await yard.send("b@wrong.example", "c@hole.example", "d@slow.example", "e@unknown.service", sender="")
            await yard.send("double-bounce@mail.here.example", sender="")
            await asyncio.sleep(1)
            assert yard.outcomes("b@wrong.example") == ["bounced 5.1.2 no such place"]
            assert yard.outcomes("c@hole.example") == ["sent 2.0.0 gone"]
            assert yard.outcomes("d@slow.example") == ["deferred 4.0.0 later"]
            discarded = "sent 2.0.0 undeliverable postmaster notification discarded"
            assert yard.outcomes("double-bounce@mail.here.example") == [discarded]

    play(scene)


@pytest.mark.parameter("default_destination_recipient_limit", "transport_destination_recipient_limit")
def test_recipients_go_in_portions() -> None:
    async def scene() -> None:
        async with Yard(recipient_limit=2) as yard:
            await yard.send(*[f"u{number}@dest.example" for number in range(5)])
            await asyncio.sleep(1)
            assert sorted(len(request.envelope.recipients) for _, request in yard.agent.begun) == [1, 2, 2]

    play(scene)


def test_with_one_recipient_at_a_time_each_mailbox_is_a_destination() -> None:
    async def scene() -> None:
        async with Yard(recipient_limit=1, window=WindowTerms(initial=1, limit=1)) as yard:
            yard.agent.seconds = 10
            await yard.send(*[f"u{number}@dest.example" for number in range(5)])
            await asyncio.sleep(1)
            assert yard.agent.busiest == 5

    play(scene)


@pytest.mark.parameter("default_destination_rate_delay", "transport_destination_rate_delay")
def test_a_rate_delay_counts_from_the_end_of_one_to_the_beginning_of_the_next() -> None:
    async def scene() -> None:
        async with Yard(rate_delay=5, window=WindowTerms(initial=1, limit=1)) as yard:
            yard.agent.seconds = 2
            for number in range(3):
                await yard.send(f"u{number}@dest.example")
            await asyncio.sleep(100)
            assert yard.times == [0, 7, 14]
            await yard.send("late@dest.example")
            await asyncio.sleep(1)
            assert yard.times[3] == 100

    play(scene)


@pytest.mark.parameter("default_destination_rate", "transport_destination_rate")
def test_a_rate_is_kept_evenly_at_each_destination() -> None:
    async def scene() -> None:
        async with Yard(interval=0.5) as yard:
            for number in range(4):
                await yard.send(f"u{number}@one.example")
                await yard.send(f"u{number}@two.example")
            await asyncio.sleep(10)
            for nexthop in ("one.example", "two.example"):
                times = [seconds for seconds, request in yard.agent.begun if request.nexthop == nexthop]
                assert [round(seconds, 3) for seconds in times] == [0, 0.5, 1, 1.5]

    play(scene)


@pytest.mark.parameter(
    "default_transport_rate", "transport_transport_rate", "default_transport_rate_delay", "transport_transport_rate_delay"
)
def test_a_transport_rate_is_kept_over_all_destinations() -> None:
    async def scene() -> None:
        async with Yard(transport_interval=2) as yard:
            for number in range(4):
                await yard.send(f"u{number}@d{number}.example")
            await asyncio.sleep(10)
            assert yard.times == [0, 2, 4, 6]

    play(scene)


@pytest.mark.parameter("deliveries_limit")
def test_no_more_deliveries_than_the_service_may_have_and_destinations_take_turns() -> None:
    async def scene() -> None:
        async with Yard(deliveries=2) as yard:
            yard.agent.seconds = 1
            for number in range(4):
                for domain in range(3):
                    await yard.send(f"u{number}@d{domain}.example")
            await asyncio.sleep(100)
            assert yard.agent.busiest == 2
            assert len(yard.agent.begun) == 12
            assert {request.nexthop for _, request in yard.agent.begun[:6]} == {"d0.example", "d1.example", "d2.example"}

    play(scene)


@pytest.mark.parameter(
    "initial_destination_concurrency", "default_destination_concurrency_limit", "transport_destination_concurrency_limit"
)
def test_the_window_opens_while_deliveries_work() -> None:
    async def scene() -> None:
        async with Yard(window=WindowTerms(initial=2, limit=4)) as yard:
            yard.agent.seconds = 1
            for number in range(30):
                await yard.send(f"u{number}@dest.example")
            await asyncio.sleep(0.5)
            assert yard.agent.busiest == 2
            await asyncio.sleep(100)
            assert yard.agent.busiest == 4
            assert len(yard.agent.begun) == 30

    play(scene)


def test_a_small_message_does_not_wait_for_a_mailing() -> None:
    async def scene() -> None:
        async with Yard(recipient_limit=1, window=WindowTerms(initial=1, limit=1)) as yard:
            yard.agent.seconds = 1
            yard._limit = 2
            await yard.send(*[f"u{number}@dest.example" for number in range(100)], sender="news@here.example")
            await yard.send("b@dest.example", sender="c@here.example")
            await asyncio.sleep(5)
            senders = [request.envelope.sender for _, request in yard.agent.begun]
            assert "c@here.example" in senders[:3]

    play(scene)


def test_a_message_in_doubt_goes_to_the_same_server_first_and_says_so() -> None:
    async def scene() -> None:
        async with Yard() as yard:
            server = "mx2.dest.example[192.0.2.2]:25"
            text = "lost connection while sending end of data"
            lost = DEFERRED._replace(relay=server, in_doubt=True, text=text)
            yard.agent.answer = lambda request, recipient: SENT if request.doubtful_server else lost
            queue_id = await yard.send("b@dest.example", "c@other.example")
            await asyncio.sleep(1)
            stored = await yard.spool.show(queue_id)
            assert stored is not None
            assert stored.recipients[0].in_doubt is not None
            assert stored.recipients[0].in_doubt.server == server
            assert stored.recipients[0].latest is not None
            assert stored.recipients[0].latest.outcome.text == f"{text} (possibly delivered)"
            assert ("doubted", queue_id, "b@dest.example", server) in yard.diary.lines
            await asyncio.sleep(1000)
            assert [request.doubtful_server for _, request in yard.agent.begun] == ["", "", server, server]
            assert (await yard.spool.stats()).messages == 0

    play(scene)


def test_a_fault_of_ours_makes_mail_wait_and_stops_nobody() -> None:
    async def scene() -> None:
        async with Yard() as yard:
            yard.agent.answer = lambda request, recipient: ValueError("oops") if recipient.address[0] == "x" else SENT
            await yard.send("b@dest.example", "x@dest.example")
            await yard.send("c@dest.example")
            await asyncio.sleep(1)
            assert yard.outcomes("x@dest.example") == ["deferred 4.3.0 unknown mail transport error"]
            assert yard.outcomes("b@dest.example") == ["sent 2.0.0 250 Ok"]
            assert yard.outcomes("c@dest.example") == ["sent 2.0.0 250 Ok"]
            faults = [event.text for event in yard.events if isinstance(event, Warned)]
            assert len(faults) == 1
            assert faults[0].startswith("internal error: ValueError: oops at ")

    play(scene)


def test_what_has_not_begun_goes_back_untouched_when_the_node_stops() -> None:
    async def scene() -> None:
        async with Yard(window=WindowTerms(initial=1, limit=1)) as yard:
            yard.agent.seconds = 10
            for number in range(5):
                await yard.send(f"u{number}@dest.example")
            await asyncio.sleep(1)
            yard.runner.stop()
            await asyncio.sleep(20)
            assert len(yard.agent.begun) == 1
            stats = await yard.spool.stats()
            assert (stats.messages, stats.due) == (4, 4)

    play(scene)


class Refusing:
    """A spool whose storage refuses the first changes."""

    def __init__(self, clock: Any) -> None:
        from mailrider.spool.memory import MemorySpool

        self._spool = MemorySpool(clock)
        self.refusals = 3

    def __getattr__(self, name: str) -> Any:
        return getattr(self._spool, name)

    async def __aenter__(self) -> Any:
        return await self._spool.__aenter__()

    async def __aexit__(self, *rest: object) -> None:
        await self._spool.__aexit__(*rest)

    def settle(self, lease: Any, settlements: Any) -> Any:
        if self.refusals:
            self.refusals -= 1
            return refused()
        return self._spool.settle(lease, settlements)


def test_what_was_delivered_is_not_delivered_again_where_the_storage_refuses() -> None:
    async def scene() -> None:
        async with Yard(spool=Refusing) as yard:
            queue_id = await yard.send("b@dest.example")
            await asyncio.sleep(DAY)
            assert len(yard.agent.begun) == 1
            assert ("removed", queue_id) in yard.diary.lines
            assert [line[1] for line in yard.diary.lines if line[0] == "warning"] == [
                "the queue cannot be written; trying again in 1 s",
                "the queue cannot be written; trying again in 2 s",
                "the queue cannot be written; trying again in 4 s",
            ]

    play(scene)


@pytest.mark.parameter("qmgr_message_active_limit", "qmgr_message_recipient_limit")
def test_no_more_is_in_memory_than_may_be() -> None:
    async def scene() -> None:
        async with Yard(terms=RunnerTerms(messages_limit=3), window=WindowTerms(initial=1, limit=1)) as yard:
            yard.agent.seconds = 1
            most = 0
            for number in range(10):
                await yard.send(f"u{number}@dest.example")
            for _ in range(30):
                await asyncio.sleep(0.5)
                most = max(most, yard.runner.active)
            assert most == 3
            assert len(yard.agent.begun) == 10

    play(scene)


def test_trouble_of_one_destination_is_told_to_its_window_alone() -> None:
    async def scene() -> None:
        trouble = DestinationTrouble("4.4.2", "lost")
        async with Yard(window=WindowTerms(initial=5, limit=20)) as yard:
            yard.agent.answer = lambda request, recipient: (DEFERRED, trouble)
            await yard.send("b@dest.example")
            await asyncio.sleep(1)
            assert yard.dispatcher.graves() == {}
            assert yard.dispatcher.describe() == {}

    play(scene)


@pytest.mark.parameter("qmgr_clog_warn_time")
def test_a_destination_that_fills_the_queue_is_told_of_now_and_then() -> None:
    async def scene() -> None:
        window = WindowTerms(initial=1, limit=1)
        async with Yard(window=window, recipient_limit=2, clog=ClogTerms(4, 100.0)) as yard:
            yard.agent.seconds = 30
            await yard.send("a@other.example")
            for number in range(8):
                await yard.send(f"u{number}@busy.example")
            await asyncio.sleep(99)
            told = [it.text for it in yard.events if isinstance(it, Warned)]
            assert told == [
                "mail for busy.example is using up 5 of 6 active queue entries",
                "this may slow down other mail deliveries",
                "you may need to increase the main.cf smtp_destination_concurrency_limit from 1",
                "to turn off these warnings specify: qmgr_clog_warn_time = 0",
            ]
            await yard.send("more@busy.example")
            assert len([it for it in yard.events if isinstance(it, Warned)]) == 4
            await asyncio.sleep(2)
            await yard.send("still@busy.example")
            await asyncio.sleep(1)
            told = [it.text for it in yard.events if isinstance(it, Warned)][4:]
            assert told == [
                "mail for busy.example is using up 7 of 7 active queue entries",
                "you may need to increase the main.cf smtp_destination_concurrency_limit from 1",
                "to turn off these warnings specify: qmgr_clog_warn_time = 0",
            ]
            yard.agent.seconds = 0

    play(scene)
