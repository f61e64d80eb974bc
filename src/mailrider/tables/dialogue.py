"""A conversation with a server that is asked by a table: one question, one answer, by a deadline.

Everything here blocks, since lookups are synchronous, and therefore everything has a limit: the whole lookup must be done by
one deadline, however slowly the octets come, and no answer is longer than its reader allows.

After a server has let a deadline pass it is left alone for `REST_SECONDS`, in which lookups fail at once: else every
delivery would wait for it anew.  A connection that is refused costs nothing, and is tried again by the next lookup.

Known fault: the time that the system's resolver takes for a host name is not limited; give an address where that matters.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from mailrider.errors import TableTrouble, WrongConfiguration

REST_SECONDS: Final = 20.0
"""Four times the usual time limit, so that a silent server takes a fifth of the time at most."""

TIME_LIMIT_TEXT: Final = "time limit exceeded"

READ_OCTETS: Final = 4096
"""Asked for at a time."""

Answer = TypeVar("Answer")


class BrokenDialogue(Exception):
    """The server went away in the middle."""


class SlowDialogue(Exception):
    """The deadline has passed."""


class MalformedAnswer(Exception):
    """The server said what makes no sense, or too much; the message says what."""


class Deadline:
    """A point in time, by the machine's own clock, since the system's calls wait by it."""

    __slots__ = ("_end_seconds",)

    def __init__(self, limit_seconds: float) -> None:
        self._end_seconds = time.monotonic() + limit_seconds

    def remaining_seconds(self) -> float:
        """How much time is left.  Raises `SlowDialogue` where there is none."""
        remaining = self._end_seconds - time.monotonic()
        if remaining <= 0:
            raise SlowDialogue(TIME_LIMIT_TEXT)
        return remaining


class BoundedSocket(socket.socket):
    """A socket for libraries that ask for timeouts per call: each call ends by the deadline, and the octets are counted.

    `begin` starts a new question.  Raises `TimeoutError` at the deadline, `ConnectionAbortedError` for too many octets.
    """

    _deadline: Deadline | None = None
    _octets_left = 0

    def begin(self, deadline: Deadline, limit_octets: int) -> None:
        """From now on `deadline` counts, and no more than `limit_octets` may be received."""
        self._deadline = deadline
        self._octets_left = limit_octets

    def recv(self, *arguments: Any) -> bytes:
        """As that of a socket."""
        self._limit()
        piece = super().recv(*arguments)
        self._count(len(piece))
        return piece

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        """As that of a socket."""
        self._limit()
        octets = super().recv_into(*arguments, **named)
        self._count(octets)
        return octets

    def sendall(self, *arguments: Any) -> None:
        """As that of a socket."""
        self._limit()
        super().sendall(*arguments)

    def _limit(self) -> None:
        if self._deadline is not None:
            try:
                self.settimeout(self._deadline.remaining_seconds())
            except SlowDialogue as trouble:
                raise TimeoutError(str(trouble)) from None

    def _count(self, octets: int) -> None:
        self._octets_left -= octets
        if self._deadline is not None and self._octets_left < 0:
            raise ConnectionAbortedError(errno.ECONNABORTED, "the answer is too long")


class Endpoint:
    """Where a server is: `host:port`, or the path of a socket.  Raises `WrongConfiguration`."""

    __slots__ = ("host", "path", "port", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.path = ""
        self.host, self.port = "", ""
        if text.startswith("unix:"):
            self.path = text[5:]
        else:
            host, colon, port = text.removeprefix("inet:").rpartition(":")
            self.host, self.port = (host.strip("[]") or "localhost", port) if colon else ("localhost", port)
        if not self.path and not self.port:
            raise WrongConfiguration(f"{text!r} is neither host:port nor unix:/path")

    def connect(self, deadline: Deadline) -> BoundedSocket:
        """A connection.  Raises `OSError`, `SlowDialogue`."""
        if self.path:
            return _connect(socket.AF_UNIX, 0, self.path, deadline)
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as trouble:
            raise OSError(getattr(trouble, "strerror", None) or str(trouble)) from None
        failure = OSError(f"no address of {self.host}")
        for family, _, protocol, _, address in found:
            try:
                return _connect(family, protocol, address, deadline)
            except OSError as trouble:
                failure = trouble
        raise failure


class Dialogue:
    """A connection to a server, made when it is needed, and kept.

    `greet` reads what the server says first on a new connection; it is a reader.
    """

    def __init__(
        self,
        title: str,
        endpoint: Endpoint,
        now_seconds: Callable[[], float],
        limit_seconds: float,
        *,
        greet: Callable[[Dialogue], None] | None = None,
    ) -> None:
        self._title = title
        self._endpoint = endpoint
        self._greet = greet
        self._now_seconds = now_seconds
        self._limit_seconds = limit_seconds
        self._socket: BoundedSocket | None = None
        self._rest_until_seconds: float | None = None
        self._waiting = b""
        self._deadline = Deadline(0)

    def __del__(self) -> None:
        self.close()

    def ask(self, question: bytes, read: Callable[[Dialogue], Answer]) -> Answer:
        """Send a question and have `read` read the answer.

        A connection that was kept and turns out to be broken is made anew, once.  Raises `TableTrouble`.
        """
        now_seconds = self._now_seconds()
        if self._rest_until_seconds is not None and now_seconds < self._rest_until_seconds:
            raise TableTrouble(f"{self._title}: the server was too slow a moment ago; it is asked again in a while")
        self._rest_until_seconds = None
        self._deadline = Deadline(self._limit_seconds)
        try:
            if self._socket is not None:
                try:
                    return self._exchange(question, read)
                except (BrokenDialogue, ConnectionError):
                    self.close()
            return self._exchange(question, read)
        except (SlowDialogue, TimeoutError):
            self._rest_until_seconds = now_seconds + REST_SECONDS
            raise self._give_up(f"no answer within {self._limit_seconds:g} seconds") from None
        except BrokenDialogue as trouble:
            raise self._give_up(str(trouble)) from None
        except MalformedAnswer as trouble:
            raise self._give_up(f"an answer that makes no sense: {trouble}") from None
        except OSError as trouble:
            raise self._give_up(trouble.strerror or os.strerror(trouble.errno or 0) or str(trouble)) from None

    def close(self) -> None:
        """Hang up; the next question makes a new connection."""
        if getattr(self, "_socket", None) is not None:
            assert self._socket is not None
            self._socket.close()
        self._socket = None
        self._waiting = b""

    def read_line(self, limit_octets: int) -> bytes:
        """The next line, without its line feed.  For readers; what it raises is caught in `ask`."""
        position = 0
        while (end := self._waiting.find(b"\n", position)) < 0:
            position = len(self._waiting)
            if position > limit_octets:
                raise MalformedAnswer(f"a line of more than {limit_octets} octets")
            self._receive()
        if end > limit_octets:
            raise MalformedAnswer(f"a line of more than {limit_octets} octets")
        line, self._waiting = self._waiting[:end], self._waiting[end + 1 :]
        return line

    def read_exactly(self, octets: int) -> bytes:
        """So many octets.  For readers."""
        while len(self._waiting) < octets:
            self._receive()
        taken, self._waiting = self._waiting[:octets], self._waiting[octets:]
        return taken

    def read_some(self) -> bytes:
        """Whatever has come, one octet at least.  For readers."""
        if not self._waiting:
            self._receive()
        taken, self._waiting = self._waiting, b""
        return taken

    def _exchange(self, question: bytes, read: Callable[[Dialogue], Answer]) -> Answer:
        if self._socket is None:
            self._socket = self._endpoint.connect(self._deadline)
            self._waiting = b""
            if self._greet is not None:
                self._greet(self)
        self._waiting = b""
        self._socket.settimeout(self._deadline.remaining_seconds())
        self._socket.sendall(question)
        return read(self)

    def _receive(self) -> None:
        assert self._socket is not None
        self._socket.settimeout(self._deadline.remaining_seconds())
        piece = self._socket.recv(READ_OCTETS)
        if not piece:
            raise BrokenDialogue("the server has hung up")
        self._waiting += piece

    def _give_up(self, reason: str) -> TableTrouble:
        self.close()
        return TableTrouble(f"{self._title}: {self._endpoint.text}: {reason}")


def _connect(family: int, protocol: int, address: Any, deadline: Deadline) -> BoundedSocket:
    connection = BoundedSocket(family, socket.SOCK_STREAM, protocol)
    try:
        connection.settimeout(deadline.remaining_seconds())
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def show_octets(octets: bytes, limit: int = 60) -> str:
    """The beginning of what a server said, fit for a log."""
    text = "".join([chr(octet) if 32 <= octet < 127 else "?" for octet in octets[:limit]])
    return f"'{text}{'...' if len(octets) > limit else ''}'"
