"""Asking Postfix's own services over their sockets in the queue directory: one connection, one question, one answer.

A service announces its protocol (since 3.6), takes one list and gives one back.  A listening socket whose backlog is full says
EAGAIN, for which an event loop knows no word: the connection is made by hand and tried again.  How many questions one
service is asked at once is bounded, since it has a process for each.

What can go wrong is a `ServiceFailed` whose text says which service and why.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from mailrider.attributes.plain import AttributeReader, Attributes, MalformedAttributes, Value, encode_attributes

STATUS_PROTOCOL: Final = "delivery_status_protocol"
VERIFY_PROTOCOL: Final = "address_verification_prrotocol"
"""Spelled as Postfix does."""
FLUSH_PROTOCOL: Final = "queue_flush_protocol"

PARALLEL_LIMIT: Final = 20
"""Questions that one service is asked at once."""

TRIES: Final = 2
PAUSE_SECONDS: Final = 0.25
"""Before the second try: a service is away for a moment while Postfix is reloaded."""

FIRST_WAIT_SECONDS: Final = 0.005
LAST_WAIT_SECONDS: Final = 0.25
"""While a backlog is full."""

READ_OCTETS: Final = 64 * 1024
"""What is read at once; most answers are a few dozen octets."""


class ServiceFailed(Exception):
    """A service did not answer, or not with sense."""


class ServiceClients:
    """The services of one Postfix.  Belongs to one event loop."""

    def __init__(self, *, announces: bool, answer_seconds: float) -> None:
        self._announces = announces
        self._answer_seconds = answer_seconds
        self._turns: dict[str, asyncio.Semaphore] = {}

    async def ask(self, path: str, protocol: str, question: Sequence[tuple[str, Value]]) -> int:
        """The `status` that a service answers to a question.  Raises `ServiceFailed`."""
        turn = self._turns.get(path)
        if turn is None:
            turn = self._turns[path] = asyncio.Semaphore(PARALLEL_LIMIT)
        octets = encode_attributes(question)
        async with turn:
            for left in reversed(range(TRIES)):
                try:
                    return await self._ask_once(path, protocol, octets)
                except ServiceFailed:
                    if not left:
                        raise
                await asyncio.sleep(PAUSE_SECONDS)
        raise ServiceFailed(f"{path}: never asked")

    async def _ask_once(self, path: str, protocol: str, octets: bytes) -> int:
        async with open_dialogue(path, self._answer_seconds) as dialogue:
            if self._announces:
                await dialogue.expect_protocol(protocol)
            await dialogue.send(octets)
            answer = await dialogue.receive()
            return answer.integer(b"status")


class ServiceDialogue:
    """A connection to a service.  Raises `OSError`, `EOFError` where it hangs up, and `MalformedAttributes`."""

    __slots__ = ("_loop", "_reader", "_socket")

    def __init__(self, connection: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = connection
        self._reader = AttributeReader()

    async def expect_protocol(self, protocol: str) -> None:
        """The service says first what it speaks."""
        announced = await self.receive()
        if (found := announced.text(b"protocol")) != protocol:
            raise MalformedAttributes(f"it speaks {found[:60]!r} and not {protocol}")

    async def send(self, octets: bytes) -> None:
        """Send all of this."""
        await self._loop.sock_sendall(self._socket, octets)

    async def receive(self) -> Attributes:
        """The next list."""
        while (found := self._reader.take()) is None:
            octets = await self._loop.sock_recv(self._socket, READ_OCTETS)
            if not octets:
                raise EOFError("the service has hung up")
            self._reader.feed(octets)
        return found

    async def send_descriptor(self, descriptor: int) -> None:
        """Send a descriptor, with the one octet that has to go along."""
        socket.send_fds(self._socket, [b"\0"], [descriptor])

    async def receive_descriptor(self) -> int:
        """The descriptor that comes next; nothing may have been read that lies behind the last list."""
        if self._reader.pending_octets:
            raise MalformedAttributes("more than was asked for")
        readable = self._loop.create_future()
        self._loop.add_reader(self._socket.fileno(), _wake, readable)
        try:
            await readable
        finally:
            self._loop.remove_reader(self._socket.fileno())
        octets, descriptors, _, _ = socket.recv_fds(self._socket, 1, 1)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        if octets and len(descriptors) == 1:
            return descriptors[0]
        for descriptor in descriptors:
            os.close(descriptor)
        if not octets:
            raise EOFError("the service has hung up")
        raise MalformedAttributes("an octet without a descriptor")

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def _wake(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)


@asynccontextmanager
async def open_dialogue(path: str, limit_seconds: float) -> AsyncIterator[ServiceDialogue]:
    """One dialogue with a service, within a time limit; whatever goes wrong in it is a `ServiceFailed`."""
    try:
        async with asyncio.timeout(limit_seconds):
            dialogue = await connect_service(path)
            try:
                yield dialogue
            finally:
                dialogue.close()
    except TimeoutError:
        raise ServiceFailed(f"{path}: no answer within {limit_seconds:g} seconds") from None
    except (OSError, EOFError) as trouble:
        raise ServiceFailed(f"{path}: {getattr(trouble, 'strerror', None) or trouble}") from trouble
    except MalformedAttributes as trouble:
        raise ServiceFailed(f"{path}: {trouble}") from trouble


async def connect_service(path: str) -> ServiceDialogue:
    """Connect to a socket in the file system.  Waits while its backlog is full; raises `OSError`."""
    wait_seconds = FIRST_WAIT_SECONDS
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            connection.connect(path)
            return ServiceDialogue(connection)
        except BlockingIOError:
            connection.close()
        except BaseException:
            connection.close()
            raise
        await asyncio.sleep(wait_seconds)
        wait_seconds = min(wait_seconds * 2, LAST_WAIT_SECONDS)
