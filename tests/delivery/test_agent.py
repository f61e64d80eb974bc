"""Requests in, settled recipients out: hints, kept connections, delays, many at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mailrider.delivery.agent import FAREWELL_SECONDS
from mailrider.errors import WrongUsage
from mailrider.events import ConnectionClosed, ConnectionOpened
from mailrider.model.outcome import Delays, DeliveryReport
from mailrider.model.request import Transport
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule
from virtual_time import come_to_rest, run

from .scene import NOWHERE, Scene, at, nobody, server_of, statuses

KEEP = {"cache_load": True, "cache_store": True}


def uses(*reports: DeliveryReport) -> list[int]:
    return [outcome.connection_use for report in reports for outcome in report.outcomes if outcome is not None]


@pytest.mark.parametrize("nexthop", ["", "[127.0.0.1]:0", "[127.0.0.1", "a b:c", "-", "unix:/x"])
def test_a_next_hop_that_makes_no_sense_is_refused_before_anything_is_done(nexthop: str) -> None:
    async def main() -> None:
        async with Scene() as scene:
            with pytest.raises(WrongUsage):
                scene.agent.check_nexthop(nexthop)
            with pytest.raises(WrongUsage):
                await scene.deliver(nexthop)
            assert scene.keeper.settled == []

    run(main())


# Kept connections


def test_connections_are_not_kept_without_a_hint() -> None:
    async def main() -> None:
        async with ScriptedServer() as peer, Scene() as scene:
            for _ in range(3):
                await scene.deliver(at(peer), cache_load=False, cache_store=False)
            assert len(peer.sessions) == 3

    run(main())


def test_hints_are_made_from_the_traffic_where_none_are_given() -> None:
    """The second delivery right after the first keeps its connection; from the third on it is used."""

    async def main() -> None:
        async with ScriptedServer() as peer, Scene() as scene:
            reports = [await scene.deliver(at(peer)) for _ in range(4)]
            assert uses(*reports) == [1, 1, 2, 3]
            assert len(peer.sessions) == 2
            await asyncio.sleep(5)
            assert uses(await scene.deliver(at(peer))) == [1]

    run(main())


def test_a_hint_that_is_given_wins() -> None:
    async def main() -> None:
        async with ScriptedServer() as peer, Scene() as scene:
            reports = [await scene.deliver(at(peer), cache_load=True, cache_store=number == 0) for number in range(3)]
            assert uses(*reports) == [1, 2, 1]
            assert [session.commands.count("QUIT") for session in peer.sessions] == [1, 1]

    run(main())


def test_a_kept_connection_is_probed_with_rset_that_rides_in_front() -> None:
    async def main() -> None:
        async with ScriptedServer() as peer, Scene() as scene:
            await scene.deliver(at(peer), **KEEP)
            await asyncio.sleep(1)
            assert uses(await scene.deliver(at(peer), **KEEP)) == [2]
            (session,) = peer.sessions
            assert session.commands[-4:] == [
                "RSET", "MAIL FROM:<a@example.test> SIZE=20", "RCPT TO:<b@example.test> ORCPT=rfc822;b@example.test", "DATA",
            ]  # fmt: skip
            assert any(octets.startswith(b"RSET\r\nMAIL FROM") and octets.endswith(b"DATA\r\n") for octets in session.reads)

    run(main())


@pytest.mark.parametrize(
    "death",
    [
        Rule(match="^RSET", reply="421 4.4.2 idle for too long", then="close"),
        Rule(match="^RSET", then="reset"),
        Rule(match="^RSET", then="silence"),
        Rule(match="^RSET", reply="500 what?"),
    ],
)
@pytest.mark.parametrize("soft_failures_before", [False, True])
def test_a_dead_kept_connection_costs_a_reconnect_and_no_deferral(death: Rule, soft_failures_before: bool) -> None:
    async def main() -> None:
        async with ScriptedServer(death) as peer, Scene(routes={}) as scene:
            await scene.deliver(at(peer), **KEEP)
            report = await scene.deliver(at(peer), "b", "c", **KEEP)
            assert statuses(report) == ["sent 2.0.0"] * 2
            assert uses(report) == [1, 1]
            assert len(peer.sessions) == 2
            assert scene.soft_failures == []
            assert report.destination_trouble is None

    run(main())


def test_all_kept_connections_may_be_dead() -> None:
    async def main() -> None:
        death = Rule(match="^RSET", then="close")
        async with ScriptedServer(death) as peer, Scene() as scene:
            await asyncio.gather(*(scene.deliver(at(peer), **KEEP) for _ in range(4)))
            assert len(peer.sessions) == 4
            assert statuses(await scene.deliver(at(peer), **KEEP)) == ["sent 2.0.0"]
            assert len(peer.sessions) == 5
            assert [session.ended for session in peer.sessions[:4]] == ["server"] * 4

    run(main())


def test_a_connection_that_dies_later_defers_as_a_new_one_would() -> None:
    async def main() -> None:
        async with ScriptedServer(Rule(match="^RCPT", nth=2, then="close")) as peer, Scene() as scene:
            await scene.deliver(at(peer), **KEEP)
            report = await scene.deliver(at(peer), **KEEP)
            assert statuses(report) == ["deferred 4.4.2"]
            assert uses(report) == [2]

    run(main())


def test_a_kept_connection_skips_dead_servers_in_front_of_its_own() -> None:
    async def main() -> None:
        async with ScriptedServer() as peer:
            routes = {"x.test": [nobody(preference=10), server_of(peer, preference=20)]}
            async with Scene(routes=routes) as scene:
                await scene.deliver("x.test", **KEEP)
                await scene.deliver("x.test", **KEEP)
                assert len(scene.failed_connections) == 1
                assert len(peer.sessions) == 1

    run(main())


def test_a_kept_connection_serves_another_destination_with_the_same_server() -> None:
    async def main() -> None:
        async with ScriptedServer() as peer:
            routes = {"x.test": [server_of(peer)], "y.test": [server_of(peer)]}
            async with Scene(routes=routes) as scene:
                reports = [await scene.deliver(f"{name}.test", **KEEP) for name in "xyx"]
                assert uses(*reports) == [1, 2, 3]

    run(main())


def test_a_message_that_asks_for_smtputf8_has_connections_of_its_own() -> None:
    async def main() -> None:
        async with ScriptedServer(keywords=("SMTPUTF8", "8BITMIME")) as peer, Scene() as scene:
            reports = [await scene.deliver(at(peer), smtputf8=utf8, **KEEP) for utf8 in (False, True, False, True)]
            assert uses(*reports) == [1, 1, 2, 2]

    run(main())


def test_services_have_connections_of_their_own() -> None:
    async def main() -> None:
        async with ScriptedServer() as peer, Scene() as scene:
            reports = [await scene.deliver(at(peer), service=name, **KEEP) for name in ("smtp", "relay", "smtp")]
            assert uses(*reports) == [1, 1, 2]

    run(main())


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"smtp_connection_reuse_count_limit": 1}, [1, 2, 1, 2]),
        ({"smtp_connection_reuse_time_limit": "2s"}, [1, 2, 3, 1]),
        ({"smtp_connection_cache_on_demand": False}, [1, 1, 1, 1]),
        ({"smtp_connection_cache_on_demand": False, "smtp_connection_cache_destinations": "127.0.0.1"}, [1, 2, 3, 4]),
        ({"smtp_connection_cache_time_limit": "1s"}, [1, 1, 1, 1]),
    ],
)
def test_the_settings_say_how_long_a_connection_is_kept(settings: dict[str, Any], expected: list[int]) -> None:
    async def main() -> None:
        async with ScriptedServer() as peer, Scene(**settings) as scene:
            reports = []
            for _ in range(4):
                reports.append(await scene.deliver(at(peer), **KEEP))
                await asyncio.sleep(1.2)
            assert uses(*reports) == expected

    run(main())


@pytest.mark.parametrize(
    "rule",
    [
        Rule(match="^RCPT", nth=1, reply="500 5.5.2 what?"),
        Rule(on="dot", nth=1, reply="503 5.5.1 what?"),
        Rule(match="^MAIL", nth=1, raw=b"hello\r\n250 ok\r\n"),
        Rule(on="dot", nth=1, raw=b"250 ok\r\n250 ok\r\n"),
    ],
)
def test_a_connection_on_which_something_odd_was_said_is_not_kept(rule: Rule) -> None:
    async def main() -> None:
        async with ScriptedServer(rule) as peer, Scene() as scene:
            await scene.deliver(at(peer), **KEEP)
            await come_to_rest()
            await scene.deliver(at(peer), **KEEP)
            assert len(peer.sessions) == 2

    run(main())


@pytest.mark.parametrize("rule", [Rule(match="^RCPT", nth=1, reply="550 no"), Rule(on="dot", nth=1, reply="451 no")])
def test_a_plain_refusal_is_no_reason_to_give_a_connection_up(rule: Rule) -> None:
    async def main() -> None:
        async with ScriptedServer(rule) as peer, Scene() as scene:
            await scene.deliver(at(peer), **KEEP)
            await asyncio.sleep(0.1)
            assert uses(await scene.deliver(at(peer), **KEEP)) == [2]

    run(main())


def test_each_connection_is_told_when_it_opens_and_when_it_closes() -> None:
    async def main() -> None:
        async with ScriptedServer() as peer, Scene() as scene:
            await scene.deliver(at(peer), **KEEP)
            await scene.deliver(at(peer), **KEEP)
            await asyncio.sleep(3)
            assert len(scene.told(ConnectionOpened)) == 1
            assert [event.uses for event in scene.told(ConnectionClosed)] == [2]
            assert peer.sessions[0].ended == "client"
            assert "QUIT" not in peer.sessions[0].commands  # an idle one is just closed

    run(main())


def test_closing_the_agent_closes_what_it_keeps() -> None:
    async def main() -> None:
        async with ScriptedServer() as peer:
            async with Scene() as scene:
                await asyncio.gather(*(scene.deliver(at(peer), **KEEP) for _ in range(5)))
            await peer.wait_until_alone()
            assert len(scene.told(ConnectionClosed)) == 5

    run(main())


@pytest.mark.parametrize(("answer_seconds", "waited_seconds"), [(0.5, 0.5), (7, FAREWELL_SECONDS)])
def test_closing_the_agent_waits_for_goodbyes_but_not_for_long(answer_seconds: float, waited_seconds: float) -> None:
    async def main() -> None:
        async with ScriptedServer(Rule(match="^QUIT", delay_seconds=answer_seconds)) as peer:
            loop = asyncio.get_running_loop()
            async with Scene(smtp_skip_quit_response=False) as scene:
                await scene.deliver(at(peer))
                begin = loop.time()
            assert loop.time() - begin == pytest.approx(waited_seconds)

    run(main())


# Many at once


def test_any_number_of_deliveries_at_once() -> None:
    async def main() -> None:
        async with ScriptedServer() as peer, Scene() as scene:
            reports = await asyncio.gather(*(scene.deliver(at(peer), f"r{number}") for number in range(100)))
            assert all(statuses(report) == ["sent 2.0.0"] for report in reports)
            assert sorted(message.recipients[0] for message in peer.messages) == sorted(
                f"r{number}@example.test" for number in range(100)
            )
            assert sorted(scene.settled) == sorted(f"r{number}@example.test" for number in range(100))

    run(main())


def test_a_recipient_that_could_not_be_recorded_is_deferred() -> None:
    async def main() -> None:
        async with ScriptedServer(Rule(match="<c@", reply="550 5.1.1 no")) as peer, Scene() as scene:
            scene.keeper.fails_for = {"b@example.test", "c@example.test"}
            report = await scene.deliver(at(peer), "b", "c", "d")
            assert statuses(report) == ["deferred 4.3.0", "deferred 4.1.1", "sent 2.0.0"]
            assert len(scene.keeper.settled) == 3

    run(main())


# Delays


def test_the_delays_say_where_the_time_went() -> None:
    """Queued for 60 s, active for 5; 2 s until the server had let us in, 3 s for the rest."""
    rules = (Rule(on="greeting", delay_seconds=1.5), Rule(match="^EHLO", delay_seconds=0.5), Rule(on="dot", delay_seconds=3))

    async def main() -> Delays:
        async with ScriptedServer(*rules) as peer, Scene() as scene:
            now = scene.clock.wall_seconds()
            report = await scene.deliver(at(peer), arrival_seconds=now - 65, active_seconds=now - 5)
            outcome = report.outcomes[0]
            assert outcome is not None
            return outcome.delays

    delays = run(main())
    assert delays == pytest.approx((60, 5, 2, 3), abs=1e-3)


def test_time_lost_at_earlier_servers_counts_as_set_up() -> None:
    rules = (Rule(match="^MAIL", delay_seconds=20, reply="450 later"),)

    async def main() -> Delays:
        async with ScriptedServer(*rules) as first, ScriptedServer() as second, Scene() as scene:
            report = await scene.deliver(at(first, second))
            outcome = report.outcomes[0]
            assert outcome is not None
            return outcome.delays

    assert run(main()) == pytest.approx((0, 0, 20, 0), abs=1e-3)


def test_without_a_connection_all_is_set_up() -> None:
    async def main() -> Delays:
        async with ScriptedServer(Rule(on="greeting", delay_seconds=4, then="close")) as peer, Scene() as scene:
            report = await scene.deliver(f"{at(peer)}, {NOWHERE}")
            outcome = report.outcomes[0]
            assert outcome is not None
            return outcome.delays

    assert run(main()) == pytest.approx((0, 0, 4, 0), abs=1e-3)


def test_a_clock_that_was_set_back_does_not_show() -> None:
    async def main() -> Delays:
        async with ScriptedServer() as peer, Scene() as scene:
            now = scene.clock.wall_seconds()
            report = await scene.deliver(at(peer), arrival_seconds=now + 100, active_seconds=now + 50)
            outcome = report.outcomes[0]
            assert outcome is not None
            return outcome.delays

    assert min(run(main())) == 0


# LMTP


def test_lmtp_settles_each_recipient_when_its_reply_comes() -> None:
    """The second server takes ten minutes for the last one, and nobody else has to wait for that."""

    async def main() -> None:
        rule = Rule(on="dot", replies=(None, "552 5.2.2 full"), short=True, then="silence")
        async with ScriptedServer(rule, lmtp=True) as peer, Scene(Transport.LMTP) as scene:
            delivery = asyncio.create_task(scene.deliver(at(peer), "b", "c", "d"))
            await asyncio.sleep(10)
            assert [address for address, _ in scene.keeper.settled] == ["b@example.test"]
            report = await delivery
            assert statuses(report) == ["sent 2.0.0", "bounced 5.2.2", "deferred 4.4.2"]
            assert [outcome and outcome.in_doubt for outcome in report.outcomes] == [False, False, True]

    run(main())


def test_in_doubt_is_who_may_have_got_the_message() -> None:
    async def main() -> None:
        lost, none = ScriptedServer(Rule(on="dot", then="close")), ScriptedServer(Rule(match="^DATA", then="close"))
        async with lost, none, Scene() as scene:
            for peer, in_doubt in ((lost, True), (none, False)):
                report = await scene.deliver(at(peer))
                assert statuses(report) == ["deferred 4.4.2"]
                outcome = report.outcomes[0]
                assert outcome is not None
                assert outcome.in_doubt is in_doubt
                assert ("may be sent more than once" in outcome.text) is in_doubt

    run(main())
