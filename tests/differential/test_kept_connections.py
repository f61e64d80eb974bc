"""Kept connections: when one counts as dead, and under which name a shared one is told."""

from __future__ import annotations

import pytest

from delivery.scene import NOWHERE, Scene, at, server_of, statuses
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule
from virtual_time import run

KEEP = {"cache_load": True, "cache_store": True}


@pytest.mark.parametrize("keywords", [("PIPELINING",), ()])
def test_a_connection_that_takes_rset_and_dies_at_mail_was_not_dead(keywords: tuple[str, ...]) -> None:
    async def main() -> None:
        async with ScriptedServer(Rule(match="^MAIL", nth=2, then="close"), keywords=keywords) as peer, Scene() as scene:
            await scene.deliver(at(peer), **KEEP)
            report = await scene.deliver(at(peer), **KEEP)
            (outcome,) = report.outcomes
            assert outcome is not None
            assert outcome.text == "lost connection with 127.0.0.1[127.0.0.1] while sending MAIL FROM"
            assert (outcome.status_code, outcome.connection_use, len(peer.sessions)) == ("4.4.2", 2, 1)

    run(main())


def test_a_shared_connection_goes_by_the_name_that_the_destination_has_for_its_server() -> None:
    async def main() -> None:
        async with ScriptedServer(Rule(match="^RCPT", nth=3, reply="550 5.1.1 no")) as peer:
            routes = {f"{name}.test": [server_of(peer, f"mx.{name}.test")] for name in "xy"}
            async with Scene(routes=routes) as scene:
                reports = [await scene.deliver(f"{name}.test", **KEEP) for name in "xyy"]
                relays = [outcome.relay for report in reports for outcome in report.outcomes if outcome is not None]
                place = f"[{peer.address}]:{peer.port}"
                assert relays == [f"mx.x.test{place}", f"mx.y.test{place}", f"mx.y.test{place}"]
                (refused,) = reports[2].outcomes
                assert refused is not None
                assert refused.text.startswith(f"host mx.y.test[{peer.address}] said: 550")

    run(main())


def test_a_probe_is_answered_with_the_code_that_the_server_gave_in_spite_of_soft_bounce() -> None:
    async def main() -> None:
        async with ScriptedServer(Rule(match="^RCPT", reply="550 5.1.1 no")) as peer, Scene(soft_bounce=True) as scene:
            assert statuses(await scene.deliver(at(peer), probe=True)) == ["undeliverable 5.1.1"]
            assert statuses(await scene.deliver(at(peer))) == ["deferred 4.1.1"]

    run(main())


def test_a_probe_that_finds_nobody_does_not_slow_down_its_destination() -> None:
    async def main() -> None:
        async with Scene() as scene:
            assert (await scene.deliver(NOWHERE, probe=True)).destination_trouble is None
            assert (await scene.deliver(NOWHERE)).destination_trouble is not None

    run(main())


def test_mail_for_a_destination_that_is_dead_for_a_hard_reason_waits_without_that_code() -> None:
    async def main() -> None:
        rule = Rule(match="^EHLO|^HELO", reply="550 5.7.1 no")
        async with ScriptedServer(rule) as peer, Scene(soft_bounce=True) as scene:
            report = await scene.deliver(at(peer))
            assert statuses(report) == ["deferred 4.7.1"]
            assert report.destination_trouble is not None
            assert report.destination_trouble.status_code == "4.0.0"

    run(main())
