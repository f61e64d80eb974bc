"""Waiting for files that somebody else has locked, but not for ever.

Postfix locks an indexed file while it is rebuilt in its place, and its readers lock it for each lookup, so we do the same.
"""

from __future__ import annotations

import fcntl
import time
from typing import Final, Protocol

PAUSE_SECONDS: Final = 0.005
"""Between two attempts."""


class _Lock(Protocol):
    def __call__(self, descriptor: int, operation: int, /) -> None: ...


def lock_shared(descriptor: int, lock: _Lock, limit_seconds: float) -> bool:
    """Take a shared lock by `lock` (`fcntl.flock` or `fcntl.lockf`); False where others held it for all the time."""
    give_up_seconds = time.monotonic() + limit_seconds
    while True:
        try:
            lock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return True
        except (BlockingIOError, PermissionError):
            if time.monotonic() >= give_up_seconds:
                return False
            time.sleep(PAUSE_SECONDS)
