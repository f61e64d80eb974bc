"""A connection: the one driver that runs protocol scripts over a stream.

It hands each reply to the script that awaits it, keeps the time limit of the stage that is being awaited, and throws
trouble into the scripts.  There is no task and no timer per reply: a script is resumed straight from the arrival of the
octets, and the deadline is a number that `deadline.DeadlineWheel` looks at (`countdown`).

Time limits: see `patience`.  The clock of the content runs on its own: what the peer says meanwhile does not move it, only
octets that leave do.

Replies that come before they were asked for wait their turn; when `EARLY_REPLY_LIMIT` of them wait, no more is read.  No
reply is believed before all that was written has left.  A peer that says anything to a connection at rest loses it.

Known fault: what goes out last, up to `shipment.WRITE_AHEAD_OCTETS` of content and the dot, leaves in one write.  A peer that
stops reading in the middle of that counts as silent after the dot, so the message is in doubt although it cannot have arrived.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Any

from mailrider.errors import ConnectionLost, LocalDataError, MailriderError, PeerBabbles, TimedOut, WireTrouble
from mailrider.net.countdown import Countdown
from mailrider.net.deadline import DeadlineWheel
from mailrider.net.hearing import Hearing
from mailrider.net.patience import Patience
from mailrider.net.run import Run
from mailrider.net.script_line import ScriptLine
from mailrider.net.secure import Channel, SecureStream
from mailrider.net.shipment import hand_over
from mailrider.net.stream import SocketStream, Stream
from mailrider.smtp.reply import Note, Reply, ReplyParser
from mailrider.smtp.stage import CONTENT, STARTTLS, Stage
from mailrider.smtp.telling import Dialogue, TellingWire
from mailrider.smtp.transaction import Transaction
from mailrider.smtp.wire import AWAIT_REPLY, Encrypt, Pause, Transmit, Want, Wire

EARLY_REPLY_LIMIT = 64
"""Unasked replies that are kept.  A server that runs ahead this far is not speaking SMTP."""

LAST_WORDS = 3
"""How often a script may want something more after it has heard that the connection is lost."""


class Connection:
    """Runs scripts over one stream.

    `when_gone` is called once, when the connection is no more, `note` with what was odd in replies, `make_channel` for TLS.
    `dialogue` hears what is said.
    """

    __slots__ = (
        "_countdown", "_encrypter", "_ended", "_farewell", "_hearing", "_holds_back", "_line", "_loop", "_pieces", "_sender",
        "_stream", "_wheel", "_wire", "gone", "make_channel", "when_gone",
    )  # fmt: skip

    def __init__(
        self,
        stream: Stream,
        patience: Patience,
        wheel: DeadlineWheel,
        *,
        parser: ReplyParser | None = None,
        note: Callable[[Note], None] | None = None,
        dialogue: Dialogue | None = None,
    ) -> None:
        self._stream = stream
        self._wheel = wheel
        self._hearing = Hearing(parser if parser is not None else ReplyParser(), note, dialogue)
        self._wire = Wire() if dialogue is None else TellingWire(dialogue)
        self._loop = asyncio.get_running_loop()
        self._line = ScriptLine(self._wire)
        self._pieces: Iterator[bytes] | None = None  # content that is being sent
        self._sender: Run | None = None  # whose content it is, or who pauses
        self._encrypter: Run | None = None  # who waits for the end of a TLS handshake
        self._ended = False  # the peer will say no more
        self._holds_back = False  # enough unasked replies are here
        self._farewell: asyncio.Future[None] | None = None
        self._countdown = Countdown(patience, self._loop.time, self._run_out_of_time)
        self.gone = False
        self.when_gone: Callable[[Connection], None] | None = None
        self.make_channel: Callable[[], Channel] | None = None
        stream.attach(self)
        wheel.watch(self._countdown)

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
        wire = self._wire
        return wire.reusable and not wire.garbled and not self.gone and not self._ended and not self.is_addressed()

    @property
    def is_idle(self) -> bool:
        """No script is under way and no reply is awaited."""
        return self._wire.free and not self._wire.awaited and not self._line.waiting

    @property
    def is_leaving(self) -> bool:
        """QUIT has been said, or the connection is gone."""
        return self.gone or self._wire.ending

    @property
    def now_seconds(self) -> float:
        """The clock on which deadlines are."""
        return self._loop.time()

    def listen(self, note: Callable[[Note], None]) -> None:
        """Tell this one of odd replies from now on."""
        self._hearing.note = note

    def run(self, script: Generator[Want, Reply | None, Any]) -> asyncio.Future[Any]:
        """Run a script when the scripts before it have written all they had to write; its result comes back."""
        run = Run(script, self._loop.create_future())
        self.wake()
        if self.gone:
            self._lose(run, ConnectionLost("the connection is closed"))
        elif self._line.join(run):
            self._resume(run)
            self._settle_down()
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
        self._countdown.rest(seconds)

    def wake(self) -> None:
        """Be used again."""
        if self._countdown.resting:
            self._countdown.wake(self._wire.head)

    async def left(self) -> None:
        """Wait until the connection is gone."""
        if not self.gone:
            self._farewell = self._farewell or self._loop.create_future()
            await self._farewell

    def close(self) -> None:
        """Hang up at once.  Scripts that are under way, or wait, are told that the connection is lost."""
        self.depart()  # what has been said should be heard
        self._break(ConnectionLost("the connection is closed"))

    def give_away(self) -> int:
        """A descriptor of the socket for another process to go on with; this connection is gone then.

        -1 where that cannot be: it is not at rest, or what is said on it is not clear text.
        """
        stream = self._stream
        if not isinstance(stream, SocketStream) or not self.reusable or not self.is_idle or stream.unsent_octets:
            return -1
        try:
            descriptor = stream.duplicate()
        except OSError:
            return -1
        self.close()
        return descriptor

    # -- scripts ---------------------------------------------------------------------------------------------------

    def _resume(self, run: Run, reply: Reply | None = None) -> None:
        """Let a script go on until it wants something."""
        self._wire.current = run
        want = run.resume(reply)
        if want is not AWAIT_REPLY:
            self._follow(run, want)

    def _throw(self, run: Run, trouble: MailriderError) -> None:
        self._wire.current = run
        self._follow(run, run.throw(trouble))

    def _follow(self, run: Run, want: Want | None) -> None:
        if want is None:
            self._finish(run)
        elif want is not AWAIT_REPLY:
            self._serve(run, want)

    def _serve(self, run: Run, want: Want) -> None:
        if isinstance(want, Transmit):
            self._countdown.begin(CONTENT)
            self._sender = run
            self._pieces = want.pieces
            self._send_pieces()
        elif isinstance(want, Pause):
            self.depart()
            self._sender = run
            self._loop.call_later(want.seconds, self._end_pause, run)
        elif isinstance(want, Encrypt):
            self._encrypt(run)

    def _end_pause(self, run: Run) -> None:
        if self._sender is run:  # else the connection broke while it waited, and it has been told
            self._sender = None
            self._resume(run)
            self._settle_down()

    def _encrypt(self, run: Run) -> None:
        """Begin TLS.  What came in clear and was not read yet is thrown away: anybody may have put it there."""
        assert self.make_channel is not None
        self.depart()
        self._wire.arrived.clear()
        self._hearing.forget()
        self._encrypter = run
        self._countdown.begin(STARTTLS)
        self._stream = SecureStream(self._stream, self.make_channel(), self._loop)
        self._stream.start(self._octets_arrived, self._end_handshake)

    def _end_handshake(self, trouble: WireTrouble | None) -> None:
        run, self._encrypter = self._encrypter, None
        if run is None:
            return  # the connection is gone, and it has been told
        if trouble is not None:
            self._throw(run, trouble)
        else:
            self._stream.attach(self)
            self._resume(run)
        self._settle_down()

    def _finish(self, run: Run) -> None:
        wire = self._wire
        self._line.leave(run)
        if run.failed:
            wire.reusable = wire.ending = False
        if wire.ending:
            return
        # The script ended in the middle of things, or those behind it could get each other's replies.
        if not wire.reusable or (wire.garbled and (wire.awaited or self._line.waiting)):
            self.close()

    def _settle_down(self) -> None:
        """After scripts have moved: deliver what waits, start the next one, send, look at the clock."""
        wire = self._wire
        while not self.gone:
            if wire.arrived and wire.awaited and self._pieces is None and self._has_left():
                self._deliver(wire.arrived.popleft())
            elif self._line.waiting and wire.free and wire.reusable:
                self._resume(self._line.call())
            else:
                break
        if self.gone:
            return
        if self._holds_back and len(wire.arrived) <= EARLY_REPLY_LIMIT:
            self._holds_back = False
            self._stream.resume_reading()
        if wire.ending and not wire.awaited:
            self.close()
            return
        if wire.out:
            departures = self._wheel.departures
            if departures is None:
                self.depart()
            else:
                departures.add(self)
        if self._ended and self._is_lost():
            self._break(ConnectionLost("the peer hung up"))
            return
        if self._pieces is None and self._encrypter is None:
            awaited: deque[Any] = wire.awaited  # any: compiled, a tuple of known types is made anew, and this is about identity
            self._countdown.await_reply(awaited[0] if awaited else None)

    def _has_left(self) -> bool:
        """Whether all that was written is on its way: only then can a reply be meant for it."""
        if self._wire.out:
            self.depart()
        return not self._stream.unsent_octets

    def _is_lost(self) -> bool:
        """The peer has ended, and a reply is awaited that cannot come any more."""
        return bool(self._wire.awaited) and not self._wire.arrived and self._pieces is None

    def _deliver(self, reply: Reply) -> None:
        if reply.garbled:
            self._wire.garbled = True
        owner = self._wire.answered()
        if owner is not None:
            assert isinstance(owner, Run)
            self._resume(owner, reply)

    # -- sending ---------------------------------------------------------------------------------------------------

    def depart(self) -> None:
        """Send what has been written, see `departures`."""
        out = self._wire.out
        if out and not self.gone:
            data = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            self._stream.write(data)

    def _send_pieces(self) -> None:
        """Hand over content until the stream is full; the script goes on when all of it is handed over."""
        run, pieces, out = self._sender, self._pieces, self._wire.out
        assert run is not None
        assert pieces is not None
        try:
            if not hand_over(pieces, out, self._stream, self._countdown):
                return  # `drained` or `write_failed` comes back to this
        except Exception as fault:
            self._pieces = self._sender = None
            out.clear()
            if isinstance(fault, MailriderError):
                self._throw(run, fault)
            else:
                run.fail(fault)
                self._finish(run)
            return
        self._pieces = self._sender = None
        self._resume(run)

    def drained(self, octets: int) -> None:
        """The stream has taken what was waiting, or some of it."""
        self._countdown.octets_departed(self._stage, octets)
        if self._stream.unsent_octets:
            return
        self._countdown.forget_reply()  # only now can a reply be meant for what has left
        if self._pieces is not None:
            self._send_pieces()
        self._settle_down()

    def write_failed(self) -> None:
        """The peer does not take any more.  What it said before may still be readable."""
        run = self._sender
        self._wire.out.clear()
        if run is not None and self._pieces is not None:
            self._pieces = self._sender = None
            self._throw(run, ConnectionLost("the peer hung up"))
        elif not self._wire.awaited:
            self._break(ConnectionLost("the peer hung up"))
        self._settle_down()

    # -- receiving -------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Octets came in: hand the replies in them to whom they belong."""
        try:
            replies = self._hearing.hear(data)
        except PeerBabbles as trouble:
            self._break(trouble)
            return
        if replies:
            arrived = self._wire.arrived
            arrived.extend(replies)
            self._settle_down()
            if len(arrived) > EARLY_REPLY_LIMIT and not self.gone:
                self._stream.pause_reading()
                self._holds_back = True
        elif self._pieces is None:
            self._octets_arrived()
        if self._hearing.trouble is not None:
            self._fail(self._hearing.trouble)
        elif self._countdown.resting and self.is_addressed():
            self._break(ConnectionLost("the peer speaks out of turn"))

    def is_addressed(self) -> bool:
        """The peer says something that nobody has asked for."""
        unasked = len(self._wire.arrived) - len(self._wire.awaited)
        return unasked > 0 or (unasked == 0 and not self._hearing.is_between_replies)

    def stream_ended(self) -> None:
        """The peer will say no more.  Content that is being sent goes on: the reason may have come already."""
        self._ended = True
        if self._pieces is None:
            if self._wire.awaited:
                self._settle_down()
            else:
                self._break(ConnectionLost("the peer hung up"))

    # -- trouble ---------------------------------------------------------------------------------------------------

    def _run_out_of_time(self) -> None:
        """The deadline has passed."""
        self._break(TimedOut("time limit"))

    def _fail(self, trouble: LocalDataError) -> None:
        """We cannot understand a peer that is well: who is being answered may still say QUIT to it."""
        self._hearing.break_off()
        awaited = self._wire.awaited
        owner = awaited[0][1] if awaited and self._pieces is None else None
        if isinstance(owner, Run):
            awaited.clear()
            self._throw(owner, trouble)
            if self._wire.ending:
                self.depart()
        self._break(trouble)

    def _break(self, trouble: WireTrouble) -> None:
        """The conversation is over: tell the script that is being answered, then the others behind it."""
        if self.gone:
            return
        self.gone = True
        self._wire.reusable = False
        self._stream.close()
        self._wheel.forget(self._countdown)
        self._hearing.break_off()
        self._lose_all(trouble)
        if self._farewell is not None and not self._farewell.done():
            self._farewell.set_result(None)
        if self.when_gone is not None:
            self.when_gone(self)

    def _lose_all(self, trouble: WireTrouble) -> None:
        runs = [run for run in (self._sender, self._encrypter) if run is not None]
        self._encrypter = None
        runs += (owner for _, owner, _ in self._wire.awaited if isinstance(owner, Run))
        runs += self._line.dissolve()
        self._wire.arrived.clear()
        for run in dict.fromkeys(runs):
            self._lose(run, trouble)
            trouble = ConnectionLost("the connection is closed")

    def _lose(self, run: Run, trouble: WireTrouble) -> None:
        """Tell one script.  One that has not begun can only be told once it waits for something."""
        if not run.begun:
            self._resume(run)
        for _ in range(LAST_WORDS):
            if not run.ended:
                self._throw(run, trouble)
        self._pieces = self._sender = None
        self._wire.awaited.clear()
        self._wire.out.clear()

    def _octets_arrived(self) -> None:
        self._countdown.octets_arrived(self._stage)

    @property
    def _stage(self) -> Stage | None:
        """What is being waited for."""
        return CONTENT if self._pieces is not None else STARTTLS if self._encrypter is not None else self._wire.head
