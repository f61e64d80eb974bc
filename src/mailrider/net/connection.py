"""A connection: the one driver that runs protocol scripts over a stream.

It hands each reply to the script that awaits it, keeps the time limit of the stage that is being awaited, and throws
trouble into the scripts.  There is no task and no timer per reply: a script is resumed straight from the arrival of the
octets, and the deadline is a number that `deadline.DeadlineWheel` looks at.

Time limits: without `per_request_deadline` a limit is for each arrival or departure of octets, as smtp(8) has it, so a
peer that drips is tolerated, but one reply may take at most `PATIENCE` limits in all.  With it, a limit is for the whole
reply, and for the content plus the time that `min_data_rate` allows.

Replies that come before they were asked for wait their turn; when `EARLY_REPLY_LIMIT` of them wait, no more is read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

from mailrider.errors import ConnectionLost, ContentUnreadable, LocalDataError, PeerBabbles, TimedOut, WireTrouble
from mailrider.net.deadline import NO_DEADLINE, DeadlineWheel
from mailrider.net.stream import Stream
from mailrider.smtp.reply import Note, Reply, ReplyParser
from mailrider.smtp.stage import CONTENT, Stage, TimeLimits
from mailrider.smtp.transaction import Transaction
from mailrider.smtp.wire import AwaitReply, Pause, Transmit, Want, Wire

PATIENCE = 10
"""How many time limits one reply may take, however slowly it drips.  smtp(8) would wait for its watchdog (five hours)."""

EARLY_REPLY_LIMIT = 64
"""Unasked replies that are kept.  A server that runs ahead this far is not speaking SMTP."""

WRITE_AHEAD_OCTETS = 128 * 1024
"""Content is handed to the stream in writes of about this size: one socket buffer."""


@dataclass(frozen=True, slots=True)
class Patience:
    """The time limits of a connection (postconf(5), `smtp_per_request_deadline`, `smtp_min_data_rate`)."""

    limits: TimeLimits
    per_request: bool = False
    min_data_rate: int = 500


class _Run:
    """A script under way, and who waits for its end."""

    __slots__ = ("future", "script")

    def __init__(self, script: Generator[Want, Reply | None, Any], future: asyncio.Future[Any]) -> None:
        self.script = script
        self.future = future


class Connection:
    """Runs scripts over one stream.

    `when_gone` is called once, when the connection is no more.  `note` is told what was odd in replies.
    """

    __slots__ = (
        "_began_seconds", "_ended", "_farewell", "_holds_back", "_inbox", "_loop", "_note", "_parser", "_patience", "_pieces",
        "_queue", "_sender", "_stream", "_wheel", "_wire", "deadline_seconds", "gone", "when_gone",
    )  # fmt: skip

    def __init__(
        self,
        stream: Stream,
        patience: Patience,
        wheel: DeadlineWheel,
        *,
        parser: ReplyParser | None = None,
        note: Callable[[Note], None] | None = None,
    ) -> None:
        self._stream = stream
        self._patience = patience
        self._wheel = wheel
        self._parser = parser if parser is not None else ReplyParser()
        self._note = note
        self._wire = Wire()
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[Reply] = deque()  # replies that nobody has asked for yet
        self._queue: deque[_Run] = deque()  # scripts that have not begun
        self._pieces: Iterator[bytes] | None = None  # content that is being sent
        self._sender: _Run | None = None  # whose content it is
        self._ended = False  # the peer will say no more
        self._holds_back = False  # enough unasked replies are here
        self._farewell: asyncio.Future[None] | None = None
        self._began_seconds = 0.0
        self.deadline_seconds = NO_DEADLINE
        self.gone = False
        self.when_gone: Callable[[Connection], None] | None = None
        stream.attach(self)
        wheel.watch(self)

    # -- for the owner ---------------------------------------------------------------------------------------------

    @property
    def pipelining(self) -> bool:
        """Whether groups of commands are sent."""
        return self._wire.pipelining

    @pipelining.setter
    def pipelining(self, offered: bool) -> None:
        self._wire.pipelining = offered

    @property
    def reusable(self) -> bool:
        """Fit for another transaction: nothing has gone wrong and nothing unasked has come in."""
        return self._wire.reusable and not self.gone and not self._ended and not self._inbox

    @property
    def is_leaving(self) -> bool:
        """QUIT has been said, or the connection is gone."""
        return self.gone or self._wire.ending

    @property
    def now_seconds(self) -> float:
        """The clock on which deadlines are."""
        return self._loop.time()

    @property
    def note(self) -> Callable[[Note], None] | None:
        """Who hears of odd replies."""
        return self._note

    @note.setter
    def note(self, note: Callable[[Note], None] | None) -> None:
        self._note = note

    def run(self, script: Generator[Want, Reply | None, Any]) -> asyncio.Future[Any]:
        """Run a script when the scripts before it have written all they had to write; its result comes back."""
        run = _Run(script, self._loop.create_future())
        if self._wire.free and not self._queue and not self.gone:
            self._begin(run)
        else:
            self._queue.append(run)
            if self.gone:
                self._lose_all(ConnectionLost("the connection is closed"))
        return run.future

    def submit(self, transaction: Transaction) -> asyncio.Future[None]:
        """Run a transaction; what came of it is in the transaction."""
        return self.run(transaction.run(self._wire))

    @property
    def wire(self) -> Wire:
        """What scripts write to."""
        return self._wire

    def rest(self, seconds: float) -> None:
        """Be idle for at most this long, then close."""
        self.deadline_seconds = self._loop.time() + seconds

    def wake(self) -> None:
        """Be used again."""
        self.deadline_seconds = NO_DEADLINE

    async def left(self) -> None:
        """Wait until the connection is gone."""
        if not self.gone:
            self._farewell = self._farewell or self._loop.create_future()
            await self._farewell

    def close(self) -> None:
        """Hang up at once."""
        if self.gone:
            return
        self.gone = True
        if self._farewell is not None and not self._farewell.done():
            self._farewell.set_result(None)
        self._wire.reusable = False
        self._stream.close()
        self._wheel.forget(self)
        if self.when_gone is not None:
            self.when_gone(self)

    # -- scripts ---------------------------------------------------------------------------------------------------

    def _begin(self, run: _Run) -> None:
        self._wire.free = False
        self._resume(run)
        self._settle_down()

    def _resume(self, run: _Run, reply: Reply | None = None) -> None:
        """Let a script go on until it wants something."""
        wire = self._wire
        wire.current = run
        try:
            want = run.script.send(reply)
        except StopIteration as stop:
            self._finish(run, stop.value)
            return
        if not isinstance(want, AwaitReply):
            self._serve(run, want)

    def _throw(self, run: _Run, trouble: WireTrouble | ContentUnreadable) -> None:
        self._wire.current = run
        try:
            want = run.script.throw(trouble)
        except StopIteration as stop:
            self._finish(run, stop.value)
        except type(trouble) as same:
            self._wire.reusable = False
            if not run.future.done():
                run.future.set_exception(same)
            self._finish(run, None)
        else:
            if not isinstance(want, AwaitReply):
                self._serve(run, want)

    def _serve(self, run: _Run, want: Want) -> None:
        if isinstance(want, Transmit):
            self._sender = run
            self._pieces = want.pieces
            self._send_pieces()
        elif isinstance(want, Pause):
            if self._wire.out:
                self._flush()
            self._sender = run
            self._loop.call_later(want.seconds, self._end_pause, run)

    def _end_pause(self, run: _Run) -> None:
        if self._sender is run:  # else the connection broke while it waited, and it has been told
            self._sender = None
            self._resume(run)
            self._settle_down()

    def _finish(self, run: _Run, result: object) -> None:
        if not run.future.done():
            run.future.set_result(result)
        wire = self._wire
        if not wire.free:
            wire.free = True
        if wire.reusable or wire.ending:
            return
        self.close()  # the script ended in the middle of things: there is no polite way out

    def _settle_down(self) -> None:
        """After scripts have moved: deliver what waits, start the next one, send, look at the clock."""
        wire = self._wire
        while not self.gone:
            if self._inbox and wire.awaited and self._pieces is None:
                self._deliver(self._inbox.popleft())
            elif self._queue and wire.free and wire.reusable:
                wire.free = False
                self._resume(self._queue.popleft())
            else:
                break
        if self.gone:
            if self._queue:
                self._lose_all(ConnectionLost("the connection is closed"))
            return
        if self._holds_back and len(self._inbox) <= EARLY_REPLY_LIMIT:
            self._holds_back = False
            self._stream.resume_reading()
        if wire.out:
            self._flush()
        if wire.ending and not wire.awaited:
            self.close()
            return
        if self._ended and wire.awaited and not self._inbox and self._pieces is None:
            self._break(ConnectionLost("the peer hung up"))
            return
        self._restart_clock()

    def _deliver(self, reply: Reply) -> None:
        if reply.garbled:
            self._wire.reusable = False
        owner = self._wire.answered().owner
        if owner is not None:
            assert isinstance(owner, _Run)
            self._resume(owner, reply)

    # -- sending ---------------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        out = self._wire.out
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        self._stream.write(data)

    def _send_pieces(self) -> None:
        """Hand over content until the stream is full; the script goes on when all of it is handed over.

        The last pieces stay in `out`, so that the dot, and what rides with it, leaves together with them.
        """
        run, pieces, out = self._sender, self._pieces, self._wire.out
        assert run is not None
        assert pieces is not None
        size = sum(map(len, out))
        try:
            for piece in pieces:
                out.append(piece)
                size += len(piece)
                if size >= WRITE_AHEAD_OCTETS:
                    self._restart_clock()
                    size = 0
                    data = b"".join(out)
                    out.clear()
                    if not self._stream.write(data):
                        return  # `drained` or `write_failed` comes back to this
        except ContentUnreadable as cause:
            self._pieces = self._sender = None
            out.clear()
            self._throw(run, cause)
            return
        self._pieces = self._sender = None
        self._resume(run)

    def drained(self, octets: int) -> None:
        """The stream has taken what was waiting, or some of it."""
        self._push_deadline(octets)
        if self._pieces is not None and not self._stream.unsent_octets:
            self._send_pieces()
            self._settle_down()

    def write_failed(self) -> None:
        """The peer does not take any more.  What it said before may still be readable."""
        run = self._sender
        self._wire.out.clear()
        if run is not None and self._pieces is not None:
            self._pieces = self._sender = None
            self._throw(run, ConnectionLost("the peer hung up"))
            self._settle_down()
        elif self._ended or not self._wire.awaited:
            self._break(ConnectionLost("the peer hung up"))

    # -- receiving -------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Octets came in: hand the replies in them to whom they belong."""
        try:
            replies = self._parser.feed(data)
        except (PeerBabbles, LocalDataError) as trouble:
            self._break(trouble)
            return
        if self._parser.notes:
            self._tell_notes()
        inbox = self._inbox
        if inbox or self._pieces is not None:
            inbox.extend(replies)
        else:
            for reply in replies:
                if self._wire.awaited and not inbox and self._pieces is None and not self.gone:
                    self._deliver(reply)
                else:
                    inbox.append(reply)
        if len(inbox) > EARLY_REPLY_LIMIT:
            self._stream.pause_reading()
            self._holds_back = True
        if replies:
            self._settle_down()
        elif not self._patience.per_request:
            self._extend_deadline()

    def stream_ended(self) -> None:
        """The peer will say no more.  Content that is being sent goes on: the reason may have come already."""
        self._ended = True
        if self._pieces is None:
            if self._wire.awaited:
                self._settle_down()
            else:
                self._break(ConnectionLost("the peer hung up"))

    def _tell_notes(self) -> None:
        notes = self._parser.notes
        if self._note is not None:
            for note in notes:
                self._note(note)
        if self._parser.is_between_replies:
            notes.clear()

    # -- trouble ---------------------------------------------------------------------------------------------------

    def run_out_of_time(self) -> None:
        """The deadline has passed."""
        self._break(TimedOut("time limit"))

    def _break(self, trouble: WireTrouble) -> None:
        """The conversation is over: tell the script that is being answered, then the others behind it."""
        if self.gone:
            return
        self._ended = True
        self._lose_all(trouble)
        self.close()

    def _lose_all(self, trouble: WireTrouble) -> None:
        runs: list[_Run] = [self._sender] if self._sender is not None else []
        runs += (awaited.owner for awaited in self._wire.awaited if isinstance(awaited.owner, _Run))
        self._wire.awaited.clear()
        self._wire.reusable = False
        self._pieces = self._sender = None
        for run in dict.fromkeys([*runs, *self._queue]):
            self._start_if_new(run)
            self._throw(run, trouble)
            self._wire.awaited.clear()
            self._wire.out.clear()
            trouble = ConnectionLost("the connection is closed")
        self._queue.clear()

    def _start_if_new(self, run: _Run) -> None:
        """A script that has not begun can only be told of trouble once it waits for something."""
        if run in self._queue:
            self._wire.current = run
            run.script.send(None)

    # -- the clock -------------------------------------------------------------------------------------------------

    def _limit(self) -> float:
        stage = CONTENT if self._pieces is not None else self._wire.head
        return self._patience.limits[stage] if stage is not None else NO_DEADLINE

    def _restart_clock(self) -> None:
        """Something new is being waited for."""
        stage: Stage | None = CONTENT if self._pieces is not None else self._wire.head
        if stage is None:
            self.deadline_seconds = NO_DEADLINE
        else:
            self._began_seconds = now = self._loop.time()
            self.deadline_seconds = now + self._patience.limits[stage]

    def _extend_deadline(self) -> None:
        """Some octets of a reply have come, but not its end."""
        limit = self._limit()
        self.deadline_seconds = min(self._loop.time() + limit, self._began_seconds + PATIENCE * limit)

    def _push_deadline(self, octets: int) -> None:
        """Some octets of the content have gone."""
        limit = self._limit()
        latest = self._loop.time() + limit
        if self._patience.per_request and self._patience.min_data_rate > 0:
            latest = min(latest, self.deadline_seconds + octets / self._patience.min_data_rate)
        elif self._patience.per_request:
            return
        self.deadline_seconds = latest
