"""Whose turn it is to write, where several processes write to one spool: they take turns instead of fighting for the lock.

SQLite lets one write at a time, but who finds it busy sleeps, up to a tenth of a second and longer each time, and whoever
comes in between is first.  So two processes that write all day long made each other wait for most of a second now and then,
and what had been delivered meanwhile was not recorded: it would have been delivered again, had the node been killed.

There are two locks (flock(2) on folders that are there anyway, so that no file is needed on a full disk): who wants to write
takes the first, waits with it for the second, and gives the first back when he has the second.  So nobody comes twice while
another one waits.  The locks go with the process that had them.

The gate is a courtesy, and nothing rests on it: who has waited for `PATIENCE_SECONDS`, or cannot lock folders here, goes on
to SQLite's own lock.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

PATIENCE_SECONDS = 5.0
"""How long a turn is waited for: longer than any group of changes takes, unless the process that has it is suspended."""

LOOK_SECONDS = 0.0002
"""Between two looks: less than a flush takes."""


class Gate:
    """The gate of a spool.  `folders` are two.  All methods belong to one thread, but for `open`."""

    __slots__ = ("_descriptors", "_folders", "_held", "_now_seconds", "_sleep")

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        now_seconds: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folders = folders
        self._descriptors: list[int] = []
        self._held = False
        self._now_seconds = now_seconds
        self._sleep = sleep

    def open(self) -> None:
        """Before the first turn.  Where a folder may not be opened there are none."""
        try:
            for folder in self._folders:
                self._descriptors.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        except OSError:
            self.close()

    def enter(self) -> bool:
        """Wait for a turn; whether there was one."""
        if not self._descriptors:
            return False
        end = self._now_seconds() + PATIENCE_SECONDS
        first, second = self._descriptors
        if self._lock(first, end):
            self._held = self._lock(second, end)
            fcntl.flock(first, fcntl.LOCK_UN)
        return self._held

    def _lock(self, descriptor: int, end_seconds: float) -> bool:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._now_seconds() >= end_seconds:
                    return False
                self._sleep(LOOK_SECONDS)
            except OSError:
                return False  # a file system without locks
            else:
                return True

    def leave(self) -> None:
        """The turn is over."""
        if self._held:
            self._held = False
            fcntl.flock(self._descriptors[1], fcntl.LOCK_UN)

    def close(self) -> None:
        """There will be no turn any more."""
        descriptors, self._descriptors = self._descriptors, []
        for descriptor in descriptors:
            os.close(descriptor)
