"""One mail transaction as a script (RFC 5321 §3.3): MAIL, RCPT ..., DATA, the content, the dot.

Under PIPELINING the envelope goes out as one group; without it, a command waits for the reply to the one before.
Both are the same text here: a command is written when the wire has room for it, and when it has none, all outstanding
replies are read first.  At such a point, and before the content, the course is corrected:

* MAIL was refused, every RCPT was, or DATA was: RSET instead of what would have come next.
* DATA was answered 354 although nobody is left: a lone dot, as RFC 2920 §3.1 asks.

What came of it is in the transaction itself: `verdicts` holds for every recipient None (undecided), a `Reply`
(accepted to the end) or a `Refusal`; `trouble` says where the conversation broke, if it did.  A script never raises.
QUIT rides with the dot where the connection is not to be kept.  From the moment the dot is written the wire is free for
the next transaction, so that its envelope can ride behind this one's end.

A connection that breaks while the content is being written may still hold the server's reason: it is read, and a
refusal in it counts.  A premature acceptance does not, since the server cannot have had the whole message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import NamedTuple

from mailrider.errors import ConnectionLost, ContentTrouble, TimedOut, WireTrouble
from mailrider.smtp.refusal import Refusal, Scope, refuse_command
from mailrider.smtp.reply import Reply
from mailrider.smtp.stage import CONTENT, DATA, DOT, MAIL, PROBE, QUIT, RCPT, RSET, Stage
from mailrider.smtp.trouble import Trouble
from mailrider.smtp.wire import AWAIT_REPLY, Command, Pause, Script, Transmit, Want, Wire

NO_PROBE = ""
PROBE_RCPT = "rcpt"
PROBE_DATA = "data"
"""How far an address probe goes (`smtp_address_verify_target`)."""

SERVICE_NOT_AVAILABLE = 421
"""The server is closing the connection (RFC 5321 §3.8)."""

_RSET: Command = (PROBE, b"RSET\r\n")
_DATA: Command = (DATA, b"DATA\r\n")


class Order(NamedTuple):
    """What a transaction has to say, ready for the wire.

    `peer` is how the log calls the server (`H[A]`), `relay` how warnings do (`H[A]:P`).  `before` are commands that precede
    MAIL and whose refusal only warns (XFORWARD).  `content` opens the message as it is fitted to this server, ended with CRLF
    and with its dots stuffed, without the final dot.  `keep_open` is asked when the dot, or RSET, is about to be written.
    `check_alive` puts RSET in front of it all, for a connection that has been used before; `follows` is for one that still
    owes the end of another message.  `dot_delay_seconds` keeps the dot out of
    the last packet of the content (`smtp_pix_workarounds`).  `released` is called when the next transaction may be submitted
    although the end of this one is still awaited; it hears whether the one after that may then follow at once, too (BDAT).
    """

    peer: str
    mail: bytes
    rcpts: tuple[bytes, ...]
    content: Callable[[], Iterator[bytes]]
    keep_open: Callable[[], bool]
    lmtp: bool = False
    probe: str = NO_PROBE
    before: tuple[tuple[Stage, bytes], ...] = ()
    check_alive: bool = False
    await_quit: bool = False
    dot_delay_seconds: float = 0.0
    relay: str = ""
    released: Callable[[bool], None] | None = None
    follows: bool = False


class Transaction:
    """An order, and what came of it.

    `verdicts`: per recipient None, `Reply` or `Refusal`; `notify` hears the index of each as it is decided.
    `started` turns True with the first reply that the server means for us, to RSET or to MAIL: before that, the connection was
    dead and the message can go over another one.  So it is with an order that `follows` and is answered in a way that only
    makes sense if the server has had enough of the connection (421 to MAIL), or does not read what rides behind the end of a
    message (`astray`).  `in_doubt`: the whole content went out, and a reply to it never came.
    `mail_refused`: the reply to MAIL has decided for all.  `warnings` are refusals without consequence.
    """

    __slots__ = (
        "_accepted", "_complained", "_next_rcpt", "_unanswered", "astray", "in_doubt", "mail_refused", "notify", "order",
        "started", "trouble", "verdicts", "warnings",
    )  # fmt: skip

    def __init__(self, order: Order, notify: Callable[[int], None] | None = None) -> None:
        self.order = order
        self.notify = notify
        self.verdicts: list[Reply | Refusal | None] = [None] * len(order.rcpts)
        self.trouble: Trouble | None = None
        self.started = False
        self.astray = False
        self.in_doubt = False
        self.warnings: list[str] = []
        self._unanswered: deque[Stage] = deque()
        self._accepted: list[int] = []
        self._next_rcpt = 0
        self.mail_refused = False
        self._complained = False

    def run(self, wire: Wire) -> Script[None]:
        """The dialogue, from top to bottom."""
        try:
            data_reply = yield from self._send_envelope(wire)
            if data_reply is None or data_reply.code // 100 != 3:
                yield from self._abandon(wire)
            elif self.order.probe == PROBE_DATA:
                self._accept_all(data_reply)
                wire.reusable = False  # inside DATA there is no way back but to hang up
            elif not self._accepted:
                yield from self._send_lone_dot(wire)
            else:
                yield from self._send_content(wire)
        except (WireTrouble, ContentTrouble) as cause:
            wire.reusable = False
            self._notice_silence(cause)
            self.trouble = Trouble(cause, self._unanswered[0] if self._unanswered else CONTENT)

    def _notice_silence(self, cause: Exception) -> None:
        """A server that has thrown away what rode behind another message does not answer it."""
        if self.order.follows and not self.started and isinstance(cause, TimedOut):
            self.astray = True

    # -- the envelope ----------------------------------------------------------------------------------------------

    def _send_envelope(self, wire: Wire) -> Generator[Want, Reply | None, Reply | None]:
        """Everything up to DATA.  Returns the reply to DATA, or None if the course was corrected before it."""
        commands = self._envelope(wire)
        if wire.send_group(commands):
            self._unanswered.extend([stage for stage, _ in commands])
        elif not (yield from self._send_one_by_one(wire, commands)):
            return None
        last = yield from self._catch_up(wire)
        return None if self.order.probe == PROBE_RCPT else last

    def _send_one_by_one(self, wire: Wire, commands: Sequence[Command]) -> Generator[Want, Reply | None, bool]:
        """As much at once as the wire has room for; False if the replies make the rest pointless."""
        for stage, line in commands:
            if not wire.has_room_for(line):
                yield from self._catch_up(wire)
                if self._is_pointless(stage):
                    return False
            wire.send(stage, line)
            self._unanswered.append(stage)
        return True

    def _envelope(self, wire: Wire) -> list[Command]:
        order = self.order
        commands = [(MAIL, order.mail)]
        if order.check_alive or wire.unclean or order.before:
            commands = [*order.before, *commands]
            if order.check_alive or wire.unclean:
                wire.unclean = False
                commands.insert(0, _RSET)
        for rcpt in order.rcpts:
            commands.append((RCPT, rcpt))
        if order.probe != PROBE_RCPT:
            commands.append(_DATA)
        return commands

    def _is_pointless(self, stage: Stage) -> bool:
        """With all replies in: MAIL was refused, or DATA would have no recipients."""
        return (stage is RCPT and self.mail_refused) or (stage is DATA and not self._accepted)

    def _catch_up(self, wire: Wire) -> Generator[Want, Reply | None, Reply | None]:
        """Read the replies to all that was written, and return the last of them."""
        unanswered = self._unanswered
        reply: Reply | None = None
        while unanswered:
            reply = wire.take() or (yield AWAIT_REPLY)
            assert reply is not None
            self._take(unanswered[0], reply)
            unanswered.popleft()
        return reply

    def _take(self, stage: Stage, reply: Reply) -> None:
        """Account for a reply to the envelope."""
        accepted = reply.code // 100 == 2
        if self.order.follows and accepted is (stage is DATA):
            self._check_step(stage, reply)
        if stage is RCPT:
            self._take_rcpt(reply)
        elif stage is MAIL:
            self.started = True
            self.mail_refused = not accepted
            if not accepted:
                self._refuse_all(reply, MAIL)
        elif stage is DATA:
            if reply.code // 100 != 3 and self._accepted:
                self._refuse_all(reply, DATA)
        elif stage is PROBE:
            if not accepted:
                raise ConnectionLost("the connection does not take RSET any more")
            self.started = not self.order.follows
        elif not accepted:
            host = self.order.relay or self.order.peer
            self.warnings.append(f"host {host} said: {reply.text} (in reply to {stage.reply_to})")

    def _check_step(self, stage: Stage, reply: Reply) -> None:
        """Behind another message an odd reply is about the stream and not about this message, which can still be taken back."""
        if stage is MAIL and reply.code == SERVICE_NOT_AVAILABLE:
            self.started = self.in_doubt = False
            raise ConnectionLost("the connection does not take another message")
        if (
            (stage is MAIL and reply.code // 100 != 2 and reply.is_syntax_complaint)
            or (stage is RCPT and reply.code // 100 == 3)
            or (stage is DATA and reply.code // 100 == 2)
        ):
            self.astray = True
            self.started = self.in_doubt = False
            raise ConnectionLost("the server is out of step")

    def _take_rcpt(self, reply: Reply) -> None:
        index = self._next_rcpt
        self._next_rcpt = index + 1
        if self.mail_refused:
            return  # all are refused already
        if reply.code // 100 == 2:
            self._accepted.append(index)
            if self.order.probe == PROBE_RCPT:
                self._decide(index, reply)
        else:
            self._decide(index, refuse_command(Scope.RECIPIENT, reply, RCPT, self.order.peer))

    # -- the end ---------------------------------------------------------------------------------------------------

    def _abandon(self, wire: Wire) -> Script[None]:
        """RSET, and QUIT unless the connection is kept.  Whatever happens here changes no verdict."""
        keep = self._keeps_open(wire)
        if wire.pipelining:
            wire.send_unowned(RSET, b"RSET\r\n")
        else:
            wire.send(RSET, b"RSET\r\n")
            self._unanswered.append(RSET)
            yield AWAIT_REPLY
            self._unanswered.clear()
        if not keep:
            wire.send_quit(QUIT, await_reply=self.order.await_quit)

    def _send_lone_dot(self, wire: Wire) -> Script[None]:
        """End a message that has no recipients; the reply is read and ignored."""
        keep = self._end_data(wire, replies=1)
        yield AWAIT_REPLY
        self._unanswered.clear()
        self._quit_unless(keep, wire)

    def _send_content(self, wire: Wire) -> Script[None]:
        try:
            yield Transmit(self.order.content())
            if self.order.dot_delay_seconds:
                yield Pause(self.order.dot_delay_seconds)
        except ConnectionLost as lost:
            yield from self._read_last_words(wire, lost)
            return
        owed = self._owed()
        keep = self._end_data(wire, replies=len(owed))
        self.in_doubt = True
        for indexes in owed:
            reply = wire.take() or (yield AWAIT_REPLY)
            assert reply is not None
            self._unanswered.popleft()
            self._take_end(indexes, reply)
        self.in_doubt = False
        self._quit_unless(keep, wire)
        if self._complained:
            wire.reusable = False

    def _end_data(self, wire: Wire, *, replies: int) -> bool:
        """Write the dot, and QUIT behind it where that goes with it.  Returns whether the connection is kept."""
        keep = self._keeps_open(wire)
        wire.send(DOT, b".\r\n")
        self._unanswered.append(DOT)
        for _ in range(replies - 1):
            wire.expect(DOT)
            self._unanswered.append(DOT)
        if keep:
            wire.release()
            self._tell_release(wire, streams=False)
        elif wire.pipelining:
            wire.send_quit(QUIT, await_reply=self.order.await_quit)
        return keep

    def _tell_release(self, wire: Wire, *, streams: bool) -> None:
        """The next transaction may write: whoever waits for that is told."""
        if wire.free and self.order.released is not None:
            self.order.released(streams)

    def _quit_unless(self, keep: bool, wire: Wire) -> None:
        if not keep and not wire.ending:
            wire.send_quit(QUIT, await_reply=self.order.await_quit)

    def _keeps_open(self, wire: Wire) -> bool:
        return wire.reusable and not wire.garbled and not self._complained and self.order.keep_open()

    def _read_last_words(self, wire: Wire, lost: ConnectionLost) -> Script[None]:
        """The server hung up in the middle of the content: perhaps it said why, in LMTP to each recipient."""
        wire.reusable = False
        for indexes in self._owed():
            wire.expect(DOT)
            try:
                reply = yield AWAIT_REPLY
            except WireTrouble:
                raise lost from None
            assert reply is not None
            if reply.code // 100 != 2:
                self._take_end(indexes, reply)
        if None in self.verdicts:
            raise lost

    def _owed(self) -> list[list[int]]:
        """The replies to the dot that are due: for each, the recipients that it decides for."""
        return [[index] for index in self._accepted] if self.order.lmtp else [self._accepted]

    # -- verdicts --------------------------------------------------------------------------------------------------

    def _take_end(self, indexes: list[int], reply: Reply) -> None:
        """A reply to the dot, for these recipients."""
        if reply.code // 100 == 2:
            for index in indexes:
                self._decide(index, reply)
        else:
            scope = Scope.RECIPIENT if self.order.lmtp else Scope.MESSAGE
            refusal = refuse_command(scope, reply, DOT, self.order.peer)
            for index in indexes:
                self._decide(index, refusal)

    def _accept_all(self, reply: Reply) -> None:
        for index in self._accepted:
            self._decide(index, reply)

    def _refuse_all(self, reply: Reply, stage: Stage) -> None:
        """Refuse every recipient that has no verdict yet."""
        refusal = refuse_command(Scope.MESSAGE, reply, stage, self.order.peer)
        for index, verdict in enumerate(self.verdicts):
            if verdict is None:
                self._decide(index, refusal)

    def _decide(self, index: int, verdict: Reply | Refusal) -> None:
        self.verdicts[index] = verdict
        if isinstance(verdict, Refusal) and verdict.reply is not None and verdict.reply.is_syntax_complaint:
            self._complained = True  # who is wrong is unknown, so the connection is not trusted any further
        if self.notify is not None:
            self.notify(index)
