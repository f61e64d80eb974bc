"""From server to server: who is tried next, who is settled when, and what the left-over are told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mailrider.events import ConnectFailed
from mailrider.model.request import Transport
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule
from virtual_time import run

from .scene import Scene, at, brief, nobody, server_of, statuses


def peer_name(peer: ScriptedServer) -> str:
    return f"{peer.address}[{peer.address}]"


def test_a_message_is_delivered_and_the_connection_ended() -> None:
    async def main() -> None:
        async with ScriptedServer() as peer, Scene() as scene:
            report = await scene.deliver(at(peer), "b", "c")
            assert statuses(report) == ["sent 2.0.0"] * 2
            assert report.destination_trouble is None
            (session,) = peer.sessions
            await peer.wait_until_alone()
            assert session.commands[-1] == "QUIT"
            assert session.messages[0].recipients == ("b@example.test", "c@example.test")
            outcome = report.outcomes[0]
            assert outcome is not None
            assert outcome.relay == f"{peer_name(peer)}:{peer.port}"
            assert outcome.remote_mta == "127.0.0.1"
            assert outcome.reply == outcome.text == "250 2.0.0 Ok: queued as T1.1"

    run(main())


def test_the_next_server_is_tried_after_a_failure_to_connect() -> None:
    async def main() -> None:
        async with ScriptedServer() as peer:
            routes = {"example.test": [nobody(), server_of(peer)]}
            async with Scene(routes=routes) as scene:
                report = await scene.deliver("example.test")
                assert statuses(report) == ["sent 2.0.0"]
                assert scene.failed_connections == ["connect to gone.example.test[127.0.0.1]:1: Connection refused"]
                assert scene.told(ConnectFailed)[0].queue_id == "QID"

    run(main())


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Rule(on="greeting", reply="421 4.3.2 no"), "host {peer} refused to talk to me: 421 4.3.2 no"),
        (Rule(on="greeting", reply="554 5.3.2 no"), "host {peer} refused to talk to me: 554 5.3.2 no"),
        (Rule(on="greeting", then="close"), "lost connection with {peer} while receiving the initial server greeting"),
        (Rule(match="^EHLO", reply="421 no"), "host {peer} refused to talk to me: 421 no"),
        (Rule(match="^MAIL", reply="451 4.3.0 no"), "host {peer} said: 451 4.3.0 no (in reply to MAIL FROM command)"),
        (Rule(match="^RCPT", reply="450 4.2.0 no"), "host {peer} said: 450 4.2.0 no (in reply to RCPT TO command)"),
        (Rule(match="^DATA", reply="451 no"), "host {peer} said: 451 no (in reply to DATA command)"),
        (Rule(on="dot", reply="451 4.3.0 no"), "host {peer} said: 451 4.3.0 no (in reply to end of DATA command)"),
        (Rule(match="^RCPT", then="reset"), "lost connection with {peer} while sending RCPT TO"),
        (
            Rule(on="greeting", then="silence"),
            "conversation with {peer} timed out while receiving the initial server greeting",
        ),
    ],
)
def test_the_next_server_is_tried_after_a_soft_failure(rule: Rule, text: str) -> None:
    async def main() -> None:
        async with ScriptedServer(rule) as first, ScriptedServer() as second, Scene() as scene:
            report = await scene.deliver(at(first, second), "b", "c")
            assert statuses(report) == ["sent 2.0.0"] * 2
            assert scene.soft_failures[0] == text.format(peer=peer_name(first))
            assert report.destination_trouble is None
            assert len(second.messages) == 1

    run(main())


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (Rule(match="^MAIL", reply="550 5.7.1 no"), "bounced 5.7.1"),
        (Rule(match="^RCPT", reply="550 5.1.1 no"), "bounced 5.1.1"),
        (Rule(match="^DATA", reply="554 5.3.0 no"), "bounced 5.3.0"),
        (Rule(on="dot", reply="554 5.6.0 no"), "bounced 5.6.0"),
        (Rule(match="^(EHLO|HELO)", reply="550 5.0.1 no"), "bounced 5.0.1"),
        (Rule(match="^DATA", reply="250 what?"), "bounced 5.5.0"),
    ],
)
def test_a_hard_failure_goes_nowhere_else(rule: Rule, status: str) -> None:
    async def main() -> None:
        async with ScriptedServer(rule) as first, ScriptedServer() as second, Scene() as scene:
            report = await scene.deliver(at(first, second), "b", "c")
            assert statuses(report) == [status] * 2
            assert not second.sessions
            assert report.destination_trouble is None
            assert scene.soft_failures == []

    run(main())


def test_a_hard_failure_is_tried_elsewhere_and_then_held_back_with_soft_bounce() -> None:
    no = Rule(match="^RCPT TO:<b@", reply="550 5.1.1 no")

    async def main() -> None:
        async with ScriptedServer(no) as first, ScriptedServer(no) as second, Scene(soft_bounce=True) as scene:
            report = await scene.deliver(at(first, second), "b", "c")
            assert statuses(report) == ["deferred 4.1.1", "sent 2.0.0"]
            outcome = report.outcomes[0]
            assert outcome is not None
            assert outcome.soft_bounced
            assert outcome.reply == "550 5.1.1 no"
            assert [message.recipients for message in first.messages] == [("c@example.test",)]
            assert second.messages == []
            assert scene.settled == ["c@example.test", "b@example.test"]

    run(main())


def test_each_recipient_goes_its_own_way() -> None:
    """One is sent at the first server, one bounces there, one is sent at the second, one is deferred by both."""
    first_rules = (
        Rule(match="<b@", reply="550 5.1.1 no"),
        Rule(match="<(c|d)@", reply="450 4.2.0 later"),
    )

    async def main() -> None:
        full = Rule(match="<d@", reply="452 4.2.2 full")
        async with ScriptedServer(*first_rules) as first, ScriptedServer(full) as second, Scene() as scene:
            report = await scene.deliver(at(first, second), "a", "b", "c", "d")
            assert statuses(report) == ["sent 2.0.0", "bounced 5.1.1", "sent 2.0.0", "deferred 4.2.2"]
            assert scene.settled == [f"{name}@example.test" for name in "abcd"]
            assert [address for address, _ in scene.keeper.settled] == scene.settled
            assert "RCPT TO:<a@" not in " ".join(second.sessions[0].commands)
            assert report.destination_trouble is None

    run(main())


def test_nobody_is_asked_twice_when_all_is_settled() -> None:
    async def main() -> None:
        async with ScriptedServer() as first, ScriptedServer() as second, Scene() as scene:
            await scene.deliver(at(first, second))
            assert not second.sessions
            assert scene.directory.asked == [f"[127.0.0.1]:{first.port}"]

    run(main())


# Limits


def test_the_limits_count_addresses_and_sessions_of_one_destination() -> None:
    """postconf(5): five addresses, two sessions, by default, anew for each destination."""
    later = Rule(match="^RCPT", reply="450 4.2.0 later")

    async def main() -> None:
        async with ScriptedServer(later) as peer:
            routes = {
                "many.test": [nobody(), nobody(), server_of(peer, "s1"), server_of(peer, "s2"), server_of(peer, "s3")],
                "none.test": [nobody(f"n{number}") for number in range(7)],
            }
            async with Scene(routes=routes) as scene:
                report = await scene.deliver("many.test, none.test")
                assert [text.split("[")[0] for text in scene.soft_failures] == ["host s1", "host s2"]
                assert len(scene.failed_connections) == 2 + 5
                assert statuses(report) == ["deferred 4.4.1"]

    run(main())


@pytest.mark.parametrize(
    ("settings", "sessions", "addresses"),
    [
        ({"smtp_mx_session_limit": 0}, 4, 5),
        ({"smtp_mx_session_limit": 1}, 1, 2),
        ({"smtp_mx_address_limit": 2}, 1, 2),
        ({"smtp_mx_address_limit": 1}, 0, 1),
        ({"smtp_mx_address_limit": 0, "smtp_mx_session_limit": 0}, 5, 6),
    ],
)
def test_a_limit_of_nought_is_none(settings: dict[str, Any], sessions: int, addresses: int) -> None:
    later = Rule(match="^RCPT", reply="450 4.2.0 later")

    async def main() -> None:
        async with ScriptedServer(later) as peer:
            servers = [nobody(), *(server_of(peer, f"s{number}") for number in range(5))]
            async with Scene(routes={"many.test": servers}, **settings) as scene:
                await scene.deliver("many.test")
                assert len(peer.sessions) == sessions
                assert len(peer.sessions) + len(scene.failed_connections) == addresses

    run(main())


def test_the_server_at_which_a_limit_stops_is_the_last_one() -> None:
    later = Rule(match="^RCPT", reply="450 4.2.0 later")

    async def main() -> None:
        async with ScriptedServer(later) as peer:
            servers = [server_of(peer, f"s{number}") for number in range(5)]
            async with Scene(routes={"many.test": servers}) as scene:
                report = await scene.deliver("many.test")
                outcome = report.outcomes[0]
                assert outcome is not None
                assert outcome.relay.startswith("s1[")
                assert len(scene.soft_failures) == 1

    run(main())


def test_a_server_that_refuses_us_counts_as_an_address_only() -> None:
    async def main() -> None:
        async with ScriptedServer(Rule(on="greeting", reply="421 no")) as closed, ScriptedServer() as friendly:
            servers = [*(server_of(closed, f"c{number}") for number in range(4)), server_of(friendly)]
            async with Scene(routes={"many.test": servers}) as scene:
                assert statuses(await scene.deliver("many.test")) == ["sent 2.0.0"]

    run(main())


# Drain


def test_a_drain_ends_a_delivery_before_its_next_server() -> None:
    async def main() -> None:
        slow = Rule(match="^RCPT", delay_seconds=50, reply="450 4.2.0 later")
        async with ScriptedServer(slow) as first, ScriptedServer() as second, Scene() as scene:
            delivery = asyncio.create_task(scene.deliver(at(first, second)))
            await asyncio.sleep(20)
            scene.agent.drain()
            report = await delivery
            assert brief(report) == ["deferred 4.3.2 delivery agent is shutting down"]
            assert report.destination_trouble is None
            assert not second.sessions
            assert statuses(await scene.deliver(at(second), "b", "c")) == ["deferred 4.3.2"] * 2
            assert not second.sessions
            assert [address for address, _ in scene.keeper.settled] == [f"{name}@example.test" for name in "bbc"]

    run(main())


def test_a_drain_lets_a_message_that_is_under_way_arrive() -> None:
    async def main() -> None:
        async with ScriptedServer(Rule(on="dot", delay_seconds=50)) as peer, Scene() as scene:
            delivery = asyncio.create_task(scene.deliver(at(peer)))
            await asyncio.sleep(20)
            scene.agent.drain()
            assert statuses(await delivery) == ["sent 2.0.0"]

    run(main())


# Cancelling


@pytest.mark.parametrize("moment", ["greeting", "EHLO", "MAIL", "dot", "kept"])
def test_a_delivery_that_is_cancelled_leaves_no_connection(moment: str) -> None:
    """`run` would find a descriptor that is left; `close` would wait for it for ever."""
    rule = {
        "greeting": Rule(on="greeting", delay_seconds=100),
        "dot": Rule(on="dot", delay_seconds=100),
        "kept": Rule(match="^RSET", delay_seconds=15),
    }.get(moment, Rule(match=f"^{moment}", delay_seconds=100))

    async def main() -> None:
        async with ScriptedServer(rule) as peer, Scene() as scene:
            hints = {"cache_load": True, "cache_store": True}
            if moment == "kept":
                await scene.deliver(at(peer), **hints)
            delivery = asyncio.create_task(scene.deliver(at(peer), **hints))
            await asyncio.sleep(10 if moment != "kept" else 1)
            delivery.cancel()
            with pytest.raises(asyncio.CancelledError):
                await delivery
            await scene.agent.close()
            await peer.wait_until_alone()

    run(main())


# UNIX-domain sockets


def test_a_unix_domain_socket_is_a_server(tmp_path: Any) -> None:
    async def main() -> None:
        async with ScriptedServer(lmtp=True, path=tmp_path / "lmtp") as peer, Scene(Transport.LMTP) as scene:
            report = await scene.deliver(f"unix:{peer.path}", "b", "c")
            assert statuses(report) == ["sent 2.0.0"] * 2
            outcome = report.outcomes[0]
            assert outcome is not None
            assert outcome.relay == f"me.example.test[{peer.path}]"

    run(main())


def test_a_unix_domain_socket_that_is_not_there(tmp_path: Any) -> None:
    path = tmp_path / "nothing"

    async def main() -> None:
        async with Scene(Transport.LMTP) as scene:
            report = await scene.deliver(f"unix:{path}")
            assert brief(report) == [f"deferred 4.4.1 connect to me.example.test[{path}]: No such file or directory"]

    run(main())
