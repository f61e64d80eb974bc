"""Mail for the host of a node itself: to whom it goes, and that it does not wait unseen."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import mailrider
from mailrider.events import Event, RecipientSettled
from mailrider.machine import SystemClock
from mailrider.model.request import Notify
from mailrider.settings import HostFacts, Settings, load_settings
from mailrider.spool.memory import MemorySpool
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.record import ReceivedMessage

MAIL = b"Subject: x\r\n\r\nhello\r\n"


def make(**values: str) -> Settings:
    own = {"myhostname": "here.example", "myorigin": "here.example", "mydestination": "here.example"}
    return load_settings(None, [f"{name}={value}" for name, value in {**own, **values}.items()], host=HostFacts("here.example"))


def send(settings: Settings, sender: str, recipient: str, notify: Notify = Notify.UNSET) -> list[str]:
    """What became of a message and of the notices about it, until nothing is left."""
    events: list[Event] = []

    async def main() -> None:
        async with mailrider.Node(settings, spool=MemorySpool(SystemClock()), observer=events.append) as node:
            await node.enqueue(MAIL, sender=sender, recipients=[recipient], notify=notify)
            async with asyncio.timeout(60):
                while (await node.spool.stats()).messages:
                    await asyncio.sleep(0.005)

    asyncio.run(main())
    return [
        f"{event.recipient.address}: {event.outcome.status.value} {event.outcome.status_code}"
        for event in events
        if isinstance(event, RecipientSettled)
    ]


def test_without_mailboxes_the_sender_hears_of_it_at_once() -> None:
    async def main() -> tuple[ReceivedMessage, ...]:
        async with ScriptedServer() as server:
            settings = make(relayhost=f"[127.0.0.1]:{server.port}")
            told = await asyncio.to_thread(send, settings, "a@far.example", "root")
            assert told == ["root@here.example: bounced 5.3.5", "a@far.example: sent 2.0.0"]
            return tuple(server.messages)

    (notice,) = asyncio.run(main())
    assert b"this node has no mailboxes" in b" ".join(notice.content.split())
    assert (notice.sender, notice.recipients) == ("", ("a@far.example",))


@pytest.mark.parametrize("sender", ["root", ""])
def test_notices_to_a_postmaster_who_is_nowhere_do_not_go_in_a_circle(sender: str) -> None:
    told = send(make(notify_classes="bounce, 2bounce, delay, protocol, data"), sender, "joe")
    assert told[0] == "joe@here.example: bounced 5.3.5"
    assert set(told[1:]) <= {"root@here.example: bounced 5.3.5", "postmaster@here.example: bounced 5.3.5"}
    assert len(told) <= 4


@pytest.mark.parameter("local_transport")
def test_mailboxes_may_be_behind_lmtp(tmp_path: Path) -> None:
    async def main() -> tuple[ReceivedMessage, ...]:
        async with ScriptedServer(lmtp=True, path=tmp_path / "lmtp") as server:
            settings = make(local_transport=f"lmtp:unix:{tmp_path}/lmtp")
            assert await asyncio.to_thread(send, settings, "root", "joe") == ["joe@here.example: sent 2.0.0"]
            return tuple(server.messages)

    (message,) = asyncio.run(main())
    assert message.recipients == ("joe@here.example",)


@pytest.mark.parameter("mydestination")
def test_where_no_domain_is_ours_mail_for_this_host_goes_out_like_any_other() -> None:
    async def main() -> tuple[ReceivedMessage, ...]:
        async with ScriptedServer() as server:
            settings = make(mydestination="", relayhost=f"[127.0.0.1]:{server.port}")
            assert await asyncio.to_thread(send, settings, "root", "joe") == ["joe@here.example: sent 2.0.0"]
            return tuple(server.messages)

    (message,) = asyncio.run(main())
    assert message.recipients == ("joe@here.example",)
