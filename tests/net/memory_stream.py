"""A `Stream` without a socket, and its other end in the hands of a test.

It keeps the contract of `stream_contract`, as `SocketStream` does.  What the peer says in one call arrives in one call (if it
is not longer than one read), so that a test decides where replies are cut.
"""

from __future__ import annotations

import asyncio
from collections import deque

from mailrider.net.stream import READ_OCTETS, Listener


class MemoryStream:
    """Our end.  `capacity_octets` is what "the system" takes off our hands before the peer reads."""

    def __init__(self, capacity_octets: int = 64 * 1024) -> None:
        self.peer = MemoryPeer(self)
        self.capacity_octets = capacity_octets
        self.closed = False
        self.broken = False
        self.reading = False
        self.incoming: deque[bytes] = deque()  # an empty piece is the end
        self.under_way = bytearray()
        self._unsent = bytearray()
        self._listener: Listener | None = None
        self._loop = asyncio.get_running_loop()
        self._scheduled = False

    # As `Stream` has it

    @property
    def unsent_octets(self) -> int:
        return len(self._unsent)

    def attach(self, listener: Listener) -> None:
        self._listener = listener
        self.resume_reading()

    def resume_reading(self) -> None:
        self.reading = not self.closed
        self.schedule()

    def pause_reading(self) -> None:
        self.reading = False

    def write(self, data: bytes) -> bool:
        if self._unsent:
            self._unsent += data
            return False
        if self.closed:
            return False
        if self.broken:
            self._loop.call_soon(self._tell_failure)
            return False
        self._unsent += data
        self._move()
        return not self._unsent

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.reading = False
            self._listener = None
            self._unsent.clear()
            self.peer.wake()

    # How things happen

    def schedule(self) -> None:
        """Hand over the next piece in a later round of the loop."""
        if self.incoming and self.reading and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        self._scheduled = False
        if not (self.incoming and self.reading):
            return
        assert self._listener is not None
        piece = self.incoming.popleft()
        if len(piece) > READ_OCTETS:
            self.incoming.appendleft(piece[READ_OCTETS:])
            piece = piece[:READ_OCTETS]
        if piece:
            self._listener.data_received(piece)
        else:
            self.reading = False
            self._listener.stream_ended()
        self.schedule()

    def _move(self) -> int:
        """Take as much off our hands as there is room for."""
        room = self.capacity_octets - len(self.under_way)
        moved = self._unsent[: max(room, 0)]
        del self._unsent[: len(moved)]
        self.under_way += moved
        self.peer.wake()
        return len(moved)

    def make_room(self) -> None:
        """The peer has read: more can go, in a later round."""
        if self._unsent:
            self._loop.call_soon(self._move_later)

    def _move_later(self) -> None:
        moved = self._move()
        if moved and self._listener is not None:
            self._listener.drained(moved)

    def break_off(self) -> None:
        """What is written from now on is lost."""
        self.broken = True
        if self._unsent:
            self._unsent.clear()
            self._loop.call_soon(self._tell_failure)

    def _tell_failure(self) -> None:
        if self._listener is not None:
            self._listener.write_failed()


class MemoryPeer:
    """The other end: says, hears, hangs up."""

    def __init__(self, stream: MemoryStream) -> None:
        self._stream = stream
        self._waiter: asyncio.Future[None] | None = None

    def say(self, *pieces: bytes) -> None:
        """Each piece arrives by itself."""
        self._stream.incoming.extend(piece for piece in pieces if piece)
        self._stream.schedule()

    def hang_up(self) -> None:
        """Say no more; still listen."""
        self._stream.incoming.append(b"")
        self._stream.schedule()

    def reset(self) -> None:
        """Be gone: no more is said, and nothing is taken."""
        self._stream.break_off()
        self.hang_up()

    def stop_listening(self) -> None:
        """Take nothing, but do not hang up yet."""
        self._stream.break_off()

    async def hear(self, expected: bytes) -> None:
        """Wait for these octets: they must come next."""
        heard = await self.take(len(expected))
        assert heard == expected

    async def take(self, octets: int) -> bytes:
        """Read exactly so many octets."""
        heard = b""
        while len(heard) < octets:
            while not self._stream.under_way:
                assert not self._stream.closed, f"closed after {heard!r}"
                await self._sleep()
            piece = bytes(self._stream.under_way[: octets - len(heard)])
            del self._stream.under_way[: len(piece)]
            heard += piece
            self._stream.make_room()
        return heard

    def take_all(self) -> bytes:
        """What has come by now."""
        heard = bytes(self._stream.under_way)
        self._stream.under_way.clear()
        self._stream.make_room()
        return heard

    async def wait_for_end(self) -> bytes:
        """Wait until the other end has closed; what was said before that comes back."""
        heard = b""
        while not self._stream.closed:
            heard += self.take_all()
            if not self._stream.closed:
                await self._sleep()
        return heard + self.take_all()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _sleep(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter
