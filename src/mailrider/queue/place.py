"""The places of a destination: as many deliveries as its window is wide hold one, and may lend it.

A delivery that only awaits its last reply, over a connection that takes the next message already (PIPELINING), lends its
place: a worker then puts the next envelope right behind.  So there are never more connections than the window is wide, and
more workers than that.  A place that comes free goes to a delivery that needs its own back, then to a worker who waits for
one; where nobody does, another worker may begin.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque

from mailrider.model.outcome import DestinationTrouble
from mailrider.queue.suspension import Graves, Key
from mailrider.queue.window import ConcurrencyWindow, WindowTerms
from mailrider.smtp.wire import UNANSWERED_MESSAGES

WORKERS_FOR_A_PLACE = 2
"""One whose message is being sent, and one who waits for the last reply to the message before."""


def limit_workers(width: int, streaming: int) -> int:
    """How many workers a window of this width has.

    Each delivery that waits in a stream of whole messages makes room for another one, up to what a connection may owe; so
    that more of them are not let loose at once, who may have to open connections of their own.
    """
    return width * WORKERS_FOR_A_PLACE + min(streaming, width * UNANSWERED_MESSAGES)


class Places(ABC):
    """The places of one destination, and what is learned about how many there should be.

    `busy` counts those that are taken, `_called` those that are kept for somebody who is on his way; `streaming` counts the
    deliveries that wait in streams of whole messages.  Whoever waits is either a delivery that lent its place and needs it
    back (`_returning`), or a worker (`_resting`).
    """

    __slots__ = ("_called", "_graves", "_key", "_resting", "_returning", "_terms", "busy", "streaming", "window")

    def __init__(self, key: Key, terms: WindowTerms, graves: Graves) -> None:
        self._key = key
        self._terms = terms
        self._graves = graves
        self._returning: deque[asyncio.Future[None]] = deque()
        self._resting: deque[asyncio.Future[None]] = deque()
        self._called = 0
        self.busy = 0
        self.streaming = 0
        self.window = ConcurrencyWindow(terms)

    @property
    def free(self) -> int:
        """Places to be had.  What is under way goes on even where the window is closed, one after the other."""
        return (self.window.width or 1) - self.busy - self._called

    def staff(self, places: int) -> None:
        """See that somebody comes for so many of the free places."""
        for _ in range(places):
            if self._returning:
                self._call(self._returning)
            elif self._resting:
                self._call(self._resting)
            elif not self._hire():
                return  # those who are about to finish will

    @abstractmethod
    def _hire(self) -> bool:
        """Let another worker begin, where there is work for one and it may be had; whether that was so."""

    async def wait(self, *, returning: bool = False) -> None:
        """Wait until there is a place.  Who comes back takes it or goes home before anybody else runs."""
        called = asyncio.get_running_loop().create_future()
        (self._returning if returning else self._resting).append(called)
        await called
        self._called -= 1

    def _call(self, queue: deque[asyncio.Future[None]]) -> None:
        try:
            queue.popleft().set_result(None)
        except asyncio.InvalidStateError:
            return  # whoever waited has been cancelled: all of this ends
        self._called += 1

    def _send_home(self) -> None:
        """Nothing is left to do for those who rest."""
        while self._resting:
            self._call(self._resting)

    def learn(self, trouble: DestinationTrouble | None) -> None:
        """A delivery has ended well, or has met trouble with the destination as a whole, which may be dead now."""
        window = self.window
        if trouble is None:
            if window.is_dead:
                self._graves.revive(self._key)
            window.succeed(self.busy)
        else:
            window.fail()
            if window.is_dead:
                self._graves.bury(self._key, trouble, self._terms.dead_seconds)


class Place:
    """A place, taken by one delivery: a `model.request.Turn`."""

    __slots__ = ("_held", "_places", "_streams")

    def __init__(self, places: Places) -> None:
        places.busy += 1
        self._places = places
        self._held = True
        self._streams = False

    def lend(self, *, streams: bool) -> None:
        """See `model.request.Turn`."""
        if self._held:
            self._held = False
            self._streams = streams
            places = self._places
            places.streaming += streams
            places.busy -= 1
            if places.free > 0:
                places.staff(1)

    async def regain(self) -> None:
        """See `model.request.Turn`."""
        if not self._held:
            self._leave_stream()
            places = self._places
            if places.free <= 0:
                await places.wait(returning=True)
            places.busy += 1
            self._held = True

    def give_up(self) -> None:
        """The delivery is over.  The last place that is free then is left to the worker who has done it."""
        self._leave_stream()
        places = self._places
        if self._held:
            places.busy -= 1
        free = places.free
        if free > 1 or places._returning:
            places.staff(free - (not places._returning))

    def _leave_stream(self) -> None:
        if self._streams:
            self._streams = False
            self._places.streaming -= 1
