"""What every `Stream` promises; each filling runs all of it (a class derived from `StreamContract`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import pytest

from mailrider.net.stream import READ_OCTETS, Stream
from virtual_time import VirtualTimeLoop, run


class Peer(Protocol):
    """The other end of a stream."""

    def say(self, data: bytes) -> None: ...

    def hang_up(self) -> None: ...

    def reset(self) -> None: ...

    async def take(self, octets: int) -> bytes: ...

    async def wait_for_end(self) -> bytes: ...


class Ear:
    """A `Listener` that writes down what it is told, and does what a test wants it to do in the middle of that."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.drained_octets: list[int] = []
        self.ends = 0
        self.failures = 0
        self.reaction: Callable[[], None] | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def heard(self) -> bytes:
        return b"".join(self.pieces)

    def data_received(self, data: bytes) -> None:
        self.pieces.append(data)
        self._react()

    def stream_ended(self) -> None:
        self.ends += 1
        self._react()

    def write_failed(self) -> None:
        self.failures += 1
        self._react()

    def drained(self, octets: int) -> None:
        self.drained_octets.append(octets)
        self._react()

    def _react(self) -> None:
        if self.reaction is not None:
            self.reaction()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is told that makes `condition` true."""
        while not condition():
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter


Scene = Callable[[Stream, Peer, Ear], Coroutine[Any, Any, None]]

MUCH = bytes(range(256)) * (1 << 14)
"""More than any socket buffer takes: 4 MB."""


ROUNDS = 50


async def settle() -> None:
    """Let happen what can happen: rounds of the loop, and some time where time costs nothing."""
    for _ in range(ROUNDS):
        await asyncio.sleep(0)
    if isinstance(asyncio.get_running_loop(), VirtualTimeLoop):
        await asyncio.sleep(10)


class StreamContract:
    """Derive from this, and say how to make a stream and its other end."""

    async def open_pair(self) -> tuple[Stream, Peer]:
        raise NotImplementedError

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        run(main)

    def play(self, scene: Scene) -> None:
        async def main() -> None:
            stream, peer = await self.open_pair()
            ear = Ear()
            stream.attach(ear)
            try:
                await scene(stream, peer, ear)
            finally:
                stream.close()
                peer.hang_up()

        self.run(main())

    def test_what_the_peer_says_arrives_whole_and_in_pieces_of_bounded_size(self) -> None:
        async def scene(stream: Stream, peer: Peer, ear: Ear) -> None:
            said = MUCH[: 3 * READ_OCTETS + 17]
            peer.say(said)
            await ear.until(lambda: len(ear.heard) == len(said))
            assert ear.heard == said
            assert max(map(len, ear.pieces)) <= READ_OCTETS
            assert not ear.ends

        self.play(scene)

    def test_the_end_is_told_once_and_after_everything_that_was_said(self) -> None:
        async def scene(stream: Stream, peer: Peer, ear: Ear) -> None:
            peer.say(b"last words")
            peer.hang_up()
            await ear.until(lambda: ear.ends > 0)
            assert ear.heard == b"last words"
            await settle()
            assert ear.ends == 1

        self.play(scene)

    def test_a_peer_that_says_no_more_still_listens(self) -> None:
        async def scene(stream: Stream, peer: Peer, ear: Ear) -> None:
            peer.hang_up()
            await ear.until(lambda: ear.ends > 0)
            assert stream.write(b"are you there?")
            assert await peer.take(14) == b"are you there?"
            assert not ear.failures

        self.play(scene)

    def test_a_reset_is_an_end(self) -> None:
        async def scene(stream: Stream, peer: Peer, ear: Ear) -> None:
            peer.reset()
            await ear.until(lambda: ear.ends > 0)
            assert ear.heard == b""

        self.play(scene)

    def test_nothing_is_told_while_reading_is_paused(self) -> None:
        async def scene(stream: Stream, peer: Peer, ear: Ear) -> None:
            stream.pause_reading()
            stream.pause_reading()
            peer.say(b"hello")
            peer.hang_up()
            await settle()
            assert (ear.heard, ear.ends) == (b"", 0)
            stream.resume_reading()
            stream.resume_reading()
            await ear.until(lambda: ear.ends > 0)
            assert ear.heard == b"hello"

        self.play(scene)

    def test_reading_can_be_paused_in_the_middle_of_it(self) -> None:
        async def scene(stream: Stream, peer: Peer, ear: Ear) -> None:
            ear.reaction = stream.pause_reading
            peer.say(MUCH[: 2 * READ_OCTETS])
            await ear.until(lambda: bool(ear.pieces))
            await settle()
            assert len(ear.pieces) == 1
            ear.reaction = None
            stream.resume_reading()
            await ear.until(lambda: len(ear.heard) == 2 * READ_OCTETS)

        self.play(scene)

    def test_what_is_written_reaches_the_peer_in_order(self) -> None:
        async def scene(stream: Stream, peer: Peer, ear: Ear) -> None:
            assert stream.write(b"one ")
            assert stream.write(b"")
            assert stream.write(b"two")
            assert stream.unsent_octets == 0
            assert await peer.take(7) == b"one two"
            assert ear.drained_octets == []

        self.play(scene)

    def test_what_the_peer_does_not_take_yet_waits(self) -> None:
        async def scene(stream: Stream, peer: Peer, ear: Ear) -> None:
            assert not stream.write(MUCH)
            waiting = stream.unsent_octets
            assert 0 < waiting <= len(MUCH)
            assert not stream.write(b"the end")
            assert stream.unsent_octets == waiting + 7
            assert await peer.take(len(MUCH) + 7) == MUCH + b"the end"
            await ear.until(lambda: not stream.unsent_octets)
            assert sum(ear.drained_octets) == waiting + 7
            assert stream.write(b".")
            assert await peer.take(1) == b"."

        self.play(scene)

    def test_more_may_be_written_when_the_peer_has_taken_what_waited(self) -> None:
        async def scene(stream: Stream, peer: Peer, ear: Ear) -> None:
            stream.write(MUCH)
            rounds = iter(range(3))

            def write_again() -> None:
                if not stream.unsent_octets and next(rounds, None) is not None:
                    stream.write(MUCH)

            ear.reaction = write_again
            assert await peer.take(4 * len(MUCH)) == 4 * MUCH
            await ear.until(lambda: not stream.unsent_octets)

        self.play(scene)

    def test_a_write_that_fails_is_told_later_and_last_words_are_still_heard(self) -> None:
        async def scene(stream: Stream, peer: Peer, ear: Ear) -> None:
            stream.pause_reading()
            peer.say(b"554 go away\r\n")
            peer.reset()
            await settle()
            while stream.write(b"content"):
                await settle()
            assert ear.failures == 0
            await ear.until(lambda: ear.failures > 0)
            assert ear.failures == 1
            stream.resume_reading()
            await ear.until(lambda: ear.ends > 0)
            assert ear.heard in (b"554 go away\r\n", b"")  # a system may drop what it has when it is reset

        self.play(scene)

    def test_octets_that_waited_are_lost_with_the_peer(self) -> None:
        async def scene(stream: Stream, peer: Peer, ear: Ear) -> None:
            stream.pause_reading()
            stream.write(MUCH)
            peer.reset()
            await ear.until(lambda: ear.failures > 0)
            assert stream.unsent_octets == 0
            await settle()
            assert ear.failures == 1

        self.play(scene)

    def test_close_ends_it_for_the_peer(self) -> None:
        async def scene(stream: Stream, peer: Peer, ear: Ear) -> None:
            stream.write(b"bye")
            stream.close()
            assert await peer.wait_for_end() == b"bye"

        self.play(scene)

    def test_nothing_is_told_and_nothing_taken_after_close(self) -> None:
        async def scene(stream: Stream, peer: Peer, ear: Ear) -> None:
            stream.write(MUCH)
            peer.say(b"too late")
            stream.close()
            stream.close()
            stream.resume_reading()
            stream.pause_reading()
            assert stream.unsent_octets == 0
            assert not stream.write(b"more")
            await settle()
            assert (ear.heard, ear.ends, ear.failures, ear.drained_octets) == (b"", 0, 0, [])

        self.play(scene)

    def test_a_failure_is_not_told_after_close(self) -> None:
        async def scene(stream: Stream, peer: Peer, ear: Ear) -> None:
            stream.pause_reading()
            peer.reset()
            await settle()
            while stream.write(b"content"):
                await settle()
            stream.close()
            await settle()
            assert ear.failures == 0

        self.play(scene)

    @pytest.mark.parametrize("moment", ["data", "end", "drained", "failure"])
    def test_the_listener_may_close_the_stream_whatever_it_is_told(self, moment: str) -> None:
        async def scene(stream: Stream, peer: Peer, ear: Ear) -> None:
            ear.reaction = stream.close
            if moment == "data":
                peer.say(MUCH[: 2 * READ_OCTETS])
                await ear.until(lambda: bool(ear.pieces))
            elif moment == "end":
                peer.hang_up()
                await ear.until(lambda: ear.ends > 0)
            elif moment == "drained":
                stream.write(MUCH)
                reading = asyncio.create_task(peer.take(len(MUCH)))
                await ear.until(lambda: bool(ear.drained_octets))
                reading.cancel()
                await asyncio.wait([reading])
            else:
                stream.pause_reading()
                stream.write(MUCH)
                peer.reset()
                await ear.until(lambda: ear.failures > 0)
            await settle()
            assert len(ear.pieces) + ear.ends + len(ear.drained_octets) + ear.failures == 1

        self.play(scene)
