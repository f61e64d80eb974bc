"""Who is left over when no server is left: what they are told, who else is tried, and when a queue manager should back off."""

from __future__ import annotations

from typing import Any

import pytest

from mailrider.delivery import opening
from mailrider.events import HandedOver
from mailrider.model.outcome import DestinationTrouble, HandOver, Status
from mailrider.model.server import Server
from mailrider.net.dial import DialFailure, Dialled, DialTerms
from mailrider.route.exchangers import Found, NotFound
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule
from virtual_time import run

from .scene import NOWHERE, Scene, at, brief, nobody, server_of, statuses

REFUSED = "connect to 127.0.0.1[127.0.0.1]:1: Connection refused"


def test_the_last_failure_is_the_reason_of_those_who_are_left() -> None:
    async def main() -> None:
        rule = Rule(match="^RCPT", reply="450 4.2.0 later")
        async with ScriptedServer(rule) as first, Scene() as scene:
            report = await scene.deliver(f"{at(first)}, {NOWHERE}")
            assert brief(report) == [f"deferred 4.4.1 {REFUSED}"]
            outcome = report.outcomes[0]
            assert outcome is not None
            assert (outcome.relay, outcome.remote_mta, outcome.reply) == ("none", None, None)
            # A session has ended normally: this is no failure of the site.
            assert report.destination_trouble is None

    run(main())


def test_a_site_that_cannot_be_reached_is_in_trouble() -> None:
    async def main() -> None:
        async with Scene() as scene:
            report = await scene.deliver(NOWHERE, "b", "c")
            assert brief(report) == [f"deferred 4.4.1 {REFUSED}"] * 2
            assert report.destination_trouble == DestinationTrouble("4.4.1", REFUSED)

    run(main())


@pytest.mark.parametrize(
    ("rule", "settings", "trouble"),
    [
        (Rule(on="greeting", reply="421 no"), {}, "4.0.0"),
        (Rule(on="greeting", reply="554 no"), {}, "4.0.0"),
        (Rule(on="greeting", reply="554 no"), {"smtp_skip_5xx_greeting": False}, None),
        (Rule(on="greeting", reply="554 no"), {"smtp_skip_5xx_greeting": False, "soft_bounce": True}, "4.0.0"),
        (Rule(match="^(EHLO|HELO)", reply="450 no"), {}, "4.0.0"),
        (Rule(match="^(EHLO|HELO)", reply="550 no"), {}, None),
        (Rule(on="greeting", then="silence"), {}, "4.4.2"),
        (Rule(match="^MAIL", then="close"), {}, "4.4.2"),
        (Rule(on="dot", then="close"), {}, "4.4.2"),
        (Rule(match="^MAIL", reply="450 no"), {}, None),
        (Rule(match="^MAIL", reply="421 no", then="close"), {}, None),
        (Rule(match="^RCPT", reply="450 no"), {}, None),
        (Rule(match="^DATA", reply="450 no"), {}, None),
        (Rule(on="dot", reply="450 no"), {}, None),
        (Rule(match="^EHLO", reply="250 SIZE 10"), {}, None),
        (Rule(match="^EHLO", reply=("250-mx", "250 SIZE 10")), {"soft_bounce": True}, None),
    ],
)
def test_only_failures_of_the_site_that_defer_somebody_put_it_into_trouble(
    rule: Rule, settings: dict[str, Any], trouble: str | None
) -> None:
    async def main() -> None:
        async with ScriptedServer(rule) as peer, Scene(**settings) as scene:
            report = await scene.deliver(at(peer))
            found = report.destination_trouble
            assert (found.status_code if found is not None else None) == trouble
            if found is not None:
                outcome = report.outcomes[0]
                assert outcome is not None
                assert (outcome.status, outcome.text) == (Status.DEFERRED, found.text)

    run(main())


