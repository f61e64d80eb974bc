"""The smallest driver that a protocol script can have: no socket, no clock, no event loop.

`Driver` runs scripts over a `Wire` as `net.connection` does, and remembers what they write.  What the server says reaches the
`ReplyParser` in the pieces that a `Cut` makes of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from random import Random
from typing import Any

from mailrider.errors import ConnectionLost, MailriderError, WireTrouble
from mailrider.smtp.reply import Note, Reply, ReplyParser
from mailrider.smtp.wire import AwaitReply, Pause, Transmit, Want, Wire

Cut = Callable[[bytes], Iterable[bytes]]
"""How octets arrive: in which pieces."""


def whole(octets: bytes) -> Iterable[bytes]:
    return (octets,)


def octet_by_octet(octets: bytes) -> Iterable[bytes]:
    return (octets[index : index + 1] for index in range(len(octets)))


def at_random(seed: int) -> Cut:
    """Pieces of all sizes, empty ones too."""
    random = Random(seed)

    def cut(octets: bytes) -> Iterable[bytes]:
        ends = sorted(random.randrange(len(octets) + 1) for _ in range(random.randrange(8)))
        return [octets[start:end] for start, end in zip([0, *ends], [*ends, len(octets)], strict=True)]

    return cut


class Run:
    """A script under way."""

    def __init__(self, script: Generator[Want, Reply | None, Any]) -> None:
        self.script = script
        self.begun = False
        self.ended = False


class Driver:
    """Runs scripts over a `Wire`, as `net.connection` does.

    A script that wants content to be sent stops in `sending` until `send_content` or `break_off`.
    """

    LAST_WORDS = 3
    """How often a script may want something more after it has heard that the connection is lost."""

    def __init__(self, parser: ReplyParser | None = None) -> None:
        self.wire = Wire()
        self.parser = parser if parser is not None else ReplyParser()
        self.written = bytearray()
        self.pauses: list[float] = []
        self.notes: list[Note] = []
        self.sending: Transmit | None = None
        self.closed = False
        self._queue: deque[Run] = deque()
        self._running: list[Run] = []
        self._writer: Run | None = None
        self._sender: Run | None = None

    def run(self, script: Generator[Want, Reply | None, Any]) -> Run:
        """Begin a script as soon as the wire is free."""
        run = Run(script)
        self._queue.append(run)
        self.settle()
        return run

    def feed(self, octets: bytes) -> None:
        """What the server says."""
        if not self.closed:
            self.wire.arrived += self.parser.feed(octets)
            self.notes += self.parser.notes
            self.parser.notes.clear()
            self.settle()

    def settle(self) -> None:
        """Deliver and begin what can be."""
        while not self.closed:
            if self.wire.arrived and self.wire.awaited and self.sending is None:
                self._deliver(self.wire.arrived.popleft())
            elif self._queue and self.wire.free and self.wire.reusable:
                self._begin(self._queue.popleft())
            else:
                break
        if self.wire.ending and not self.wire.awaited:
            self.closed = True

    def send_content(self) -> None:
        """Take the content and go on; a failure to read it is thrown into the script."""
        assert self.sending is not None
        assert self._sender is not None
        pieces, self.sending = self.sending.pieces, None
        try:
            content = b"".join(pieces)
        except MailriderError as fault:
            self._throw(self._sender, fault)
        else:
            self.written += content
            self._resume(self._sender)
        self.settle()

    def break_off(self, trouble: WireTrouble) -> None:
        """The connection is lost, or the server is silent for too long.  What it said before is still heard."""
        if self.sending is not None:
            assert self._sender is not None
            self.sending = None
            self._throw(self._sender, trouble)
        self.settle()
        self._lose_all(trouble)

    def _lose_all(self, trouble: WireTrouble) -> None:
        """Tell everybody."""
        if self.closed:
            return
        self.closed = True
        self.wire.reusable = False
        for run in [*self._running, *self._queue]:
            if not run.begun:
                self._begin(run)
            for _ in range(self.LAST_WORDS):
                if not run.ended:
                    self._throw(run, trouble)
            assert run.ended, "the script goes on and on"
            trouble = ConnectionLost("the connection is closed")
        self._queue.clear()

    def _begin(self, run: Run) -> None:
        self._writer = run
        self.wire.free = False
        run.begun = True
        self._running.append(run)
        self._resume(run)

    def _deliver(self, reply: Reply) -> None:
        self.wire.garbled |= reply.garbled
        owner = self.wire.answered()
        if owner is not None:
            assert isinstance(owner, Run)
            self._resume(owner, reply)

    def _resume(self, run: Run, reply: Reply | None = None) -> None:
        self._go_on(run, lambda: run.script.send(reply))

    def _throw(self, run: Run, trouble: MailriderError) -> None:
        self._go_on(run, lambda: run.script.throw(trouble))

    def _go_on(self, run: Run, step: Callable[[], Want]) -> None:
        """Let a script go on until it waits for the server."""
        self.wire.current = run
        try:
            want = step()
            while isinstance(want, Pause):
                self.pauses.append(want.seconds)
                want = run.script.send(None)
        except StopIteration:
            self._end(run)
        else:
            if isinstance(want, Transmit):
                self.sending, self._sender = want, run
            else:
                assert isinstance(want, AwaitReply)
                assert self.wire.awaited, "a script waits for a reply to nothing"
        self.written += b"".join(self.wire.out)
        self.wire.out.clear()

    def _end(self, run: Run) -> None:
        run.ended = True
        self._running.remove(run)
        if self._writer is run:
            self._writer = None
            self.wire.free = True
        wire = self.wire
        # The script ended in the middle of things, or those behind it could get each other's replies.
        if not wire.ending and (not wire.reusable or (wire.garbled and (wire.awaited or self._queue))):
            self._lose_all(ConnectionLost("the connection is closed"))
