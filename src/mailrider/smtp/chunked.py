"""A mail transaction that sends its content with BDAT (RFC 3030): no DATA, no dot, no dot stuffing.

Under PIPELINING a small message goes out whole, envelope and content in one group: one round trip.  A message of more than
`WHOLE_LIMIT_OCTETS`, and any message over LMTP, waits for the replies to RCPT first, so that nothing large is sent for
nobody, and so that it is known how many replies will come.  Large content goes out in chunks, with up to `UNANSWERED_CHUNKS`
of them unanswered.

A server that announces CHUNKING and then does not know BDAT would take the content for commands, and content is written by
strangers.  So a server that has not proved itself yet gets the first line alone, and the rest only when that was taken.  If it
was not, `bdat_failed` is True, there is nothing to do but to hang up, undecided recipients stay undecided, and the message
can go to the same server with DATA.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from mailrider.errors import ContentUnreadable, WireTrouble
from mailrider.smtp.refusal import Refusal, Scope, refuse_command
from mailrider.smtp.reply import Reply
from mailrider.smtp.stage import BDAT, CONTENT, DATA, QUIT, Stage
from mailrider.smtp.transaction import Order, Transaction
from mailrider.smtp.trouble import Trouble
from mailrider.smtp.wire import AWAIT_REPLY, Script, Transmit, Want, Wire

WHOLE_LIMIT_OCTETS = 64 * 1024
"""Up to this size it costs less to send the content for nobody than to wait whether it is wanted."""

CHUNK_OCTETS = 512 * 1024
"""One BDAT of a large message."""

UNANSWERED_CHUNKS = 4
"""Enough to keep a far server busy; more would only fill its memory."""

NOT_UNDERSTOOD = frozenset({500, 501, 502, 503, 504})
"""Replies that say "I do not know this" or "not now" to a BDAT that was well-formed and in its place."""


class ChunkedTransaction(Transaction):
    """See `Transaction`.

    `size_octets` is that of the content as it will be sent, as far as is known; `proved` tells whether this server has taken
    BDAT before.
    """

    __slots__ = ("_proved", "_size_octets", "bdat_failed")

    def __init__(self, order: Order, size_octets: int, *, proved: bool) -> None:
        super().__init__(order)
        self._size_octets = size_octets
        self._proved = proved
        self.bdat_failed = False

    def run(self, wire: Wire) -> Script[None]:
        """The dialogue, from top to bottom."""
        try:
            small = self._size_octets <= WHOLE_LIMIT_OCTETS
            if wire.pipelining and small and self._proved and not self.order.lmtp:
                yield from self._send_whole(wire)
            else:
                yield from self._send_envelope(wire)
                if self._accepted:
                    yield from self._send_chunks(wire)
                else:
                    yield from self._abandon(wire)
        except (WireTrouble, ContentUnreadable) as cause:
            wire.reusable = False
            self.trouble = Trouble(cause, self._unanswered[0] if self._unanswered else CONTENT)

    def _envelope(self) -> Iterator[tuple[Stage, bytes]]:
        return ((stage, line) for stage, line in super()._envelope() if stage is not DATA)

    @property
    def bdat_taken(self) -> bool:
        """The server has accepted a chunk."""
        return self._proved and any(isinstance(verdict, Reply) for verdict in self.verdicts)

    # -- one group -------------------------------------------------------------------------------------------------

    def _send_whole(self, wire: Wire) -> Script[None]:
        """Envelope and content behind each other, then all the replies."""
        for stage, line in self._envelope():
            if not wire.has_room_for(line):
                yield from self._catch_up()
                if self._is_pointless(stage):
                    yield from self._abandon(wire)
                    return
            wire.send(stage, line)
            self._unanswered.append(stage)
        content = b"".join(self.order.content())
        wire.send(BDAT, b"BDAT %d LAST\r\n" % len(content))
        self._unanswered.append(BDAT)
        wire.out.append(content)
        self.in_doubt = True
        keep = self._end(wire)
        last = yield from self._catch_up_to_chunk()
        self._unanswered.popleft()
        self.in_doubt = False
        self._conclude([self._accepted], [last], keep, wire)

    def _catch_up_to_chunk(self) -> Generator[Want, Reply | None, Reply]:
        """Account for the replies to the envelope; the next one, to BDAT, is returned."""
        while True:
            reply = yield AWAIT_REPLY
            assert reply is not None
            stage = self._unanswered[0]
            if stage is BDAT:
                return reply
            self._take(stage, reply)
            self._unanswered.popleft()

    # -- in chunks -------------------------------------------------------------------------------------------------

    def _send_chunks(self, wire: Wire) -> Script[None]:
        """Content in chunks; the replies to all but the last chunk are read on the way."""
        held: bytes | None = None
        for chunk in _gather(self.order.content(), first_line_alone=not self._proved):
            if held is not None:
                refusal = yield from self._send_chunk(wire, held, last=False)
                self._proved = True
                if refusal is not None:
                    yield from self._give_up(wire, refusal)
                    return
            held = chunk
        owed = [[index] for index in self._accepted] if self.order.lmtp else [self._accepted]
        yield from self._send_chunk(wire, held or b"", last=True)
        for _ in range(len(owed) - 1):
            wire.expect(BDAT)
            self._unanswered.append(BDAT)
        self.in_doubt = True
        keep = self._end(wire)
        replies: list[Reply] = []
        while self._unanswered:
            reply = yield AWAIT_REPLY
            assert reply is not None
            self._unanswered.popleft()
            replies.append(reply)
        self.in_doubt = False
        self._conclude(owed, replies, keep, wire)

    def _send_chunk(self, wire: Wire, chunk: bytes, *, last: bool) -> Generator[Want, Reply | None, Reply | None]:
        """Send one chunk, and read replies until few enough are owed; one that refuses is returned."""
        wire.send(BDAT, b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if last else b""))
        self._unanswered.append(BDAT)
        yield Transmit(iter((chunk,)))
        allowed = UNANSWERED_CHUNKS if wire.pipelining and self._proved else 0
        while not last and len(self._unanswered) > allowed:
            reply = yield AWAIT_REPLY
            assert reply is not None
            self._unanswered.popleft()
            if reply.code // 100 != 2:
                return reply
        return None

    def _give_up(self, wire: Wire, reply: Reply) -> Script[None]:
        """A chunk in the middle was refused, and so is the message."""
        while self._unanswered:
            yield AWAIT_REPLY
            self._unanswered.popleft()
        self._decide_chunk(self._accepted, reply)
        if self.bdat_failed:
            wire.reusable = False
        else:
            yield from self._abandon(wire)

    # -- the end ---------------------------------------------------------------------------------------------------

    def _end(self, wire: Wire) -> bool:
        """The last chunk is written: let the next transaction begin, or say QUIT."""
        keep = self._keeps_open(wire)
        if keep:
            wire.release()
        elif wire.pipelining:
            wire.send_quit(QUIT, await_reply=self.order.await_quit)
        return keep

    def _conclude(self, owed: list[list[int]], replies: list[Reply], keep: bool, wire: Wire) -> None:
        """Decide by the last replies.  More replies than are owed are those to earlier chunks: they come first."""
        early, final = replies[: len(replies) - len(owed)], replies[len(replies) - len(owed) :]
        bad = next((reply for reply in early if reply.code // 100 != 2), None)
        for indexes, reply in zip(owed, final, strict=True):
            self._decide_chunk(indexes, bad or reply)
        if self.bdat_failed:
            wire.reusable = False
            wire.ending = False
            return
        self._quit_unless(keep, wire)
        if self._complained:
            wire.reusable = False

    def _decide_chunk(self, indexes: list[int], reply: Reply) -> None:
        if reply.code in NOT_UNDERSTOOD and indexes:
            self.bdat_failed = True
            return
        verdict: Reply | Refusal = reply
        if reply.code // 100 != 2:
            scope = Scope.RECIPIENT if self.order.lmtp else Scope.MESSAGE
            verdict = refuse_command(scope, reply, BDAT, self.order.peer)
        for index in indexes:
            self._decide(index, verdict)


def _gather(pieces: Iterator[bytes], *, first_line_alone: bool) -> Iterator[bytes]:
    """Pieces of any size as chunks of `CHUNK_OCTETS`, a first line alone in front where that is wanted."""
    gathered = b""
    for piece in pieces:
        gathered += piece
        if first_line_alone and b"\n" in gathered:
            line, newline, gathered = gathered.partition(b"\n")
            first_line_alone = False
            yield line + newline
        if len(gathered) >= CHUNK_OCTETS:
            view = memoryview(gathered)
            whole = len(gathered) - len(gathered) % CHUNK_OCTETS
            for start in range(0, whole, CHUNK_OCTETS):
                yield bytes(view[start : start + CHUNK_OCTETS])
            gathered = gathered[whole:]
    if gathered:
        yield gathered
