"""Transcripts on their way: one after the other, bounded, and never in the way."""

from __future__ import annotations

import asyncio

from mailrider.delivery.postmaster import AT_ONCE, WAITING_LIMIT, Postmaster
from mailrider.events import Event, Noted, SessionBlamed, Warned
from mailrider.model.request import Transport
from mailrider.model.server import Family, Server

SERVER = Server("mx.example.test", "192.0.2.1", 25, Family.IPV4)


def blamed(queue_id: str) -> SessionBlamed:
    return SessionBlamed(queue_id, Transport.SMTP, SERVER, ("Out: QUIT",))


def test_everything_is_passed_on_and_transcripts_are_sent() -> None:
    async def main() -> None:
        events: list[Event] = []
        sent: list[str] = []

        async def send(event: SessionBlamed) -> str:
            sent.append(event.queue_id)
            return "the disk is full" if event.queue_id == "Q2" else ""

        postmaster = Postmaster(events.append, send)
        told = [Noted("x"), blamed("Q1"), blamed("Q2")]
        for event in told:
            postmaster(event)
        assert (events, sent) == (told, [])
        await postmaster.finish()
        assert sent == ["Q1", "Q2"]
        assert events[3:] == [Warned("postmaster notify: the disk is full", "Q2")]

    asyncio.run(main())


def test_few_are_under_way_and_not_too_many_wait() -> None:
    async def main() -> None:
        events: list[Event] = []
        gate = asyncio.Event()
        under_way = most = 0

        async def send(event: SessionBlamed) -> str:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await gate.wait()
            under_way -= 1
            return ""

        postmaster = Postmaster(events.append, send)
        for number in range(WAITING_LIMIT + 2):
            postmaster(blamed(f"Q{number}"))
        for _ in range(5):
            await asyncio.sleep(0)
        warned = [event.queue_id for event in events if isinstance(event, Warned)]
        assert warned == [f"Q{WAITING_LIMIT}", f"Q{WAITING_LIMIT + 1}"]
        gate.set()
        await postmaster.finish()
        assert most == AT_ONCE

    asyncio.run(main())
