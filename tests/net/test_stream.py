from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import Coroutine
from typing import Any

import pytest

from mailrider.net.stream import SocketStream, Stream
from virtual_time import run

from .stream_contract import Ear, Peer, StreamContract

PATIENCE_SECONDS = 90.0  # no test comes near it; it ends one that hangs


class SocketPeer:
    """The other end of a socket."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._loop = asyncio.get_running_loop()
        connected.setblocking(False)

    def say(self, data: bytes) -> None:
        assert self._socket.send(data) == len(data)

    def hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        if self._socket.family == socket.AF_INET:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    async def take(self, octets: int) -> bytes:
        taken = bytearray()
        while len(taken) < octets:
            piece = await self._loop.sock_recv(self._socket, min(octets - len(taken), 1 << 20))
            assert piece
            taken += piece
        return bytes(taken)

    async def wait_for_end(self) -> bytes:
        taken = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := await self._loop.sock_recv(self._socket, 1 << 20):
                taken += piece
        return taken

    def close(self) -> None:
        self._socket.close()


class SocketContract(StreamContract):
    """Closes the other end too, so that a socket that is left open is one that the stream has left open."""

    peers: list[SocketPeer]

    def open_sockets(self) -> tuple[socket.socket, socket.socket]:
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _close_peers(self) -> object:
        self.peers = []
        yield
        for peer in self.peers:
            peer.close()

    async def open_pair(self) -> tuple[Stream, Peer]:
        ours, theirs = self.open_sockets()
        ours.setblocking(False)
        peer = SocketPeer(theirs)
        self.peers.append(peer)
        return SocketStream(ours, asyncio.get_running_loop()), peer


class TestTcpStream(SocketContract):
    def open_sockets(self) -> tuple[socket.socket, socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            ours = socket.create_connection(listening.getsockname())
            theirs, _ = listening.accept()
        # 4 MB have to be more than fits between the two.
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * 1024)
        return ours, theirs


class TestUnixStream(SocketContract):
    def open_sockets(self) -> tuple[socket.socket, socket.socket]:
        return socket.socketpair()


class OnUvloop:
    """The same on the event loop that the command uses, where the platform has it."""

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        uvloop = pytest.importorskip("uvloop", reason="the package uvloop is not installed")

        async def bounded() -> None:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await main

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(bounded())


class TestTcpStreamOnUvloop(OnUvloop, TestTcpStream):
    pass


class TestUnixStreamOnUvloop(OnUvloop, TestUnixStream):
    pass


def test_a_socket_that_has_nothing_after_all_is_no_end() -> None:
    """A readiness that turns out to be none (select(2), BUGS) is passed over."""

    class Fickle:
        """A socket that is called readable and writable and is neither, once."""

        def __init__(self, real: socket.socket) -> None:
            self._real = real
            self.excuses = [BlockingIOError(), InterruptedError()]

        def fileno(self) -> int:
            return self._real.fileno()

        def recv(self, octets: int) -> bytes:
            if self.excuses:
                raise self.excuses.pop()
            return self._real.recv(octets)

        def getsockopt(self, level: int, option: int) -> int:
            return self._real.getsockopt(level, option)

        def close(self) -> None:
            self._real.close()

    async def main() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            ours.setblocking(False)
            stream = SocketStream(Fickle(ours), asyncio.get_running_loop())  # type: ignore[arg-type]
            ear = Ear()
            stream.attach(ear)
            theirs.send(b"here")
            await ear.until(lambda: bool(ear.pieces))
            assert (ear.heard, ear.ends) == (b"here", 0)
            stream.close()

    run(main())


def test_an_error_while_reading_is_an_end() -> None:
    """ETIMEDOUT, EHOSTUNREACH and the like: whatever it is, nothing more comes."""

    class Broken:
        def __init__(self, real: socket.socket) -> None:
            self._real = real

        def fileno(self) -> int:
            return self._real.fileno()

        def recv(self, octets: int) -> bytes:
            raise OSError(errno.EHOSTUNREACH, "No route to host")

        def close(self) -> None:
            self._real.close()

    async def main() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            stream = SocketStream(Broken(ours), asyncio.get_running_loop())  # type: ignore[arg-type]
            ear = Ear()
            stream.attach(ear)
            theirs.send(b"x")
            await ear.until(lambda: ear.ends > 0)
            stream.close()

    run(main())
