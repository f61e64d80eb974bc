"""The fillings of the spool that the contract is tried on, and short words for what tests put in and take out."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from mailrider.model.outcome import Action, Delays, Outcome, Status
from mailrider.model.request import BodyType, Envelope, Notify, Recipient
from mailrider.spool.memory import MemorySpool
from mailrider.spool.spool import Accepted, Lease, Notice, OpenRecipient, Settlement, Spool, Submission
from mailrider.spool.sqlite import SqliteSpool

T = TypeVar("T")

START_SECONDS = 1_800_000_000.0

SENT = Outcome(Status.SENT, "2.0.0", "250 2.0.0 Ok", "mx.b.example[192.0.2.1]:25", action=Action.RELAYED)
BOUNCED = Outcome(Status.BOUNCED, "5.1.1", "host said: 550 no such user", action=Action.FAILED, reply="550 no such user")
DEFERRED = Outcome(
    Status.DEFERRED, "4.4.1", "connect to mx: refused", remote_mta="mx", delays=Delays(1.0, 0.25, 0.5, 0.125), connection_use=3
)


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_seconds = START_SECONDS

    def wall_seconds(self) -> float:
        return self.now_seconds

    def monotonic_seconds(self) -> float:
        return self.now_seconds


class Filling:
    """A place where a spool keeps its mail; `open` gives the spool of the next process that comes to it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.clock = HandClock()
        self.told: list[str] = []
        self._memory = MemorySpool(self.clock)

    def open(self) -> Spool:
        if self.name == "memory":
            return self._memory
        return SqliteSpool(self.folder, self.clock, report=self.told.append)


FILLINGS = ("memory", "sqlite")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def submission(*addresses: str, sender: str = "a@example.com", **more: Any) -> Submission:
    recipients = tuple(Recipient(address) for address in addresses or ("b@b.example",))
    return Submission(Envelope(sender, recipients), **more)


FULL_SUBMISSION = Submission(
    Envelope(
        "räksmörgås@example.com",
        (
            Recipient("one@b.example", "alias@example.com", "rfc822;alias@example.com", Notify.SUCCESS | Notify.FAILURE),
            Recipient("bad\udcff@b.example", notify=Notify.NEVER),
        ),
        envid="QQ+20314159",
        ret="hdrs",
        body=BodyType.EIGHT_BIT,
        smtputf8=True,
        requiretls=True,
    ),
    client={"NAME": "host.example", "ADDR": "192.0.2.9"},
    origin="smtp",
    arrival_seconds=START_SECONDS - 60,
    expires_seconds=START_SECONDS + 1000,
)


async def put(spool: Spool, given: Submission, content: bytes = b"Subject: x\r\n\r\nHello\r\n") -> str:
    accepted = await spool.accept(given, content)
    assert isinstance(accepted, Accepted)
    return accepted.queue_id


async def take(spool: Spool) -> dict[str, Lease]:
    """All that is due, by queue id."""
    leases = await spool.lease()
    assert len({lease.message.queue_id for lease in leases}) == len(leases)
    return {lease.message.queue_id: lease for lease in leases}


def numbers(lease: Lease) -> list[int]:
    return [one.number for one in lease.message.recipients]


def only(lease: Lease) -> OpenRecipient:
    (one,) = lease.message.recipients
    return one


def finished(*which: int, outcome: Outcome = SENT, owed: bool = False) -> list[Settlement]:
    return [Settlement(number, outcome, owed) for number in which]


def notice(*addresses: str, content: bytes = b"Subject: sorry\r\n\r\n") -> Notice:
    return Notice(submission(*addresses or ("a@example.com",), sender="", origin="notice"), content)


def text_of(lease: Lease) -> bytes:
    return b"".join(lease.content.chunks())
