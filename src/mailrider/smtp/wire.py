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
=================  ==================================================  ==========================================

The wire itself does no I/O: the driver takes what is in `out`, and calls `head` to learn which time limit is running.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from typing import NamedTuple, TypeVar

from mailrider.smtp.reply import Reply
from mailrider.smtp.stage import Stage

UNANSWERED_LIMIT_OCTETS = 4096
"""Octets of commands that may be unanswered under PIPELINING.

RFC 2920 §3.1 asks for the TCP window; smtp(8) takes the size of its buffer, which every window holds, and that spreads
the server's work over long recipient lists too."""


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


Want = AwaitReply | Transmit | Pause
AWAIT_REPLY = AwaitReply()

T = TypeVar("T")
Script = Generator[Want, Reply | None, T]


class Awaited(NamedTuple):
    """A reply that is due: which stage it answers, and whose it is (None: nobody's, it is read and forgotten).

    `octets` is the length of the command.
    """

    stage: Stage
    owner: object
    octets: int = 0


class Wire:
    """What a script writes to.

    `out` is taken by the driver whenever a script yields.  `pipelining` and `reusable` are the state of the
    connection: the first says whether more than one command may be unanswered, the second turns False for good when
    the conversation has gone wrong in a way that makes the next reply doubtful.  `garbled`: there was garbage in a reply, so
    the connection serves for what is under way and is not to be kept.  `current` is the run that is
    writing now; the driver sets it before it resumes a script.  `free` tells whether another script may write;
    `ending` that QUIT has been written, so that the connection closes with the last reply.  `unclean`: the server may be left
    inside a transaction, so that the next one has to begin with RSET.
    """

    __slots__ = (
        "_unanswered_octets", "awaited", "current", "ending", "free", "garbled", "out", "pipelining", "reusable", "unclean",
    )  # fmt: skip

    def __init__(self) -> None:
        self.out: list[bytes] = []
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
        self.awaited.append(Awaited(stage, self.current, octets))

    def expect(self, stage: Stage) -> None:
        """Await a reply to nothing, such as the greeting, or one more reply to the dot in LMTP."""
        self.awaited.append(Awaited(stage, self.current))

    def send_unowned(self, stage: Stage, line: bytes) -> None:
        """Write a command whose reply is read and forgotten."""
        self.out.append(line)
        self._unanswered_octets += len(line)
        self.awaited.append(Awaited(stage, None, len(line)))

    def release(self) -> None:
        """The current script has written all it has to write: the next one may begin, if the server takes groups."""
        self.free = self.pipelining

    def send_quit(self, stage: Stage, *, await_reply: bool) -> None:
        """Write QUIT and mark the connection as ending; the reply, if awaited, is nobody's."""
        self.out.append(b"QUIT\r\n")
        if await_reply:
            self.awaited.append(Awaited(stage, None))
        self.ending = True
        self.reusable = False

    def has_room_for(self, line: bytes) -> bool:
        """May this command be sent before the outstanding replies are in?"""
        if not self.awaited:
            return True
        return self.pipelining and self._unanswered_octets + len(line) <= UNANSWERED_LIMIT_OCTETS

    def answered(self) -> Awaited:
        """Take the head of the queue: its reply is there."""
        awaited = self.awaited.popleft()
        self._unanswered_octets -= awaited.octets
        return awaited

    @property
    def head(self) -> Stage | None:
        """The stage whose time limit runs, or None when nothing is awaited."""
        return self.awaited[0].stage if self.awaited else None
