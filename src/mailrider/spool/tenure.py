"""One node to a queue: who works on it holds a lock, and the next one is told who that is.

Two nodes that know nothing of each other would both deliver everything, since a lease is in the memory of one process only.
The lock (flock(2) on a file in the folder) goes with the process that had it.  Visitors such as `mailrider sendmail` need
none, and the workers of one node work under that of the node.

Known fault: where the file cannot be made, on a full disk at the first start for one, or where there are no locks, nobody is
kept out.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from mailrider.errors import SpoolTrouble
from mailrider.spool.files import give_to_owner

LOCK_NAME = "node.lock"
NAME_OCTETS = 20
"""Longer than the number of a process."""


class Tenure:
    """The right to work on the queue in `folder`."""

    __slots__ = ("_descriptor", "_folder")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = -1

    def take(self) -> None:
        """Take it.  Raises `SpoolTrouble` where somebody has it."""
        path = self._folder / LOCK_NAME
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(descriptor, NAME_OCTETS)
                os.close(descriptor)
                process = f" (process {int(holder)})" if holder.isdigit() else ""
                raise SpoolTrouble(f"another node works on the queue in {self._folder}{process}") from None
            self._descriptor = descriptor
            give_to_owner(path)
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())

    def give_up(self) -> None:
        """Somebody else may have it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
