"""A place in the window of a destination, which a delivery holds while it works, and may lend."""

from __future__ import annotations

from typing import Protocol

from mailrider.smtp.wire import UNANSWERED_MESSAGES

WORKERS_FOR_A_PLACE = 2
"""One whose message is being sent, and one who waits for the last reply to the message before."""


def limit_workers(width: int, streaming: int) -> int:
    """How many workers a window of this width has.

    Each delivery that waits in a stream of whole messages makes room for another one, up to what a connection may owe; so
    that more of them are not let loose at once, who may have to open connections of their own.
    """
    return width * WORKERS_FOR_A_PLACE + min(streaming, width * UNANSWERED_MESSAGES)


class Places(Protocol):
    """Who has places to give.  `streaming` counts the deliveries that wait in streams of whole messages."""

    streaming: int

    def lend_place(self) -> None:
        """A place is to be had."""

    async def wait_for_place(self, *, returning: bool = False) -> None:
        """Take a place as soon as there is one."""


class Place:
    """A place in the window, held by one delivery: a `model.request.Turn`."""

    __slots__ = ("_held", "_queue", "_streams")

    def __init__(self, queue: Places) -> None:
        self._queue = queue
        self._held = True
        self._streams = False

    def lend(self, *, streams: bool) -> None:
        """See `model.request.Turn`."""
        if self._held:
            self._held = False
            self._streams = streams
            self._queue.streaming += streams
            self._queue.lend_place()

    async def regain(self) -> None:
        """See `model.request.Turn`."""
        if not self._held:
            self._leave_stream()
            await self._queue.wait_for_place(returning=True)
            self._held = True

    def give_up(self) -> bool:
        """The delivery is over; whether it still held its place."""
        self._leave_stream()
        return self._held

    def _leave_stream(self) -> None:
        if self._streams:
            self._streams = False
            self._queue.streaming -= 1
