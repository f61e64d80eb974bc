"""Transcripts of sessions as mail of the node itself."""

from __future__ import annotations

import asyncio

import pytest

import mailrider
from mailrider.dsn.report import Site
from mailrider.events import SessionBlamed
from mailrider.machine import SystemClock
from mailrider.model.request import BodyType, Transport
from mailrider.model.server import Family, Server
from mailrider.queue.transcripts import send_transcript
from mailrider.settings import HostFacts, Settings, load_settings
from mailrider.spool.memory import MemorySpool
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule

SITE = Site("here.example", "origin.example", lambda _: None, lambda _: 0.0, error_recipient="errors")
SERVER = Server("mx", "192.0.2.1", 25, Family.IPV4)


def blamed(said: str = "In:  500 ?") -> SessionBlamed:
    return SessionBlamed("Q1", Transport.SMTP, SERVER, (said,))


@pytest.mark.parametrize(("said", "body"), [("In:  500 ?", BodyType.UNKNOWN), ("In:  500 é", BodyType.EIGHT_BIT)])
def test_a_notice_goes_into_the_queue(said: str, body: BodyType) -> None:
    async def main() -> None:
        async with MemorySpool(SystemClock()) as spool:
            assert await send_transcript(blamed(said), spool, SITE, lambda: 0.0) == ""
            (lease,) = await spool.lease(10, 10)
            envelope = lease.message.envelope
            assert (envelope.sender, envelope.body) == ("double-bounce@here.example", body)
            assert [it.recipient.address for it in lease.message.recipients] == ["errors@origin.example"]
            text = b"".join(lease.content.chunks())
            assert f"\r\n {said}\r\n".encode() in text
            assert f"\tid {lease.message.queue_id}; ".encode() in text

    asyncio.run(main())


def test_a_queue_that_is_full_is_told() -> None:
    async def main() -> None:
        async with MemorySpool(SystemClock(), limit_octets=5) as spool:
            assert await send_transcript(blamed(), spool, SITE, lambda: 0.0) != ""

    asyncio.run(main())


def settings_of(**values: str) -> Settings:
    own = {"myhostname": "here.example", "myorigin": "here.example", "mydestination": ""}
    return load_settings(
        None, [f"{name}={value}" for name, value in {**own, **values}.items()], host=HostFacts("here.example")
    )


@pytest.mark.parameter("notify_classes", "error_notice_recipient")
@pytest.mark.parametrize("wanted", [True, False])
def test_the_postmaster_of_a_node_gets_transcripts(wanted: bool) -> None:
    async def main() -> list[bytes]:
        refusal = Rule(match="^RCPT TO:<b@", reply="501 5.1.3 what?")
        async with ScriptedServer(refusal) as server:
            classes = "protocol" if wanted else ""
            settings = settings_of(
                relayhost=f"[127.0.0.1]:{server.port}", notify_classes=classes, error_notice_recipient="errors"
            )
            async with mailrider.Node(settings, spool=MemorySpool(SystemClock())) as node:
                await node.enqueue(b"Subject: x\r\n\r\nhello\r\n", sender="a@far.example", recipients=["b@far.example"])
                async with asyncio.timeout(60):
                    while len(server.messages) < 1 + wanted or (await node.spool.stats()).messages:
                        await asyncio.sleep(0.005)
            return [
                message.content
                for message in server.messages
                if (message.sender, message.recipients) == ("double-bounce@here.example", ("errors@here.example",))
            ]

    found = asyncio.run(main())
    assert len(found) == wanted
    if wanted:
        assert b"\r\n Out: RCPT TO:<b@far.example>" in found[0]
        assert b"\r\n In:  501 5.1.3 what?\r\n" in found[0]
