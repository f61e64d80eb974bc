"""A server that resets the connection right after its reply.  On uvloop too, which tells of a failed socket only once."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

import pytest

from mailrider.net.stream import SocketStream

uvloop = pytest.importorskip("uvloop", reason="the package uvloop is not installed")
PATIENCE_SECONDS = 90.0


class Notebook:
    """Writes down what happened, and knows when it was over."""

    def __init__(self, over: asyncio.Future[None]) -> None:
        self.over = over
        self.happened: list[object] = []

    def data_received(self, data: bytes) -> None:
        self.happened.append(data)

    def stream_ended(self) -> None:
        self.happened.append("end")
        self.over.set_result(None)

    def write_failed(self) -> None:
        self.happened.append("write failed")

    def drained(self, octets: int) -> None:
        pass


def connect() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
    ours.setblocking(False)
    return ours, theirs


def reset(connected: socket.socket) -> None:
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connected.close()


async def read_reply_and_reset(*, write: bool) -> list[object]:
    loop = asyncio.get_running_loop()
    ours, theirs = connect()
    theirs.sendall(b"250 2.1.0 Ok\r\n")
    reset(theirs)
    stream = SocketStream(ours, loop)
    notebook = Notebook(loop.create_future())
    stream.attach(notebook)
    if write:
        stream.write(b"RCPT TO:<a@example.test>\r\n")
    async with asyncio.timeout(PATIENCE_SECONDS):
        await notebook.over
    stream.close()
    return notebook.happened


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("write", [False, True])
def test_the_reply_before_a_reset_is_read_and_the_end_is_told(
    loop_factory: Callable[[], asyncio.AbstractEventLoop], write: bool
) -> None:
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        happened = runner.run(read_reply_and_reset(write=write))
    assert b"250 2.1.0 Ok\r\n" in happened
    assert happened[-1] == "end" or happened[-2:] == ["end", "write failed"]
