"""The wire as a script sees it: commands out, replies in, in order.

Pipelining (RFC 2920) is one queue of awaited replies with a bound on unanswered octets.  Each command that is written
joins the queue together with the *run* (script) that wrote it; each reply that comes belongs to the head of the queue.
So a connection can serve a stream of transactions: the next script may write while the last reply of the one before
is still awaited, and every reply finds its owner.

What a script may yield:

=================  ==================================================  ==========================================
`AWAIT_REPLY`      the reply to its oldest unanswered command          resumed with the `Reply`
`Transmit(...)`    content, in pieces; a lost connection is thrown     resumed with None when all is handed over
`Pause(seconds)`   everything written so far is flushed first          resumed with None
`Encrypt()`        TLS begins; trouble with it is thrown                resumed with None when the handshake is over
=================  ==================================================  ==========================================

A reply that is there already need not be waited for: `take` gives it at once.  Under PIPELINING the replies to a whole
envelope come together, and their script is resumed once.

The wire itself does no I/O: the driver takes what is in `out`, puts replies into `arrived`, and calls `head` to learn which
time limit is running.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple, TypeVar

from mailrider.smtp.reply import Reply
from mailrider.smtp.stage import Stage

UNANSWERED_LIMIT_OCTETS = 4096
"""Octets of commands that may be unanswered under PIPELINING.

RFC 2920 §3.1 asks for the TCP window; smtp(8) takes the size of its buffer, which every window holds, and that spreads
the server's work over long recipient lists too."""


UNANSWERED_MESSAGES = 16
"""Messages whose end may be unanswered in a stream: enough to keep a far server busy, and what is in doubt when a connection
is lost.  With content of at most `chunked.WHOLE_LIMIT_OCTETS` each it also bounds the octets."""


class AwaitReply(NamedTuple):
    """Wait for the next reply."""


class Transmit(NamedTuple):
    """Send content.  The pieces are ready for the wire; asking for one may raise `errors.ContentTrouble` or
    `errors.LocalDataError`.

    The driver throws that into the script when it happens.
    """

    pieces: Iterator[bytes]


class Pause(NamedTuple):
    """Flush, then do nothing for a while."""

    seconds: float


class Encrypt(NamedTuple):
    """Begin TLS.  What the peer said before that nobody has read yet is thrown away; nothing of ours may be unanswered.

    The driver throws `errors.TlsTrouble`, `errors.ConnectionLost` or `errors.TimedOut` into the script where it fails.
    """


Want = AwaitReply | Transmit | Pause | Encrypt
AWAIT_REPLY = AwaitReply()
ENCRYPT = Encrypt()

T = TypeVar("T")
Script = Generator[Want, Reply | None, T]


Command = tuple[Stage, bytes]
"""A command line with its CRLF, and the stage that its reply belongs to."""

Awaited = tuple[Stage, object, int]
"""A reply that is due: which stage it answers, whose it is (None: nobody's, it is read and forgotten), and the length of the
command.  A plain tuple, since several are made for every message."""


class Wire:
    """What a script writes to.

    `out` is taken by the driver whenever a script yields.  `arrived` are replies that nobody has taken yet.  `pipelining`
    and `reusable` are the state of the connection: the first says whether more than one command may be unanswered, the
    second turns False for good when the conversation has gone wrong in a way that makes the next reply doubtful.
    `garbled`: there was garbage in a reply, so the connection serves for what is under way and is not to be kept.
    `current` is the run that is writing now; the driver sets it before it resumes a script.  `free` tells whether another
    script may write; `ending` that QUIT has been written, so that the connection closes with the last reply.  `unclean`:
    the server may be left inside a transaction, so that the next one has to begin with RSET.
    """

    __slots__ = (
        "_unanswered_octets", "arrived", "awaited", "current", "ending", "free", "garbled", "out", "pipelining", "reusable",
        "unclean",
    )  # fmt: skip

    def __init__(self) -> None:
        self.out: list[bytes] = []
        self.arrived: deque[Reply] = deque()
        self.awaited: deque[Awaited] = deque()
        self.pipelining = False
        self.reusable = True
        self.garbled = False
        self.ending = False
        self.free = True
        self.unclean = False
        self.current: object = None
        self._unanswered_octets = 0

    def send(self, stage: Stage, line: bytes) -> None:
        """Write a command line (with its CRLF) whose reply the current script will await."""
        self.out.append(line)
        octets = len(line)
        self._unanswered_octets += octets
        self.awaited.append((stage, self.current, octets))

    def send_group(self, commands: Sequence[Command]) -> bool:
        """Write a whole group of commands, if the server takes groups and this one may leave now; False if not."""
        octets = self._unanswered_octets
        for _, line in commands:
            octets += len(line)
        if not self.pipelining or octets > UNANSWERED_LIMIT_OCTETS:
            return False
        self._unanswered_octets = octets
        out, awaited, current = self.out, self.awaited, self.current
        for stage, line in commands:
            out.append(line)
            awaited.append((stage, current, len(line)))
        return True

    def take(self) -> Reply | None:
        """The next reply, where it is there already and for the current script; None where it has to be awaited.

        What came before all that was written has left cannot be meant for that.
        """
        if not self.arrived or self.out or self.awaited[0][1] is not self.current:
            return None
        self._unanswered_octets -= self.awaited.popleft()[2]
        reply = self.arrived.popleft()
        if reply.garbled:
            self.garbled = True
        return reply

    def expect(self, stage: Stage) -> None:
        """Await a reply to nothing, such as the greeting, or one more reply to the dot in LMTP."""
        self.awaited.append((stage, self.current, 0))

    def send_unowned(self, stage: Stage, line: bytes) -> None:
        """Write a command whose reply is read and forgotten."""
        self.out.append(line)
        self._unanswered_octets += len(line)
        self.awaited.append((stage, None, len(line)))

    def release(self) -> None:
        """The current script has written all it has to write: the next one may begin, if the server takes groups."""
        self.free = self.pipelining

    def release_whole(self, end: Stage) -> None:
        """The same for a script that has written a whole message, up to a number of unanswered `end`s of messages."""
        self.free = self.pipelining and sum([awaited[0] is end for awaited in self.awaited]) < UNANSWERED_MESSAGES

    def send_quit(self, stage: Stage, *, await_reply: bool) -> None:
        """Write QUIT and mark the connection as ending; the reply, if awaited, is nobody's."""
        self.out.append(b"QUIT\r\n")
        if await_reply:
            self.awaited.append((stage, None, 0))
        self.ending = True
        self.reusable = False

    def has_room_for(self, line: bytes) -> bool:
        """May this command be sent before the outstanding replies are in?"""
        if not self.awaited:
            return True
        return self.pipelining and self._unanswered_octets + len(line) <= UNANSWERED_LIMIT_OCTETS

    def answered(self) -> object:
        """Take the head of the queue, whose reply is there; whose it is comes back."""
        _, owner, octets = self.awaited.popleft()
        self._unanswered_octets -= octets
        return owner

    @property
    def head(self) -> Stage | None:
        """The stage whose time limit runs, or None when nothing is awaited."""
        return self.awaited[0][0] if self.awaited else None
