from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

from mailrider.resolver.exchange import STRAYS_LIMIT, NetworkExchange, TooManyStrays
from mailrider.resolver.system import NameServer

QUICK_SECONDS = 0.01
PATIENT_SECONDS = 30.0


class Peer(asyncio.DatagramProtocol):
    """Answers every datagram with those that it was given."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = answers
        self.heard: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.append(data)
        for answer in self.answers:
            self.transport.sendto(answer, addr)  # type: ignore[attr-defined]


def ask_peer(peer: Peer, is_reply: Callable[[bytes], bool], timeout_seconds: float = PATIENT_SECONDS) -> bytes:
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: peer, local_addr=("127.0.0.1", 0))
        try:
            server = NameServer(*transport.get_extra_info("sockname"))
            return await NetworkExchange().ask_datagram(server, b"question", is_reply, timeout_seconds)
        finally:
            transport.close()

    return asyncio.run(main())


def test_a_datagram_there_and_back() -> None:
    peer = Peer(b"answer", b"late")
    assert ask_peer(peer, lambda wire: True) == b"answer"
    assert peer.heard == [b"question"]


def test_strays_are_passed_over() -> None:
    peer = Peer(*[b"stray"] * STRAYS_LIMIT, b"answer")
    assert ask_peer(peer, lambda wire: wire == b"answer") == b"answer"


def test_too_many_strays() -> None:
    with pytest.raises(TooManyStrays):
        ask_peer(Peer(*[b"stray"] * (STRAYS_LIMIT + 1)), lambda wire: False)


def test_silence_is_a_time_out() -> None:
    with pytest.raises(TimeoutError):
        ask_peer(Peer(), lambda wire: True, QUICK_SECONDS)


def test_nobody_listens() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        server = NameServer(*closed.getsockname())

    async def main() -> bytes:
        return await NetworkExchange().ask_datagram(server, b"question", lambda wire: True, PATIENT_SECONDS)

    with pytest.raises(OSError):
        asyncio.run(main())


def ask_stream(answer: bytes, timeout_seconds: float = PATIENT_SECONDS, *, silent: bool = False) -> tuple[bytes, bytes]:
    """What a TCP server heard, and what came back."""
    heard: list[bytes] = []
    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readexactly(10))
        writer.write(answer)
        if silent:
            await reader.read()
        writer.close()
        served.set()

    async def main() -> bytes:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            address = NameServer(*server.sockets[0].getsockname())
            try:
                return await NetworkExchange().ask_stream(address, b"question", timeout_seconds)
            finally:
                await served.wait()

    return asyncio.run(main()), heard[0]


def test_a_stream_there_and_back() -> None:
    answer = b"x" * 5000
    assert ask_stream(len(answer).to_bytes(2, "big") + answer + b"more") == (answer, b"\0\x08question")


@pytest.mark.parametrize("answer", [b"", b"\0", b"\0\x09answer"])
def test_a_stream_that_ends_early(answer: bytes) -> None:
    with pytest.raises(ConnectionResetError):
        ask_stream(answer)


def test_a_stream_that_stays_silent() -> None:
    with pytest.raises(TimeoutError):
        ask_stream(b"\0\x09answer", QUICK_SECONDS, silent=True)


def test_no_stream() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        server = NameServer(*closed.getsockname())
    with pytest.raises(OSError):
        asyncio.run(NetworkExchange().ask_stream(server, b"question", PATIENT_SECONDS))
