"""Keeping connections, and concurrency: one test for each parameter."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from delivery.scene import Scene, at
from mailrider.delivery.agent import DeliveryAgent
from mailrider.model.outcome import DeliveryReport, Outcome, Status
from mailrider.model.outcome import DestinationTrouble as Trouble
from mailrider.model.request import DeliveryRequest, Turn
from mailrider.net.deadline import DeadlineWheel
from mailrider.net.departures import Departures
from mailrider.queue.burst import Burst
from mailrider.queue.window import WindowTerms
from mailrider.testkit.peers import ScriptedServer
from mailrider.wiring import Engine
from test_wiring import with_engine
from virtual_time import VirtualClock, run

from .scenes import talk

HINTS = {"cache_load": True, "cache_store": True}
NO_HINTS = {"cache_load": False, "cache_store": False}


def connections(times: int, *, pause_seconds: float = 0.0, options: Any = HINTS, **settings: object) -> int:
    """How many connections so many messages make."""
    return len(talk(times=times, pause_seconds=pause_seconds, options=options, **settings).sessions)


@pytest.mark.parameter("smtp_connection_cache_on_demand")
def test_connections_are_kept_while_there_is_more_mail() -> None:
    assert connections(3) == 1
    assert connections(3, smtp_connection_cache_on_demand=False) == 3


@pytest.mark.parameter("smtp_connection_cache_destinations")
def test_connections_to_some_destinations_are_always_kept() -> None:
    assert connections(3, options=NO_HINTS) == 3
    assert connections(3, options=NO_HINTS, smtp_connection_cache_destinations="127.0.0.1") == 1
    assert connections(3, options=NO_HINTS, smtp_connection_cache_destinations="static:all") == 1
    assert connections(3, options=NO_HINTS, smtp_connection_cache_destinations="!127.0.0.1, static:all") == 3


@pytest.mark.parameter("smtp_connection_cache_time_limit")
def test_an_idle_connection_is_closed_in_time() -> None:
    settings: dict[str, object] = {"connection_cache_ttl_limit": "100s"}
    assert connections(2, pause_seconds=5, **settings) == 2
    assert connections(2, pause_seconds=5, smtp_connection_cache_time_limit="10s", **settings) == 1


@pytest.mark.parameter("connection_cache_ttl_limit")
def test_the_time_of_an_idle_connection_has_an_upper_bound() -> None:
    settings: dict[str, object] = {"smtp_connection_cache_time_limit": "100s"}
    assert connections(2, pause_seconds=5, **settings) == 2
    assert connections(2, pause_seconds=5, connection_cache_ttl_limit="10s", **settings) == 1


@pytest.mark.parameter("smtp_connection_reuse_time_limit")
def test_an_old_connection_takes_no_more_mail() -> None:
    settings: dict[str, object] = {"smtp_connection_cache_time_limit": "100s", "connection_cache_ttl_limit": "100s"}
    assert connections(4, pause_seconds=10, **settings) == 1
    assert connections(4, pause_seconds=10, smtp_connection_reuse_time_limit="15s", **settings) == 2


@pytest.mark.parameter("smtp_connection_reuse_count_limit")
def test_a_connection_is_used_so_often_and_no_more() -> None:
    assert connections(6) == 1
    assert connections(6, smtp_connection_reuse_count_limit=2) == 2


# Concurrency


SENT = Outcome(Status.SENT, "2.0.0", "250 Ok")
DEFERRED = Outcome(Status.DEFERRED, "4.4.1", "connect: refused")


class Job:
    """One message to one recipient."""

    def __init__(self, service: str, number: int) -> None:
        self.service = service
        self.destination = self.nexthop = "example.test"
        self.number = number
        self.outcome: Outcome | None = None

    def open(self, turn: Turn | None, *, cache_load: bool, cache_store: bool) -> DeliveryRequest:
        from mailrider.model.request import Envelope, Recipient
        from mailrider.spool.message import MemoryMessage

        return DeliveryRequest(Envelope("", (Recipient("b@example.test"),)), MemoryMessage(b""), self.nexthop, turn=turn)

    def report(self, report: DeliveryReport) -> None:
        self.outcome = report.outcomes[0]


def widths(count: int, *, fails: Any = (), service: str = "smtp", **settings: object) -> list[int]:
    """How many deliveries were at work together, at the end of each of `count`.  Those numbered in `fails` find no server."""
    terms = with_engine(lambda engine: engine.window_terms(service), **settings)
    at_work: list[int] = []

    async def main() -> None:
        busy = 0

        async def deliver(request: DeliveryRequest) -> DeliveryReport:
            nonlocal busy
            busy += 1
            await asyncio.sleep(1)
            at_work.append(busy)
            number = len(at_work) - 1
            await asyncio.sleep(0)
            busy -= 1
            return DeliveryReport((DEFERRED,), Trouble("4.4.1", "refused")) if number in fails else DeliveryReport((SENT,))

        burst = Burst(deliver, lambda name: terms, VirtualClock(), lambda event: None)
        await burst.run([Job(service, number) for number in range(count)])

    run(main())
    return at_work


@pytest.mark.parameter("default_destination_concurrency_limit")
def test_so_many_deliveries_go_to_a_destination_at_once() -> None:
    assert max(widths(60)) == 20
    assert max(widths(60, default_destination_concurrency_limit=3)) == 3


@pytest.mark.parameter("smtp_destination_concurrency_limit", "transport_destination_concurrency_limit")
def test_a_service_has_a_limit_of_its_own() -> None:
    assert max(widths(60, smtp_destination_concurrency_limit=4)) == 4
    assert max(widths(60, service="relay", smtp_destination_concurrency_limit=4)) == 20
    assert max(widths(60, service="relay", relay_destination_concurrency_limit=6)) == 6


@pytest.mark.parameter("initial_destination_concurrency", "transport_initial_destination_concurrency")
def test_the_window_begins_narrow() -> None:
    assert widths(20)[0] == 5
    assert widths(20, initial_destination_concurrency=2)[0] == 2
    assert widths(20, service="relay", relay_initial_destination_concurrency=3)[0] == 3


@pytest.mark.parameter(
    "default_destination_concurrency_positive_feedback", "transport_destination_concurrency_positive_feedback"
)
def test_good_deliveries_widen_the_window() -> None:
    fixed = {"initial_destination_concurrency": 2}
    assert max(widths(12, default_destination_concurrency_positive_feedback=0, **fixed)) == 2
    assert max(widths(12, default_destination_concurrency_positive_feedback=1, **fixed)) > 4
    assert max(widths(12, service="relay", relay_destination_concurrency_positive_feedback=0, **fixed)) == 2


@pytest.mark.parameter(
    "default_destination_concurrency_negative_feedback", "transport_destination_concurrency_negative_feedback"
)
def test_failures_of_the_site_narrow_the_window() -> None:
    fixed: dict[str, object] = {
        "default_destination_concurrency_positive_feedback": 0,
        "default_destination_concurrency_failed_cohort_limit": 0,
        "initial_destination_concurrency": 4,
    }
    narrowed = widths(12, fails=range(2), **fixed)
    assert min(narrowed[4:9]) < 4
    assert max(widths(12, fails=range(2), default_destination_concurrency_negative_feedback=0, **fixed)[4:9]) == 4
    kept = widths(12, fails=range(2), service="relay", relay_destination_concurrency_negative_feedback=0, **fixed)
    assert max(kept[4:9]) == 4


@pytest.mark.parameter(
    "default_destination_concurrency_failed_cohort_limit", "transport_destination_concurrency_failed_cohort_limit"
)
def test_after_windows_full_of_failures_a_destination_is_dead() -> None:
    always = range(100)
    assert len(widths(30, fails=always)) < 30
    assert len(widths(30, fails=always, default_destination_concurrency_failed_cohort_limit=0)) == 30
    assert len(widths(30, fails=always, service="relay", relay_destination_concurrency_failed_cohort_limit=0)) == 30


@pytest.mark.parameter("minimal_backoff_time")
def test_a_dead_destination_is_tried_again_after_a_while() -> None:
    terms = with_engine(lambda engine: engine.window_terms("smtp"), minimal_backoff_time="50s")

    async def main(pause_seconds: float) -> int:
        attempts = 0

        async def deliver(request: DeliveryRequest) -> DeliveryReport:
            nonlocal attempts
            attempts += 1
            return DeliveryReport((DEFERRED,), Trouble("4.4.1", "refused"))

        burst = Burst(deliver, lambda name: terms, VirtualClock(), lambda event: None)
        await burst.run([Job("smtp", number) for number in range(20)])
        before = attempts
        await asyncio.sleep(pause_seconds)
        await burst.run([Job("smtp", 0)])
        return attempts - before

    assert run(main(40)) == 0
    assert run(main(60)) == 1


def limits_of(**settings: object) -> list[int]:
    def read(engine: Engine) -> list[int]:
        return [engine.recipient_limit(name) for name in ("smtp", "lmtp", "relay")]

    return with_engine(read, **settings)


@pytest.mark.parameter("default_destination_recipient_limit")
def test_so_many_recipients_go_in_one_delivery() -> None:
    assert limits_of() == [50, 50, 50]
    assert limits_of(default_destination_recipient_limit=2) == [2, 2, 2]


@pytest.mark.parameter("smtp_destination_recipient_limit", "transport_destination_recipient_limit")
def test_recipients_are_limited_for_each_service() -> None:
    assert limits_of(smtp_destination_recipient_limit=3, relay_destination_recipient_limit=1) == [3, 50, 1]


def envelopes_sent_ahead(**settings: object) -> int:
    """How often the envelope of a message left together with the end of the one before, in a burst of six."""

    async def main() -> int:
        async with ScriptedServer() as peer, Scene(**settings) as scene:
            loop = asyncio.get_running_loop()
            wheel = DeadlineWheel(loop, Departures(loop))
            agent = DeliveryAgent(scene.profile, scene.directory, wheel, scene.clock)
            window = {"smtp": WindowTerms(initial=1, limit=1, failed_cohort_limit=0)}

            def deliver(request: DeliveryRequest) -> Coroutine[Any, Any, DeliveryReport]:
                return agent.deliver(request, scene.keeper)

            burst = Burst(deliver, window.__getitem__, scene.clock, lambda event: None)
            await burst.run([SceneJob(scene, at(peer), number) for number in range(6)])
            await agent.close()
            assert len(peer.messages) == 6
            return sum(b"\r\n.\r\nRSET\r\nMAIL FROM" in octets for session in peer.sessions for octets in session.reads)

    return run(main())


class SceneJob(Job):
    """One message to one recipient of a scene."""

    def __init__(self, scene: Scene, nexthop: str, number: int) -> None:
        super().__init__("smtp", number)
        self._scene = scene
        self.destination = self.nexthop = nexthop

    def open(self, turn: Turn | None, *, cache_load: bool, cache_store: bool) -> DeliveryRequest:
        hints = {"cache_load": cache_load, "cache_store": cache_store}
        return self._scene.request(self.nexthop, f"r{self.number}", turn=turn, **hints)


@pytest.mark.parameter("smtp_pipelining_across_messages")
def test_the_next_envelope_may_ride_with_the_end_of_a_message() -> None:
    assert envelopes_sent_ahead(smtp_pipelining_across_messages=True) >= 4
    assert envelopes_sent_ahead(smtp_pipelining_across_messages=False) == 0
