"""One question over the wire and one answer back: UDP and TCP (RFC 1035 §4.2, RFC 7766).

Each question has a socket of its own, so that the system picks a fresh source port (RFC 5452 §9.2); the socket is
connected, so that only datagrams of that name server reach us.  What can go wrong is an `OSError` (time-outs are one).

`dns.asyncquery` does not do here: it waits out the time where nobody listens, because its socket is not connected; it sets no
limit to strays; and it has no way to hand on an answer that is partly garbled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from mailrider.resolver.system import NameServer

STRAYS_LIMIT = 16
"""Datagrams from the right address that answer something else; more look like guessing, and TCP cannot be guessed."""


class TooManyStrays(OSError):
    """Datagrams kept coming that do not answer the question."""


class Exchange(Protocol):
    """How packets reach a name server; the tests have one without sockets."""

    async def ask_datagram(
        self, server: NameServer, query: bytes, is_reply: Callable[[bytes], bool], timeout_seconds: float
    ) -> bytes:
        """Send `query` as a datagram, return the first one that `is_reply` lets through; raises `OSError`."""

    async def ask_stream(self, server: NameServer, query: bytes, timeout_seconds: float) -> bytes:
        """Send `query` over TCP, return what comes back; raises `OSError`."""


class NetworkExchange:
    """The real thing."""

    async def ask_datagram(
        self, server: NameServer, query: bytes, is_reply: Callable[[bytes], bool], timeout_seconds: float
    ) -> bytes:
        """See `Exchange`."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[bytes] = loop.create_future()
        async with asyncio.timeout(timeout_seconds):
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(waiting, is_reply), remote_addr=(server.address, server.port)
            )
            try:
                transport.sendto(query)
                return await waiting
            finally:
                transport.abort()

    async def ask_stream(self, server: NameServer, query: bytes, timeout_seconds: float) -> bytes:
        """See `Exchange`."""
        async with asyncio.timeout(timeout_seconds):
            reader, writer = await asyncio.open_connection(server.address, server.port)
            try:
                writer.write(len(query).to_bytes(2, "big") + query)
                size = int.from_bytes(await reader.readexactly(2), "big")
                return await reader.readexactly(size)
            except asyncio.IncompleteReadError as trouble:
                raise ConnectionResetError(f"name server {server} closed the connection") from trouble
            finally:
                writer.transport.abort()


class _Datagrams(asyncio.DatagramProtocol):
    """Waits for the one datagram that matters."""

    def __init__(self, waiting: asyncio.Future[bytes], is_reply: Callable[[bytes], bool]) -> None:
        self._waiting = waiting
        self._is_reply = is_reply
        self._strays = 0

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Take the answer, count the rest."""
        if self._waiting.done():
            return
        if self._is_reply(data):
            self._waiting.set_result(data)
            return
        self._strays += 1
        if self._strays > STRAYS_LIMIT:
            self._waiting.set_exception(TooManyStrays("too many datagrams that answer nothing"))

    def error_received(self, exc: Exception) -> None:
        """The name server's host says that nobody listens there."""
        if not self._waiting.done():
            self._waiting.set_exception(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone; nobody waits any more unless it went by itself."""
        if not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionAbortedError("the socket was closed"))
