"""A `Connection` over a `MemoryStream`, and the words for a dialogue on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from mailrider.net.connection import Connection
from mailrider.net.deadline import DeadlineWheel
from mailrider.net.departures import Departures
from mailrider.net.patience import Patience
from mailrider.smtp.reply import Note
from mailrider.smtp.stage import STAGES, Stage
from mailrider.smtp.transaction import Order, Transaction

from .memory_stream import MemoryStream

LIMITS = {stage: 100.0 + 10 * number for number, stage in enumerate(STAGES)}
"""A time limit of its own for each stage, so that a test sees which one it was."""

PEER = "mx.example.test[192.0.2.1]"
CONTENT_OCTETS = b"Subject: x\r\n\r\ntext\r\n"
OK = b"250 2.0.0 Ok\r\n"
END = CONTENT_OCTETS + b".\r\n"
GO_AHEAD = b"354 Go ahead\r\n"
QUIT = b"QUIT\r\n"
RSET = b"RSET\r\n"


together = False
"""Whether connections let what they have written leave together; set by `conftest`."""


class Wired:
    """A connection, its other end in `peer`, and what it told."""

    def __init__(
        self,
        *,
        pipelining: bool = True,
        per_request: bool = False,
        min_data_rate: int = 500,
        capacity_octets: int = 64 * 1024,
        limits: dict[Stage, float] | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.stream = MemoryStream(capacity_octets)
        self.peer = self.stream.peer
        self.notes: list[Note] = []
        self.gone: list[Connection] = []
        patience = Patience(LIMITS if limits is None else limits, per_request, min_data_rate)
        wheel = DeadlineWheel(self.loop, Departures(self.loop) if together else None)
        self.connection = Connection(self.stream, patience, wheel, note=self.notes.append)
        self.connection.pipelining = pipelining
        self.connection.when_gone = self.gone.append

    def submit(self, transaction: Transaction) -> asyncio.Future[None]:
        return self.connection.submit(transaction)

    async def until_gone(self) -> float:
        """How long it took the connection to go."""
        begin = self.loop.time()
        await self.connection.left()
        return self.loop.time() - begin


def mail(name: str = "a") -> bytes:
    return f"MAIL FROM:<{name}@example.test>\r\n".encode()


def rcpt(name: str) -> bytes:
    return f"RCPT TO:<{name}@example.test>\r\n".encode()


def envelope(*recipients: str, sender: str = "a") -> bytes:
    """The whole envelope, as it goes out under PIPELINING."""
    return mail(sender) + b"".join(rcpt(name) for name in recipients or ("b",)) + b"DATA\r\n"


def replies_to_envelope(recipients: int = 1) -> bytes:
    return OK * (1 + recipients) + GO_AHEAD


def make(
    *recipients: str,
    sender: str = "a",
    keep: bool = True,
    content: Callable[[], Iterator[bytes]] | None = None,
    **options: Any,
) -> Transaction:
    """A transaction with recipients `b` or those named."""
    return Transaction(
        Order(
            PEER,
            mail(sender),
            tuple(rcpt(name) for name in recipients or ("b",)),
            content if content is not None else lambda: iter((CONTENT_OCTETS,)),
            lambda: keep,
            **options,
        )
    )


def verdicts(transaction: Transaction) -> list[str]:
    """For each recipient the text of its reply or refusal, `-` where it has none."""
    return ["-" if verdict is None else verdict.text for verdict in transaction.verdicts]


def trouble_of(transaction: Transaction) -> tuple[str, str]:
    """How the conversation broke, and at which stage."""
    assert transaction.trouble is not None
    return type(transaction.trouble.cause).__name__, transaction.trouble.stage.name


def cut(octets: bytes, places: list[int]) -> list[bytes]:
    """Cut at these places."""
    edges = [0, *sorted({place % (len(octets) + 1) for place in places}), len(octets)]
    return [octets[begin:end] for begin, end in pairwise(edges)]
