"""One message on its way into the spool: in memory while it is small, streamed once it is not.

A message up to `files.SMALL_OCTETS` is handed over at its end, in one piece.  A larger one goes into the spool as it comes;
when more than `QUEUED_LIMIT_OCTETS` wait for the disk the client is not read from until they have gone.

What can go wrong: the disk is full (452 4.3.1) or broken (451 4.3.0), each told at the end of the message; nothing of it is
kept then.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from mailrider.errors import MailriderError
from mailrider.intake.terms import Mail, Verdict
from mailrider.spool.files import SMALL_OCTETS, WRITE_OCTETS
from mailrider.spool.spool import Accepted, Chunks, NotAccepted, Spool, Submission, Unaccepted

QUEUED_LIMIT_OCTETS = 2 * WRITE_OCTETS
"""One write under way and one being gathered."""

FULL = Verdict(refusal="452 4.3.1 Insufficient system storage")
FAILED = Verdict(refusal="451 4.3.0 Error: queue file write error")


class Dropped(MailriderError):
    """The client has gone, or its message was refused."""


class Keeping:
    """`hold` is called with True when enough waits for the disk, with False when there is room again."""

    def __init__(self, spool: Spool, mail: Mail, hold: Callable[[bool], None], tell: Callable[[str], None]) -> None:
        self._spool = spool
        self._mail = mail
        self._hold = hold
        self._tell = tell
        self._pieces: deque[bytes] = deque()
        self._octets = 0
        self._task: asyncio.Task[Verdict] | None = None
        self._wake: asyncio.Future[None] | None = None
        self._has_ended = False
        self._is_dropped = False
        self._holds = False

    def add(self, text: bytes) -> None:
        """More of the text."""
        if self._task is not None and self._task.done():
            return  # the disk has said no already
        self._pieces.append(text)
        self._octets += len(text)
        if self._task is None:
            if self._octets > SMALL_OCTETS:
                self._begin(self._stream())
        else:
            self._stir()
            if self._octets > QUEUED_LIMIT_OCTETS and not self._holds:
                self._holds = True
                self._hold(True)

    def finish(self, done: Callable[[Verdict], None]) -> None:
        """That was all; `done` is told what became of it."""
        self._has_ended = True
        if self._task is None:
            self._begin(b"".join(self._pieces))
        self._stir()
        assert self._task is not None
        self._task.add_done_callback(lambda task: done(FAILED if task.cancelled() else task.result()))

    def drop(self) -> None:
        """Nothing of it is to be kept; too late once it has been finished."""
        if self._has_ended:
            return
        self._is_dropped = True
        self._pieces.clear()
        self._stir()

    def _begin(self, content: Chunks) -> None:
        self._task = asyncio.get_running_loop().create_task(self._accept(content))

    def _stir(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _accept(self, content: Chunks) -> Verdict:
        mail = self._mail
        submission = Submission(mail.envelope, mail.client, mail.transport.value, mail.queue_id)
        try:
            answer = await self._spool.accept(submission, content)
        except Dropped:
            return FAILED
        except Exception as fault:
            self._tell(f"{mail.queue_id}: warning: the message was not taken: {fault!r}")
            return FAILED
        finally:
            self._let_go()
        return self._judge(answer)

    def _judge(self, answer: Accepted | NotAccepted) -> Verdict:
        if isinstance(answer, Accepted):
            return Verdict(answer.queue_id)
        self._tell(f"{self._mail.queue_id}: warning: the message was not taken: {answer.reason.value}: {answer.text}")
        return FULL if answer.reason is Unaccepted.FULL else FAILED

    def _let_go(self) -> None:
        if self._holds:
            self._holds = False
            self._hold(False)

    async def _stream(self) -> AsyncIterator[bytes]:
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._octets -= len(piece)
                if self._octets <= QUEUED_LIMIT_OCTETS // 2:
                    self._let_go()
                yield piece
            if self._is_dropped:
                raise Dropped
            if self._has_ended:
                return
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
