"""A mail transaction that sends its content with BDAT (RFC 3030): no DATA, no dot, no dot stuffing.

Three ways, by what is known of the server:

* It has *proved* on this connection that it understands BDAT, takes groups of commands (RFC 2920), and the message has at most
  `WHOLE_LIMIT_OCTETS`: envelope and content go out behind each other, in one round trip.  LMTP never does that, since it
  must be known how many replies will come.
* It has proved itself, and the message is large: the replies to RCPT are awaited, so that nothing large is sent for nobody;
  then come chunks, with up to `UNANSWERED_CHUNKS` of them unanswered.
* It has not proved itself yet.  A server that announces CHUNKING and does not know BDAT takes the content for commands, and
  content is written by strangers.  So the first chunk holds the beginning of one line and no line end: it can become a command
  nowhere.  It rides with the envelope; all else waits until it has been taken.

Where BDAT is not understood, `bdat_failed` is True: the connection is given up, undecided recipients stay undecided, and the
message can go to the same server with DATA.  A connection that breaks, or a server that falls silent, over that first chunk
counts as well, since nothing is lost by asking again with DATA.

A chunk that is refused decides for the whole message.  The chunks behind it that are on their way already are the server's to
throw away (RFC 3030 §2); their replies are read and mean nothing.

Known fault: replies are matched in order, so that a server that answers one chunk twice is ahead by one from then on, as it
would be with smtp(8).
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from itertools import chain

from mailrider.errors import ConnectionLost, ContentTrouble, LocalDataError, TimedOut, WireTrouble
from mailrider.smtp.refusal import Refusal, Scope, refuse_command
from mailrider.smtp.reply import Reply
from mailrider.smtp.stage import BDAT, CHUNK, CONTENT, DATA, QUIT, Stage
from mailrider.smtp.transaction import Order, Transaction
from mailrider.smtp.trouble import Trouble
from mailrider.smtp.wire import AWAIT_REPLY, Command, Script, Transmit, Want, Wire

WHOLE_LIMIT_OCTETS = 64 * 1024
"""Up to this size it costs less to send the content for nobody than to wait whether it is wanted."""

CHUNK_OCTETS = 512 * 1024
"""One BDAT of a large message."""

UNANSWERED_CHUNKS = 4
"""Enough to keep a far server busy; more would only fill its memory."""

PROBE_LIMIT_OCTETS = 256
"""The first chunk for a server that has not proved itself: with what follows it, still shorter than a command line may be."""

NOT_UNDERSTOOD = frozenset({500, 501, 502, 503, 504})
"""Replies that say "I do not know this" or "not now" to a BDAT that was well-formed and in its place."""

UNKNOWN_COMMAND = frozenset({500, 502})
"""Those among them that nobody gives who knows BDAT."""

# One line end, where the content begins with it, or all of a line but its end.
_PROBE = re.compile(rb"\r?\n|\r|[^\r\n]{1,%d}" % PROBE_LIMIT_OCTETS)


class ChunkedTransaction(Transaction):
    """See `Transaction`.

    `size_octets` is that of the content as it will be sent, as far as is known; `proved` tells whether this server has taken
    BDAT before, on this connection.
    """

    __slots__ = ("_content", "_first_reply", "_probe", "_proved", "_size_octets", "bdat_failed")

    def __init__(self, order: Order, size_octets: int, *, proved: bool) -> None:
        super().__init__(order)
        self._size_octets = size_octets
        self._proved = proved
        self._probe = b""
        self._first_reply: Reply | None = None
        self._content: Iterator[bytes] = iter(())
        self.bdat_failed = False

    @property
    def bdat_taken(self) -> bool:
        """The server has accepted a chunk."""
        return self._proved

    def run(self, wire: Wire) -> Script[None]:
        """The dialogue, from top to bottom."""
        try:
            whole = self._look_at_content(wire)
            if whole is not None:
                yield from self._send_whole(wire, whole)
            else:
                yield from self._send_envelope(wire)
                yield from self._go_on(wire)
        except (WireTrouble, ContentTrouble) as cause:
            wire.reusable = False
            self._notice_silence(cause)
            self._break_off(cause)

    def _break_off(self, cause: WireTrouble | ContentTrouble) -> None:
        if None not in self.verdicts:
            self.in_doubt = False  # whatever has gone wrong concerns nobody
            return
        unanswered = self._unanswered
        if not self._proved and self._accepted and list(unanswered) == [CHUNK]:
            self.bdat_failed = isinstance(cause, ConnectionLost | TimedOut)
        stage = unanswered[0] if unanswered else CONTENT
        self.trouble = Trouble(cause, BDAT if self.in_doubt else stage)

    # -- before anything is sent -----------------------------------------------------------------------------------

    def _look_at_content(self, wire: Wire) -> bytes | None:
        """Read the beginning of the content: all of it where it is to go out whole, else as much as makes a probe.

        Trouble with it is put off until the content is due, since the envelope may be refused anyway.
        """
        goes_whole = wire.pipelining and self._proved and not self.order.lmtp and self._size_octets <= WHOLE_LIMIT_OCTETS
        limit = WHOLE_LIMIT_OCTETS if goes_whole else 0 if not self._proved else -1
        seen: list[bytes] = []
        size = 0
        pieces = self.order.content()
        try:
            while size <= limit:
                piece = next(pieces, None)
                if piece is None and goes_whole:
                    return b"".join(seen)
                if piece is None:
                    break
                seen.append(piece)
                size += len(piece)
        except (ContentTrouble, LocalDataError) as trouble:
            pieces = _fail(trouble)
        beginning = b"".join(seen)
        if not self._proved and (probe := _PROBE.match(beginning)):
            self._probe = probe.group()
        self._content = chain((beginning[len(self._probe) :],), pieces)
        return None

    def _envelope(self, wire: Wire) -> list[Command]:
        commands = [command for command in super()._envelope(wire) if command[0] is not DATA]
        if self._probe:
            commands.append((CHUNK, b"BDAT %d\r\n%b" % (len(self._probe), self._probe)))
        return commands

    def _is_pointless(self, stage: Stage) -> bool:
        return super()._is_pointless(stage) or (stage is CHUNK and not self._accepted)

    def _take(self, stage: Stage, reply: Reply) -> None:
        if stage is CHUNK:
            self._first_reply = reply
        else:
            super()._take(stage, reply)

    # -- one group -------------------------------------------------------------------------------------------------

    def _send_whole(self, wire: Wire, content: bytes) -> Script[None]:
        """Envelope and content behind each other, then all the replies."""
        commands = self._envelope(wire)
        if wire.send_group(commands):
            self._unanswered.extend([stage for stage, _ in commands])
        elif not (yield from self._send_one_by_one(wire, commands)):
            yield from self._abandon(wire)
            return
        wire.send(BDAT, b"BDAT %d LAST\r\n" % len(content))
        self._unanswered.append(BDAT)
        wire.out.append(content)
        keep = self._end(wire)
        while self._unanswered[0] is not BDAT:
            reply = wire.take() or (yield AWAIT_REPLY)
            assert reply is not None
            self._take(self._unanswered[0], reply)
            self._unanswered.popleft()
        reply = yield from self._next_reply(wire)
        self._take_last(self._accepted, reply, wire)
        self._conclude(keep, wire)

    def _next_reply(self, wire: Wire) -> Generator[Want, Reply | None, Reply]:
        reply = wire.take() or (yield AWAIT_REPLY)
        assert reply is not None
        self._unanswered.popleft()
        return reply

    # -- in chunks -------------------------------------------------------------------------------------------------

    def _go_on(self, wire: Wire) -> Script[None]:
        """The envelope has been answered, and so has the first chunk where it went with it."""
        first = self._first_reply
        if first is not None and first.code // 100 == 2:
            self._proved = True
        if not self._accepted:
            if first is not None and first.code in UNKNOWN_COMMAND:
                wire.reusable = False  # it sits in the middle of what it takes for a command
            else:
                yield from self._abandon(wire)
        elif first is not None and not self._proved:
            yield from self._give_up(wire, first)
        else:
            yield from self._send_chunks(wire)

    def _send_chunks(self, wire: Wire) -> Script[None]:
        """Content in chunks; replies are read on the way as far as too many of them are owed."""
        held: bytes | None = None
        for chunk in _gather(self._content):
            if held is not None:
                line = b"BDAT %d\r\n" % len(held)
                if not (yield from self._transmit(wire, CHUNK, line, held)):
                    return
                if not (yield from self._read_replies(wire, UNANSWERED_CHUNKS if wire.pipelining else 0)):
                    return
            held = chunk
        # In LMTP only an intact transaction has a reply for each recipient at its end.
        if self.order.lmtp and not (yield from self._read_replies(wire, 0)):
            return
        held = held or b""
        if (yield from self._transmit(wire, BDAT, b"BDAT %d LAST\r\n" % len(held), held)):
            yield from self._await_end(wire)

    def _transmit(self, wire: Wire, stage: Stage, line: bytes, chunk: bytes) -> Generator[Want, Reply | None, bool]:
        """Send one chunk; False if the server hung up meanwhile and had said why."""
        wire.send(stage, line)
        self._unanswered.append(CHUNK)
        try:
            yield Transmit(iter((chunk,)))
        except ConnectionLost as lost:
            yield from self._read_last_words(wire, lost)
            return False
        self._unanswered[-1] = stage
        return True

    def _read_replies(self, wire: Wire, allowed: int) -> Generator[Want, Reply | None, bool]:
        """Read replies until few enough are owed; False if one of them refuses the message."""
        while len(self._unanswered) > allowed:
            reply = yield from self._next_reply(wire)
            if reply.code // 100 != 2:
                yield from self._give_up(wire, reply)
                return False
        return True

    def _give_up(self, wire: Wire, reply: Reply) -> Script[None]:
        """A chunk was refused, and so is the message."""
        self._refuse_chunk(reply)
        if self.bdat_failed:
            wire.reusable = False
            return
        while self._unanswered:
            yield from self._next_reply(wire)
        yield from self._abandon(wire)

    def _read_last_words(self, wire: Wire, lost: ConnectionLost) -> Script[None]:
        """The server hung up in the middle of a chunk: perhaps it said why.  That it takes that chunk cannot be true."""
        wire.reusable = False
        try:
            while len(self._unanswered) > 0:
                reply = yield from self._next_reply(wire)
                if reply.code // 100 != 2:
                    self._refuse_chunk(reply)
                    return
        except WireTrouble:
            pass
        raise lost

    # -- the end ---------------------------------------------------------------------------------------------------

    def _end(self, wire: Wire) -> bool:
        """The last chunk is written: let the next transaction begin, or say QUIT."""
        self.in_doubt = wire.unclean = True
        keep = self._keeps_open(wire)
        if keep:
            wire.release_whole(BDAT)
            self._tell_release(wire, streams=True)
        elif wire.pipelining:
            wire.send_quit(QUIT, await_reply=self.order.await_quit)
        return keep

    def _await_end(self, wire: Wire) -> Script[None]:
        """The replies to the chunks before the last, then those to the last one."""
        owed = [[index] for index in self._accepted] if self.order.lmtp else [self._accepted]
        for _ in range(len(owed) - 1):
            wire.expect(BDAT)
            self._unanswered.append(BDAT)
        keep = self._end(wire)
        while len(self._unanswered) > len(owed) and not self.bdat_failed:
            reply = yield from self._next_reply(wire)
            if reply.code // 100 != 2:
                self._refuse_chunk(reply)
        for indexes in owed:
            if not self.bdat_failed:
                reply = yield from self._next_reply(wire)
                self._take_last(indexes, reply, wire)
        self._conclude(keep, wire)

    def _conclude(self, keep: bool, wire: Wire) -> None:
        self.in_doubt = False
        if self.bdat_failed:
            wire.reusable = wire.ending = False  # hang up, and do not wait for the reply to QUIT
            return
        self._quit_unless(keep, wire)
        if self._complained:
            wire.reusable = False

    # -- verdicts --------------------------------------------------------------------------------------------------

    def _refuse_chunk(self, reply: Reply) -> None:
        """A chunk before the last was refused: the first such reply decides for everybody."""
        if None not in self.verdicts:
            return
        if self._shows_misunderstanding(reply):
            self.bdat_failed = True
        else:
            self._refuse_all(reply, BDAT)

    def _take_last(self, indexes: list[int], reply: Reply, wire: Wire) -> None:
        """A reply to the last chunk, for these recipients."""
        undecided = [index for index in indexes if self.verdicts[index] is None]
        if not undecided:
            return
        verdict: Reply | Refusal = reply
        if reply.code // 100 == 2:
            self._proved = True
            wire.unclean = False
        elif self._shows_misunderstanding(reply):
            self.bdat_failed = True
            return
        else:
            scope = Scope.RECIPIENT if self.order.lmtp else Scope.MESSAGE
            verdict = refuse_command(scope, reply, BDAT, self.order.peer)
        for index in undecided:
            self._decide(index, verdict)

    def _shows_misunderstanding(self, reply: Reply) -> bool:
        """Whether this is about BDAT and not about the message.

        A server that has not taken a chunk yet has seen nothing that it could judge, so its complaints of the class x.5.x
        (RFC 3463 §3.6) are about BDAT.  One that has, and answers for a recipient of LMTP, means that recipient.
        """
        if self._proved and self.order.lmtp:
            return False
        return reply.code in NOT_UNDERSTOOD or (not self._proved and reply.status.startswith("5.5."))


def _gather(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pieces of any size as chunks of `CHUNK_OCTETS`; the last one is as long as it is."""
    gathered = b""
    for piece in pieces:
        gathered += piece
        if len(gathered) >= CHUNK_OCTETS:
            view = memoryview(gathered)
            whole = len(gathered) - len(gathered) % CHUNK_OCTETS
            for start in range(0, whole, CHUNK_OCTETS):
                yield bytes(view[start : start + CHUNK_OCTETS])
            gathered = gathered[whole:]
    if gathered:
        yield gathered


def _fail(trouble: Exception) -> Iterator[bytes]:
    """A content that breaks off."""
    yield from ()  # what makes this function a generator
    raise trouble
