"""The bell of a spool: who has brought mail or asked for a flush rings it, and the process that runs the node looks at once.

A FIFO in the folder of the spool, as Postfix's queue manager has one.  It is a courtesy, and nothing rests on it: where there
is no bell, nobody who hears it, or no right to ring it, what was brought is found at the next look (`lookout.POLL_SECONDS`).
What is written into it means nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mailrider.spool.files import give_to_owner

NAME = "bell"

HEARD_OCTETS = 4096
"""How much is taken out of it at once: all that may be in it is one ringing."""


class Bell:
    """The bell of the spool in `folder`."""

    __slots__ = ("_descriptor", "_loop", "_path")

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._descriptor = -1
        self._loop: asyncio.AbstractEventLoop | None = None

    def ring(self) -> None:
        """Somebody may be listening."""
        with suppress(OSError):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                os.write(descriptor, b"!")
            finally:
                os.close(descriptor)

    def listen(self, answer: Callable[[], None]) -> None:
        """Have `answer` called in the running event loop whenever it rings, until `close`."""
        try:
            with suppress(FileExistsError):
                os.mkfifo(self._path, 0o600)
                give_to_owner(self._path)
            # For both ways: a FIFO whose last writer has left is readable for ever.
            descriptor = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return
        self._loop, self._descriptor = asyncio.get_running_loop(), descriptor
        try:
            self._loop.add_reader(descriptor, self._hear, answer)
        except (OSError, NotImplementedError):
            self.close()

    def _hear(self, answer: Callable[[], None]) -> None:
        with suppress(OSError):
            os.read(self._descriptor, HEARD_OCTETS)
        answer()

    def close(self) -> None:
        """Listen no more."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0 and self._loop is not None:
            self._loop.remove_reader(descriptor)
            os.close(descriptor)
