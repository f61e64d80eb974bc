"""TLS as a stream over a stream: what goes through, what is told, and in which order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mailrider.errors import ConnectionLost, TlsTrouble, WireTrouble
from mailrider.net.secure import SecureStream
from virtual_time import come_to_rest, run

from .memory_stream import MemoryStream


class Toy:
    """A channel whose arithmetic can be done in the head: hello is answered by hello, then each octet is its complement."""

    def __init__(self) -> None:
        self.ended = False
        self.shaken = False
        self.outgoing = b"hello"
        self.waiting = b""
        self.deaf = False
        self.linger_seconds = 0.0

    def handshake(self, data: bytes = b"") -> bool:
        self.waiting += data
        if len(self.waiting) >= 5:
            if not self.waiting.startswith(b"hello"):
                self.outgoing += b"alert"
                raise TlsTrouble("bad hello")
            self.waiting, self.shaken = self.waiting[5:], True
        return self.shaken

    def feed(self, data: bytes) -> bytes:
        data, self.waiting = self.waiting + data, b""
        text, goodbye, _ = data.partition(b"\0")
        self.ended = self.ended or bool(goodbye)
        if b"!" in text:
            self.ended = True
            raise TlsTrouble("tampered with")
        return flip(text)

    def encrypt(self, data: bytes) -> None:
        if self.deaf:
            raise TlsTrouble("no more")
        self.outgoing += flip(data)

    def take_outgoing(self) -> bytes:
        outgoing, self.outgoing = self.outgoing, b""
        return outgoing

    def say_goodbye(self) -> None:
        self.outgoing += b"\0"


def flip(data: bytes) -> bytes:
    return bytes(octet ^ 0x80 for octet in data)


class Ear:
    """Who is attached."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def data_received(self, data: bytes) -> None:
        self.told.append(data)

    def stream_ended(self) -> None:
        self.told.append("ended")

    def write_failed(self) -> None:
        self.told.append("write failed")

    def drained(self, octets: int) -> None:
        self.told.append(octets)


class Setting:
    def __init__(self) -> None:
        self.plain = MemoryStream(64 * 1024)
        self.peer = self.plain.peer
        self.toy = Toy()
        self.ear = Ear()
        self.moves = 0
        self.ends: list[WireTrouble | None] = []
        self.stream = SecureStream(self.plain, self.toy, asyncio.get_running_loop())
        self.stream.start(self.move, self.ends.append)

    def move(self) -> None:
        self.moves += 1

    async def shake_hands(self, *pieces: bytes) -> None:
        self.peer.say(*(pieces or (b"hello",)))
        await come_to_rest()
        assert self.ends == [None]
        self.stream.attach(self.ear)
        await come_to_rest()

    @property
    def sent(self) -> bytes:
        return bytes(self.plain.under_way)


def test_text_goes_both_ways() -> None:
    async def main() -> None:
        place = Setting()
        assert place.sent == b"hello"
        await place.shake_hands(b"he", b"ll", b"o")
        assert place.moves == 3
        assert place.stream.write(b"EHLO")
        assert place.sent == b"hello" + flip(b"EHLO")
        place.peer.say(flip(b"250 "), flip(b"Ok"))
        await come_to_rest()
        assert place.ear.told == [b"250 ", b"Ok"]
        assert place.stream.unsent_octets == 0

    run(main())


def test_text_that_comes_with_the_end_of_the_handshake_is_not_lost() -> None:
    async def main() -> None:
        place = Setting()
        await place.shake_hands(b"hello" + flip(b"220 mx"))
        place.peer.say(flip(b" ESMTP"))
        await come_to_rest()
        assert b"".join(place.ear.told) == b"220 mx ESMTP"

    run(main())


def test_a_handshake_that_fails_is_told_once_and_the_peer_hears_why() -> None:
    async def main() -> None:
        place = Setting()
        place.peer.say(b"howdy", b"hello")
        await come_to_rest()
        assert [str(trouble) for trouble in place.ends] == ["bad hello"]
        assert place.sent == b"helloalert"
        place = Setting()
        place.peer.hang_up()
        await come_to_rest()
        assert isinstance(place.ends[0], ConnectionLost)

    run(main())


def test_the_end_of_tls_is_the_end() -> None:
    async def main() -> None:
        place = Setting()
        await place.shake_hands()
        place.peer.say(flip(b"221 Bye") + b"\0", flip(b"more"))
        await come_to_rest()
        assert place.ear.told == [b"221 Bye", "ended"]
        place.stream.resume_reading()
        await come_to_rest()
        assert place.ear.told == [b"221 Bye", "ended"]

    run(main())


@pytest.mark.parametrize("broken", [False, True])
def test_the_end_of_the_connection_and_text_that_was_tampered_with(broken: bool) -> None:
    async def main() -> None:
        place = Setting()
        await place.shake_hands()
        if broken:
            place.peer.say(b"!")
        else:
            place.peer.hang_up()
        await come_to_rest()
        assert place.ear.told == ["ended"]

    run(main())


def test_what_cannot_be_written_is_told_later() -> None:
    async def main() -> None:
        place = Setting()
        await place.shake_hands()
        place.toy.deaf = True
        assert not place.stream.write(b"x")
        assert place.ear.told == []
        await come_to_rest()
        assert place.ear.told == ["write failed"]

    run(main())


def test_closing_says_goodbye_and_tells_nothing_more() -> None:
    async def main() -> None:
        place = Setting()
        await place.shake_hands()
        place.stream.close()
        place.stream.close()
        assert place.sent.endswith(b"\0")
        assert not place.stream.write(b"x")
        place.peer.say(flip(b"x"))
        await come_to_rest()
        assert place.ear.told == []

    run(main())


def test_closing_in_the_middle_of_a_handshake() -> None:
    async def main() -> None:
        place = Setting()
        place.stream.close()
        place.peer.say(b"hello")
        await come_to_rest()
        assert place.ends == []

    run(main())


@pytest.mark.parameter("tls_fast_shutdown_enable")
@pytest.mark.parametrize("answer", [b"\0", b"!", None])
def test_a_goodbye_that_is_waited_for(answer: bytes | None) -> None:
    """The connection below is there until the peer has said goodbye, or something that makes no sense, or has hung up."""

    async def main() -> None:
        place = Setting()
        place.toy.linger_seconds = 60.0
        await place.shake_hands()
        place.stream.close()
        place.stream.close()
        await come_to_rest()
        assert not place.plain.closed
        place.peer.say(flip(b"late"))
        await come_to_rest()
        assert not place.plain.closed
        if answer is None:
            place.peer.hang_up()
        else:
            place.peer.say(answer)
        await come_to_rest()
        assert place.plain.closed
        assert place.ear.told == []

    run(main())


def test_a_goodbye_that_does_not_come() -> None:
    async def main() -> None:
        place = Setting()
        place.toy.linger_seconds = 60.0
        await place.shake_hands()
        place.stream.close()
        await asyncio.sleep(59.0)
        assert not place.plain.closed
        await asyncio.sleep(2.0)
        assert place.plain.closed

    run(main())


def test_nobody_waits_for_a_peer_that_has_said_goodbye() -> None:
    async def main() -> None:
        place = Setting()
        place.toy.linger_seconds = 60.0
        await place.shake_hands()
        place.peer.say(b"\0")
        await come_to_rest()
        place.stream.close()
        assert place.plain.closed

    run(main())
