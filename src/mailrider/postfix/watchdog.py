"""Ends a worker whose event loop stands still: the kernel does, so that nothing in the process can be in the way.

A worker that hangs keeps its queue files locked and its share of the listening socket, so all of its mail would wait for it.
An alarm clock (setitimer(2)) is wound up again and again by the event loop; when it runs down, SIGALRM kills the process,
whatever that is busy with: a lookup that does not come back, a bug, a library that waits for something.  Its supervisor sees
the signal, says `watchdog timeout` in the log, and starts another; the queue manager tries the mail again.  The clock goes on
when the supervisor has ended, for what a worker has to complete.

A worker that stands still for less than the limit is never killed, and one that does for a tenth longer always is.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Final

SIGNAL: Final = signal.SIGALRM
"""What a worker is killed by."""

SHARE: Final = 10
"""The clock is wound up so often in the course of its limit."""

LONGEST_PAUSE_SECONDS: Final = 60.0
"""Between two windings: the usual limit is five hours, and a tenth of that more would be long."""


def _set_alarm(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds)


class Watchdog:
    """Belongs to one process, and to one event loop from `attend` on.  `limit_seconds` 0 keeps none."""

    def __init__(self, limit_seconds: float, set_alarm: Callable[[float], None] = _set_alarm) -> None:
        self._pause_seconds = min(limit_seconds / SHARE, LONGEST_PAUSE_SECONDS)
        self._alarm_seconds = limit_seconds + self._pause_seconds
        self._set_alarm = set_alarm

    def arm(self) -> None:
        """From now on; until `attend` this is one piece of work."""
        if self._alarm_seconds:
            signal.signal(SIGNAL, signal.SIG_DFL)
            self._set_alarm(self._alarm_seconds)

    def attend(self) -> None:
        """Let the running event loop wind up the clock as long as it runs."""
        if self._alarm_seconds:
            self._set_alarm(self._alarm_seconds)
            asyncio.get_running_loop().call_later(self._pause_seconds, self.attend)
