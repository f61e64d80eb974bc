"""TLS as a stream over a stream: the handshake, then plain text for whoever is attached.

The arithmetic is a `Channel`'s, which knows no stream (`tls.channel`); here is what goes from one to the other.  Nothing waits
and nothing is kept beyond one read: as many octets as the stream below hands over are decrypted and passed on.

Closing tells the peer that no more will come, and does not wait for its answer; a channel with `linger_seconds` keeps the
stream below until the answer has come or they are over (postconf(5), `tls_fast_shutdown_enable`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from mailrider.errors import ConnectionLost, TlsTrouble, WireTrouble
from mailrider.net.stream import Listener, Stream


class Channel(Protocol):
    """A TLS connection as a machine; see `tls.channel.Channel`."""

    ended: bool
    linger_seconds: float

    def handshake(self, data: bytes = b"") -> bool:
        """Go on with the handshake; True when it is over.  Raises `TlsTrouble`."""

    def feed(self, data: bytes) -> bytes:
        """The plain text in what came from the peer.  Raises `TlsTrouble`."""

    def encrypt(self, data: bytes) -> None:
        """Take plain text for the peer.  Raises `TlsTrouble`."""

    def take_outgoing(self) -> bytes:
        """What has to go to the peer now."""

    def say_goodbye(self) -> None:
        """Tell the peer that no more will come.  Never raises."""


def _ignore() -> None:
    """Nobody wants to know yet."""


class SecureStream:
    """TLS through `channel` over `plain`.  `start` comes first, `attach` when the handshake has ended well."""

    __slots__ = ("_channel", "_closed", "_early", "_ended", "_lingering", "_listener", "_loop", "_moved", "_plain")

    def __init__(self, plain: Stream, channel: Channel, loop: asyncio.AbstractEventLoop) -> None:
        self._plain = plain
        self._channel = channel
        self._loop = loop
        self._moved: Callable[[], None] = _ignore
        self._ended: Callable[[WireTrouble | None], None] | None = None  # while the handshake goes on
        self._listener: Listener | None = None
        self._early = b""  # plain text that came with the end of the handshake
        self._closed = False
        self._lingering: asyncio.TimerHandle | None = None

    # -- the handshake ---------------------------------------------------------------------------------------------

    def start(self, moved: Callable[[], None], ended: Callable[[WireTrouble | None], None]) -> None:
        """Begin the handshake.  `moved` hears that the peer has sent something, `ended` in a later round of the loop how
        it went.
        """
        self._moved, self._ended = moved, ended
        self._plain.attach(self)
        self._shake_hands(b"")

    def _shake_hands(self, data: bytes) -> None:
        try:
            over = self._channel.handshake(data)
            if over:
                self._early = self._channel.feed(b"")
        except TlsTrouble as trouble:
            self._send()  # an alert that tells the peer what was wrong
            self._end_handshake(trouble)
            return
        self._send()
        if over:
            self._plain.pause_reading()  # until somebody is attached
            self._end_handshake(None)

    def _end_handshake(self, trouble: WireTrouble | None) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            self._loop.call_soon(ended, trouble)

    # -- for whoever is attached -----------------------------------------------------------------------------------

    def attach(self, listener: Listener) -> None:
        """Begin to read, and tell `listener`."""
        self._listener = listener
        self._plain.resume_reading()
        if self._early:
            self._loop.call_soon(self._hand_over_early)

    def _hand_over_early(self) -> None:
        early, self._early = self._early, b""
        if early and self._listener is not None:
            self._listener.data_received(early)

    def write(self, data: bytes) -> bool:
        """Send now, or as soon as the peer takes it."""
        if self._closed:
            return False
        try:
            self._channel.encrypt(data)
        except TlsTrouble:
            self._loop.call_soon(self.write_failed)
            return False
        return self._plain.write(self._channel.take_outgoing())

    def _send(self) -> None:
        outgoing = self._channel.take_outgoing()
        if outgoing and not self._closed:
            self._plain.write(outgoing)

    @property
    def unsent_octets(self) -> int:
        """What waits for the peer, as it goes over the line."""
        return self._plain.unsent_octets

    def pause_reading(self) -> None:
        """Leave what comes in with the system."""
        self._plain.pause_reading()

    def resume_reading(self) -> None:
        """Take up reading again."""
        if not self._channel.ended:
            self._plain.resume_reading()

    def close(self) -> None:
        """Give the stream up at once."""
        if self._closed:
            return
        self._channel.say_goodbye()
        self._send()
        self._closed = True
        conversed = self._listener is not None and not self._channel.ended
        self._listener = self._ended = None
        if conversed and self._channel.linger_seconds > 0:
            self._lingering = self._loop.call_later(self._channel.linger_seconds, self._let_go)
            self._plain.resume_reading()
        else:
            self._plain.close()

    def _let_go(self) -> None:
        """The peer has said goodbye too, or will not any more."""
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
            self._plain.close()

    def _hear_goodbye(self, data: bytes) -> None:
        try:
            self._channel.feed(data)
        except TlsTrouble:
            self._let_go()
        if self._channel.ended:
            self._let_go()

    # -- for the stream below --------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Octets came in."""
        if self._ended is not None:
            self._moved()
            self._shake_hands(data)
            return
        if self._lingering is not None:
            self._hear_goodbye(data)
            return
        listener = self._listener
        if listener is None:
            return  # nobody is there yet, or any more
        if self._early:
            self._hand_over_early()
        try:
            text = self._channel.feed(data)
        except TlsTrouble:
            text = b""
        self._send()
        if text:
            listener.data_received(text)
        if self._channel.ended and self._listener is not None:
            self._plain.pause_reading()
            listener.stream_ended()

    def stream_ended(self) -> None:
        """The peer will send no more.  Without its goodbye too: what was cut off, SMTP itself notices."""
        if self._ended is not None:
            self._end_handshake(ConnectionLost("lost connection"))
        elif self._lingering is not None:
            self._let_go()
        elif self._listener is not None:
            if self._early:
                self._hand_over_early()
            if self._listener is not None:
                self._listener.stream_ended()

    def write_failed(self) -> None:
        """What was written last, or before, cannot be delivered."""
        self._let_go()
        if self._listener is not None and not self._closed:
            self._listener.write_failed()

    def drained(self, octets: int) -> None:
        """So many octets were handed to the system."""
        if self._listener is not None:
            self._listener.drained(octets)
