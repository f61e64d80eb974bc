"""One node to a queue: who works on it holds a lock, and the next one is told who that is.

Two nodes that know nothing of each other would both deliver everything, since a lease is in the memory of one process only.
The lock (flock(2) on a file in the folder) goes with the process that had it.  Visitors such as `mailrider sendmail` need
none, and the workers of one node work under that of the node: `mailrider serve` takes it before it starts anything.

Known fault: where the file cannot be made, on a full disk at the first start for one, or where there are no locks, nobody is
kept out.  The same goes for a file that has another name elsewhere, since root may be the one who writes to it.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import ExitStack, suppress
from pathlib import Path

from mailrider.errors import SpoolTrouble

LOCK_NAME = "node.lock"
NAME_OCTETS = 20
"""Longer than the number of a process."""

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Tenure:
    """The right to work on the queue in `folder`."""

    __slots__ = ("_descriptor", "_folder")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = -1

    def take(self) -> None:
        """Take it.  Raises `SpoolTrouble` where somebody has it."""
        with suppress(OSError), ExitStack() as opened:
            descriptor = os.open(self._folder / LOCK_NAME, _FLAGS, 0o600)
            opened.callback(os.close, descriptor)
            if not _is_plain(descriptor):
                return
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(descriptor, NAME_OCTETS)
                process = f" (process {int(holder)})" if holder.isdigit() else ""
                raise SpoolTrouble(f"another node works on the queue in {self._folder}{process}") from None
            self._descriptor = descriptor
            opened.pop_all()
            if os.geteuid() == 0:  # what root makes belongs to whom the folder belongs to
                folder = os.stat(self._folder)
                os.fchown(descriptor, folder.st_uid, folder.st_gid)
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())

    def give_up(self) -> None:
        """Somebody else may have it.  In a forked child: the child has no part in it, and the parent keeps it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _is_plain(descriptor: int) -> bool:
    facts = os.fstat(descriptor)
    return stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1
