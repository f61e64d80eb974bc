"""The line of scripts at one wire: one of them may write, and the others wait for their turn.

Whoever writes may let the next one begin before it has ended (`Wire.release`): then it is the next one who may write.
"""

from __future__ import annotations

from collections import deque

from mailrider.net.run import Run
from mailrider.smtp.wire import Wire


class ScriptLine:
    """Whose turn it is.  `waiting` are scripts that have not begun, first come, first served."""

    __slots__ = ("_wire", "_writer", "waiting")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._writer: Run | None = None
        self.waiting: deque[Run] = deque()

    def join(self, run: Run) -> bool:
        """Whether it is the turn of this script at once; else it waits behind the others."""
        wire = self._wire
        if self.waiting or not wire.free or not wire.reusable:
            self.waiting.append(run)
            return False
        self._writer = run
        wire.free = False
        return True

    def call(self) -> Run:
        """It is the turn of the first one that waits: somebody must wait, and the wire be free and reusable."""
        self._writer = run = self.waiting.popleft()
        self._wire.free = False
        return run

    def leave(self, run: Run) -> None:
        """A script has ended: where it was the last to write, the next one may."""
        if self._writer is run:
            self._writer = None
            self._wire.free = True

    def dissolve(self) -> list[Run]:
        """Nobody's turn comes any more: those who have waited for it."""
        left = list(self.waiting)
        self.waiting.clear()
        return left