def test_a_site_is_not_in_trouble_for_those_who_were_served_before_it_broke() -> None:
    """One recipient is accepted and one deferred in a session that ends well; then the second server breaks."""
    later = Rule(match="<b@", reply="450 4.2.0 later")

    async def main() -> None:
        broken = Rule(match="^MAIL", then="close")
        async with ScriptedServer(later) as first, ScriptedServer(broken) as second, Scene() as scene:
            report = await scene.deliver(at(first, second), "b", "c")
            assert statuses(report) == ["deferred 4.4.2", "sent 2.0.0"]
            assert report.destination_trouble is None

    run(main())


@pytest.mark.parametrize(
    ("status", "outcome", "trouble"),
    [("4.4.3", "deferred 4.4.3", True), ("5.4.4", "bounced 5.4.4", False), ("5.1.0", "bounced 5.1.0", False)],
)
def test_a_destination_that_is_not_found(status: str, outcome: str, trouble: bool) -> None:
    async def main() -> None:
        async with Scene(routes={"example.test": NotFound(status, "what the DNS said")}) as scene:
            report = await scene.deliver("example.test")
            assert brief(report) == [f"{outcome} what the DNS said"]
            assert (report.destination_trouble is not None) == trouble

    run(main())


def test_no_server_and_no_reason() -> None:
    async def main() -> None:
        async with Scene(routes={"example.test": Found(())}) as scene:
            report = await scene.deliver("example.test")
            assert brief(report) == ["deferred 4.3.0 server unavailable or unable to receive mail"]
            assert report.destination_trouble is not None

    run(main())


# Fallback relays and safety nets


def test_a_fallback_relay_takes_what_nobody_else_takes() -> None:
    rules = (Rule(match="<b@", reply="550 5.1.1 no"), Rule(match="<c@", reply="450 4.2.0 later"))

    async def main() -> None:
        usual, relay = ScriptedServer(*rules), ScriptedServer()
        async with usual, relay, Scene(smtp_fallback_relay=at(relay)) as scene:
            report = await scene.deliver(at(usual), "b", "c", "d")
            assert statuses(report) == ["bounced 5.1.1", "sent 2.0.0", "sent 2.0.0"]
            assert [message.recipients for message in relay.messages] == [("c@example.test",)]

    run(main())


def test_recipients_of_a_domain_that_is_not_there_reach_the_fallback_relay() -> None:
    async def main() -> None:
        relay, routes = ScriptedServer(), {"x.test": NotFound("5.4.4", "not found")}
        async with relay, Scene(smtp_fallback_relay=at(relay), routes=routes) as scene:
            assert statuses(await scene.deliver("x.test")) == ["sent 2.0.0"]

    run(main())


def test_a_fallback_relay_that_is_not_there_bounces_nothing() -> None:
    routes = {"x.test": NotFound("5.4.4", "x not found"), "relay.test": NotFound("5.4.4", "relay not found")}

    async def main() -> None:
        async with Scene(smtp_fallback_relay="relay.test", routes=routes) as scene:
            report = await scene.deliver("x.test")
            assert brief(report) == ["deferred 4.3.5 relay not found"]
            assert scene.warnings == ["smtp_fallback_relay configuration problem"]
            assert report.destination_trouble == DestinationTrouble("4.3.5", "relay not found")

    run(main())


def test_no_fallback_relay_where_mail_loops_or_where_we_are_an_exchanger() -> None:
    async def main() -> None:
        later = Rule(match="^RCPT", reply="450 4.2.0 later")
        async with ScriptedServer() as relay, ScriptedServer(later) as better:
            routes: dict[str, Any] = {
                "loop.test": NotFound("5.4.6", "mail for loop.test loops back to myself"),
                "ours.test": Found((server_of(better),), exchanger_is_self=True),
            }
            async with Scene(smtp_fallback_relay=at(relay), routes=routes) as scene:
                assert statuses(await scene.deliver("loop.test")) == ["bounced 5.4.6"]
                assert statuses(await scene.deliver("ours.test")) == ["deferred 4.2.0"]
                assert not relay.sessions

    run(main())


