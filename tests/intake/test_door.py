"""One door, with a wire that a test holds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from mailrider.intake.door import BUSY_INPUT_OCTETS, LINGER_SECONDS, Facilities, Register, SmtpDoor
from mailrider.intake.names import PeerNames
from mailrider.intake.terms import Client
from mailrider.model.request import Transport
from mailrider.spool.memory import MemorySpool

from .running import WallClock
from .scene import TERMS


class Wire(asyncio.Transport):
    """What the door does with its connection."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.7", 4711)})
        self.written = b""
        self.is_reading_now = True
        self.is_closed = False
        self.is_aborted = False

    def write(self, data: object) -> None:
        self.written += bytes(data)  # type: ignore[call-overload]

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_aborted = True

    def pause_reading(self) -> None:
        assert self.is_reading_now
        self.is_reading_now = False

    def resume_reading(self) -> None:
        assert not self.is_reading_now
        self.is_reading_now = True


def classify(name: str, address: str, port: str) -> Client:
    return Client(name, address, port, may_relay=True)


async def let_work() -> None:
    """Whatever needs no time is done after this."""
    for _ in range(50):
        await asyncio.sleep(0)


def in_loop(body: Callable[[SmtpDoor, Wire, list[str], MemorySpool], object]) -> None:
    """A door that is open, in a loop that runs; `body` may be a coroutine function."""

    async def run() -> None:
        told: list[str] = []
        async with MemorySpool(WallClock()) as spool:
            terms = TERMS._replace(timeout_seconds=300.0)
            facilities = Facilities(terms, classify, PeerNames(asks=False), None, None, spool, told.append)
            door = SmtpDoor(facilities, Register(), Transport.SMTP, lambda address, count: "")
            wire = Wire()
            door.connection_made(wire)
            result = body(door, wire, told, spool)
            if asyncio.iscoroutine(result):
                await result

    asyncio.run(run())


@pytest.mark.parameter("smtpd_timeout")
def test_who_is_silent_is_told_to_go_and_then_put_out() -> None:
    def body(door: SmtpDoor, wire: Wire, told: list[str], spool: MemorySpool) -> None:
        now = time.monotonic()
        door.look_at_time(now + 299)
        assert not wire.is_closed
        door.look_at_time(now + 302)
        assert wire.written.endswith(b"421 4.4.2 node.example Error: timeout exceeded\r\n")
        assert wire.is_closed
        door.look_at_time(now + 1)
        assert not wire.is_aborted
        door.look_at_time(time.monotonic() + LINGER_SECONDS + 1)
        assert wire.is_aborted

    in_loop(body)


def test_who_does_not_read_is_not_read_from() -> None:
    def body(door: SmtpDoor, wire: Wire, told: list[str], spool: MemorySpool) -> None:
        door.pause_writing()
        assert not wire.is_reading_now
        door.resume_writing()
        assert wire.is_reading_now

    in_loop(body)


MAIL = b"EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"


def test_little_is_taken_while_the_spool_is_at_work() -> None:
    async def body(door: SmtpDoor, wire: Wire, told: list[str], spool: MemorySpool) -> None:
        door.data_received(MAIL + b"a: b\r\n\r\n.\r\n")
        assert b"queued as" not in wire.written
        door.data_received(b"x" * BUSY_INPUT_OCTETS)
        assert wire.is_reading_now
        door.data_received(b"x")
        assert not wire.is_reading_now
        await let_work()
        assert b"queued as" in wire.written
        assert wire.is_reading_now
        assert len(await spool.list()) == 1

    in_loop(body)


def test_a_slow_disk_slows_the_client() -> None:
    async def body(door: SmtpDoor, wire: Wire, told: list[str], spool: MemorySpool) -> None:
        door.data_received(MAIL + b"a: b\r\n\r\n")
        for _ in range(40):
            door.data_received(b"x" * 64_000)
        assert not wire.is_reading_now, "nothing has been taken from it yet"
        await let_work()
        assert wire.is_reading_now
        door.data_received(b"\r\n.\r\n")
        await let_work()
        assert b"queued as" in wire.written

    in_loop(body)


def test_shutting_is_announced_and_a_client_that_goes_is_forgotten() -> None:
    def body(door: SmtpDoor, wire: Wire, told: list[str], spool: MemorySpool) -> None:
        door.data_received(MAIL)
        door.shut()
        assert wire.written.endswith(b"421 4.3.2 node.example Service shutting down\r\n")
        door.connection_lost(None)
        door.connection_lost(None)
        assert told[-1] == "disconnect from unknown[192.0.2.7] ehlo=1 mail=1 rcpt=1 data=0/1 commands=3/4"

    in_loop(body)
