"""Byte streams: what a `Connection` writes to and hears from.

A stream is a thin layer over a non-blocking socket (TCP or UNIX-domain) and not an asyncio transport, because two things
are needed that those do not give: after a failed write, what the peer said before it hung up must still be readable
(it may be the reason), and whatever is read must be handed over before the end of the stream is told.

A TLS layer is another `Stream` over a `Stream`.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Protocol

READ_OCTETS = 16 * 1024
"""The most that is taken from a socket at once: many replies, and small enough to be allocated cheaply."""


class Listener(Protocol):
    """Who is told what happens on a stream."""

    def data_received(self, data: bytes) -> None:
        """Octets came in."""

    def stream_ended(self) -> None:
        """The peer will send no more (end of file, reset or another error while reading)."""

    def write_failed(self) -> None:
        """What was written last, or before, cannot be delivered.  Reading may still give something."""

    def drained(self, octets: int) -> None:
        """`octets` that had been waiting were handed to the system; `unsent_octets` tells whether more waits."""


class Stream(Protocol):
    """A two-way byte stream on an event loop."""

    @property
    def unsent_octets(self) -> int:
        """What waits for the peer."""

    def attach(self, listener: Listener) -> None:
        """Begin to read, and tell `listener`."""

    def write(self, data: bytes) -> bool:
        """Send now, or as soon as the peer takes it.  True if nothing is waiting; False if something is, or was lost."""

    def pause_reading(self) -> None:
        """Leave what comes in with the system."""

    def resume_reading(self) -> None:
        """Take up reading again."""

    def close(self) -> None:
        """Give the stream up at once.  What was not sent yet is lost.  May be called more than once."""


class SocketStream:
    """A stream over a connected non-blocking socket."""

    __slots__ = ("_descriptor", "_listener", "_loop", "_reading", "_socket", "_unsent", "closed")

    def __init__(self, connected: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self._socket = connected
        self._descriptor = connected.fileno()
        self._loop = loop
        self._listener: Listener | None = None
        self._reading = False
        self._unsent = bytearray()
        self.closed = False

    def attach(self, listener: Listener) -> None:
        """Begin to read, and tell `listener`."""
        self._listener = listener
        self.resume_reading()

    def resume_reading(self) -> None:
        """Take up reading again."""
        if not self._reading and not self.closed:
            self._reading = True
            self._loop.add_reader(self._descriptor, self._read)

    def pause_reading(self) -> None:
        """Leave what comes in with the system."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._descriptor)

    def _read(self) -> None:
        assert self._listener is not None
        try:
            data = self._socket.recv(READ_OCTETS)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.pause_reading()
            self._listener.stream_ended()
            return
        if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._watch_again()
        self._listener.data_received(data)

    def _watch_again(self) -> None:
        """Go on reading from a socket that has failed: uvloop tells of a failure once, whatever is left to read."""
        if self._reading:
            self.pause_reading()
            self.resume_reading()

    def write(self, data: bytes) -> bool:
        """Send now, or as soon as the peer takes it."""
        if self._unsent:
            self._unsent += data
            return False
        if self.closed:
            return False
        try:
            sent = self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._fail_later()
            return False
        if sent == len(data):
            return True
        self._unsent += memoryview(data)[sent:]
        self._loop.add_writer(self._descriptor, self._write_more)
        return False

    def _write_more(self) -> None:
        waiting = len(self._unsent)
        try:
            sent = self._socket.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._loop.remove_writer(self._descriptor)
            self._unsent.clear()
            self._tell_failure()
            return
        del self._unsent[:sent]
        if sent == waiting:
            self._loop.remove_writer(self._descriptor)
        if self._listener is not None:
            self._listener.drained(sent)

    def _fail_later(self) -> None:
        """Tell of a failed write outside of `write`, whose caller is in the middle of something."""
        self._loop.call_soon(self._tell_failure)

    def _tell_failure(self) -> None:
        if not self.closed and self._listener is not None:
            self._watch_again()
            self._listener.write_failed()

    @property
    def unsent_octets(self) -> int:
        """What waits for the peer."""
        return len(self._unsent)

    def duplicate(self) -> int:
        """A descriptor of the same socket, which stays open when the stream is closed.  Raises `OSError`."""
        return os.dup(self._descriptor)

    def close(self) -> None:
        """Give the stream up at once."""
        if self.closed:
            return
        self.pause_reading()
        if self._unsent:
            self._loop.remove_writer(self._descriptor)
            self._unsent.clear()
        self.closed = True
        self._listener = None
        self._socket.close()
