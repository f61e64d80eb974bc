"""The desk: takes changes for the writer's thread, and tells in the event loop what has become of them.

Answers come in the order in which the changes were handed in.  Where a group of changes has removed a message, it is the last
of its changes that is told so.

What can go wrong: the storage; each failure is reported with a sentence, and told to whoever has asked.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from mailrider.spool.changes import Change
from mailrider.spool.gate import Gate
from mailrider.spool.writer import Answers, Done, Errand, Failure, Job, Writer

REMOVED = Done(frozenset((0,)))
"""What the change that has removed a message is told, and no other."""

_DONE = Done()

T = TypeVar("T")


class Desk:
    """Between an event loop and a writer.  For all but `report`, which hears of failures, see `writer.Writer`.

    `submit` and `leave` put a job in line (see there); it is told in the event loop.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        has_room: Callable[[], bool],
        remove_file: Callable[[int], None],
        report: Callable[[str], None],
        *,
        gate: Gate,
        leaves_marks: bool,
    ) -> None:
        self._report = report
        self.writer = Writer(connect, has_room, remove_file, self._finished, gate=gate, leaves_marks=leaves_marks)
        self.submit = self.writer.submit
        self.leave = self.writer.leave

    def open(self) -> None:
        """Begin, for the event loop that runs.  Raises `SpoolTrouble`."""
        self._loop = asyncio.get_running_loop()
        self.writer.start()

    async def close(self) -> None:
        """Finish what is in line, and tell."""
        await asyncio.to_thread(self.writer.stop)
        await asyncio.sleep(0)  # the last answers are told

    async def run(self, action: Callable[[sqlite3.Connection], T]) -> T | Failure:
        """Do something in a transaction of its own."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        self.submit(Job(Errand(action), lambda done: give(answer, done)))
        result: T | Failure = await answer
        return result

    def _finished(self, answers: Answers) -> None:
        """In the writer's thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._tell, answers)

    def _tell(self, answers: Answers) -> None:
        claimed: set[int] = set()
        told: list[tuple[Job, Any]] = []
        for job, answer in answers[::-1]:  # of the changes to a message, the last one has removed it
            if isinstance(answer, Done) and answer.removed:
                key = job.work.gone[0][0] if isinstance(job.work, Change) and job.work.gone else None
                is_last = key in answer.removed and key not in claimed
                if is_last and key is not None:
                    claimed.add(key)
                answer = REMOVED if is_last else _DONE
            told.append((job, answer))
        for job, answer in told[::-1]:
            if isinstance(answer, Failure):
                self._report(f"the queue cannot be written: {answer.text}")
            job.tell(answer)


def give(answer: asyncio.Future[T], value: T) -> None:
    """Answer a caller, unless he has been cancelled."""
    if not answer.done():
        answer.set_result(value)
