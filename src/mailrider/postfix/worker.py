"""One worker: accepts connections of the queue manager and runs their errands, any number of them at once.

A connection is greeted the moment it is accepted, since the queue manager lets no more than two of them wait for that.  The
listening sockets are shared with the other workers and with master(8), so nothing but accept(2) is done to them, and
whoever comes second finds nothing.  At `most_at_once` errands no more is accepted; then the queue manager waits, which does no
harm.

The worker ends when its lifeline does: a pipe whose other end is with the supervisor.  It accepts nothing more from then on,
and completes what it has begun.
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import Callable, Sequence
from typing import Final, Protocol

ACCEPTED_AT_ONCE: Final = 16
"""Connections that are accepted in one round of the event loop."""

DESCRIPTORS_FOR_AN_ERRAND: Final = 5
"""The queue manager, the queue file, two connections to servers, one to a service."""

SPARE_DESCRIPTORS: Final = 200
"""Logs, tables, the resolver, and whatever else."""

MOST_AT_ONCE: Final = 5000
"""One worker; the queue manager has no more than `qmgr_message_active_limit` (20,000) messages at hand."""


PATIENCE_SECONDS: Final = 0.02
"""How long a caller is left to the workers that come first."""

STILL_THERE_SECONDS: Final = 0.001
"""A caller who shows so soon after that has been waiting."""


SHORTAGE_SECONDS: Final = 1.0
"""How long nobody is accepted where the system has run out of something."""


class Activity(Protocol):
    """Where a worker writes down what it does, for its supervisor."""

    def note(self, busy: int, served: int) -> None:
        """So many errands are under way, and so many have been taken in all."""

    def is_needed(self) -> bool:
        """Whether this worker should accept: the ones before it have enough to do."""


def count_errands(limit: int = MOST_AT_ONCE) -> int:
    """How many errands one worker can run at once; the soft limit of descriptors is raised to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):
            pass  # the soft limit it is
    if soft == resource.RLIM_INFINITY:
        return limit
    return max(1, min(limit, (soft - SPARE_DESCRIPTORS) // DESCRIPTORS_FOR_AN_ERRAND))


class Worker:
    """Belongs to the running event loop.

    `begin_errand` serves a connection and closes it; it gets a function to call when that is done.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        lifeline: int,
        begin_errand: Callable[[socket.socket, Callable[[], None]], None],
        greeting: bytes,
        *,
        most_at_once: int,
        activity: Activity,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listeners = tuple(listeners)
        self._lifeline = lifeline
        self._begin_errand = begin_errand
        self._greeting = greeting
        self._most_at_once = most_at_once
        self._activity = activity
        self._busy = 0
        self._served = 0
        self._accepting = False
        self._draining = False
        self._patient_until = 0.0
        self._done = self._loop.create_future()

    async def run(self) -> None:
        """Serve until the lifeline ends and the last errand is done."""
        os.set_blocking(self._lifeline, False)
        self._loop.add_reader(self._lifeline, self._look_at_lifeline)
        self._resume()
        self._activity.note(0, 0)
        await self._done

    def drain(self) -> None:
        """Accept nothing more, and end with the last errand."""
        if not self._draining:
            self._draining = True
            self._pause()
            self._loop.remove_reader(self._lifeline)
            self._finish_if_idle()

    def _look_at_lifeline(self) -> None:
        try:
            if os.read(self._lifeline, 1):
                return
        except BlockingIOError:
            return
        except OSError:
            pass  # as good as its end
        self.drain()

    def _pause(self) -> None:
        if self._accepting:
            self._accepting = False
            for listener in self._listeners:
                self._loop.remove_reader(listener.fileno())

    def _resume(self) -> None:
        if not self._accepting and not self._draining:
            self._accepting = True
            for listener in self._listeners:
                self._loop.add_reader(listener.fileno(), self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            if self._busy >= self._most_at_once:
                self._pause()
                return
            if not self._activity.is_needed() and self._leave_to_others():
                return
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return  # another worker was first, or the caller has gone
            except OSError:
                # No descriptors or no memory: the caller would show up again at once, and again.
                self._pause()
                self._loop.call_later(SHORTAGE_SECONDS, self._resume)
                return
            self._begin(connection)

    def _leave_to_others(self) -> bool:
        """Look away for a moment; False if that has just been done, and the caller is still there."""
        now = self._loop.time()
        if 0.0 <= now - self._patient_until <= STILL_THERE_SECONDS:
            return False
        self._pause()
        self._patient_until = now + PATIENCE_SECONDS
        self._loop.call_later(PATIENCE_SECONDS, self._look_again)
        return True

    def _look_again(self) -> None:
        self._patient_until = self._loop.time()
        self._resume()

    def _begin(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            connection.send(self._greeting)
        except OSError:
            connection.close()  # the queue manager has changed its mind
            return
        self._served += 1
        self._busy += 1
        self._activity.note(self._busy, self._served)
        self._begin_errand(connection, self._end)

    def _end(self) -> None:
        self._busy -= 1
        self._activity.note(self._busy, self._served)
        if self._draining:
            self._finish_if_idle()
        elif not self._accepting and self._busy < self._most_at_once and self._patient_until <= self._loop.time():
            self._resume()

    def _finish_if_idle(self) -> None:
        if not self._busy and not self._done.done():
            self._done.set_result(None)