@pytest.mark.parametrize(
    ("relayhost", "nexthop", "status"),
    [
        ("relay.test", "relay.test", "deferred 4.3.5"),
        ("relay.test", "relay.test:25", "bounced 5.4.4"),
        ("[relay.test]:587", "[relay.test]:587", "deferred 4.3.5"),
        ("", "relay.test", "bounced 5.4.4"),
    ],
)
def test_a_relay_host_that_is_not_there_bounces_nothing(relayhost: str, nexthop: str, status: str) -> None:
    async def main() -> None:
        async with Scene(relayhost=relayhost, routes={"relay.test": NotFound("5.4.4", "not found")}) as scene:
            assert statuses(await scene.deliver(nexthop)) == [status]
            assert scene.warnings == (["relayhost configuration problem"] if status.startswith("def") else [])

    run(main())


def test_a_relay_host_that_refuses_a_recipient_is_believed() -> None:
    async def main() -> None:
        relay = ScriptedServer(Rule(match="^RCPT", reply="550 5.1.1 no"))
        async with relay, Scene(relayhost=at(relay)) as scene:
            assert statuses(await scene.deliver(at(relay))) == ["bounced 5.1.1"]

    run(main())


def test_recipients_of_the_best_exchanger_that_is_ourselves_are_handed_over() -> None:
    loop = NotFound("5.4.6", "mail for x.test loops back to myself")

    async def main() -> None:
        async with Scene(best_mx_transport="local", routes={"x.test": loop}) as scene:
            request = scene.request("x.test", "b", "c")
            report = await scene.agent.deliver(request, scene.keeper)
            assert report.outcomes == (None, None)
            assert report.hand_over == HandOver("local", request.envelope.recipients)
            assert report.destination_trouble is None
            assert scene.keeper.settled == []
            assert [(event.recipient.address, event.transport) for event in scene.told(HandedOver)] == [
                ("b@example.test", "local"), ("c@example.test", "local"),
            ]  # fmt: skip

    run(main())


@pytest.mark.parametrize("status", ["4.4.4", "4.4.6", "5.4.4"])
def test_other_failures_are_not_handed_over(status: str) -> None:
    async def main() -> None:
        async with Scene(best_mx_transport="local", routes={"x.test": NotFound(status, "no")}) as scene:
            report = await scene.deliver("x.test")
            assert report.hand_over is None
            assert len(scene.keeper.settled) == 1

    run(main())


@pytest.mark.plain("a double takes the place of what a module calls")
@pytest.mark.parametrize(
    ("preferences", "outcome"), [((10, 10), "bounced 5.4.6"), ((10, 20), "deferred 4.4.6"), ((10, 5), "bounced 5.4.6")]
)
def test_a_server_at_port_25_that_turns_out_to_be_ourselves(
    preferences: tuple[int, int], outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It calls itself by our own name: a loop, permanent where no better exchanger was there."""

    async def main() -> None:
        async with ScriptedServer(Rule(match="^EHLO", reply="250 me.example.test")) as peer:
            real = opening.dial

            async def dial(server: Server, terms: DialTerms) -> Dialled | DialFailure:
                """Port 25 is not ours to listen on."""
                return await real(server._replace(port=peer.port) if server.port == 25 else server, terms)

            monkeypatch.setattr(opening, "dial", dial)
            servers = [nobody(preference=preferences[0]), server_of(peer, preference=preferences[1])._replace(port=25)]
            async with Scene(routes={"x.test": sorted(servers, key=lambda server: server.preference)}) as scene:
                report = await scene.deliver("x.test")
                if preferences[1] < preferences[0]:
                    assert not scene.failed_connections
                assert brief(report) == [f"{outcome} mail for x.test loops back to myself"]

    run(main())
