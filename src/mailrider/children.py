"""The children of a process: born by fork(2), heard of when they die, and replaced after a pause.

A process that is to have children keeps clear of threads and event loops: it does nothing but wait, with poll(2), for a
descriptor that becomes readable when one has died.  Everything that a child may use is loaded before it is born.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import NamedTuple

from mailrider.exit_codes import EX_SOFTWARE

RESTART_SECONDS = 1.0
"""Between two lives of one worker."""

LONGEST_RESTART_SECONDS = 30.0
"""The pause doubles with each worker that dies young, up to this: what was mended is in use again within half a minute."""

HEALTHY_SECONDS = 60.0
"""A worker that has lived so long was started well, and the next one does not wait for long."""

WAKING_OCTETS = 4096
"""What is read at once of the octets that stand for signals: how many there are means nothing."""


class Life(NamedTuple):
    """A worker that lives: its number among the workers, and since when."""

    number: int
    since_seconds: float


class Death(NamedTuple):
    """A child that has died.  `status`: its exit code, or the number of the signal that has killed it, negative."""

    process_id: int
    status: int


class Alarm:
    """Its descriptor becomes readable when a child has died, or a signal has come that the process handles."""

    def __init__(self) -> None:
        self.descriptor, self._far = os.pipe()
        for descriptor in (self.descriptor, self._far):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._far, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def silence(self) -> None:
        """It has been heard."""
        os.read(self.descriptor, WAKING_OCTETS)


def bear(life: Callable[[], int]) -> int:
    """The process id of a child, which lives `life` and ends with the exit code that it gives."""
    child = os.fork()
    if child:
        return child
    code = EX_SOFTWARE
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        code = life()
    finally:
        os._exit(code)


def bury() -> Iterator[Death]:
    """The children that have died since this was asked last."""
    while True:
        try:
            child, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not child:
            return
        yield Death(child, os.waitstatus_to_exitcode(status))


def describe_end(status: int) -> str:
    """How somebody has died, for the log."""
    return f"killed by signal {-status}" if status < 0 else f"exit status {status}"


class Pause:
    """How long it takes until somebody follows a worker that has died: longer each time, while they do not live long."""

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds = 0.0

    def after(self, lived_seconds: float) -> float:
        """The pause after a worker that has lived so long."""
        if lived_seconds > HEALTHY_SECONDS or not self._seconds:
            self._seconds = RESTART_SECONDS
        else:
            self._seconds = min(self._seconds * 2, LONGEST_RESTART_SECONDS)
        return self._seconds
