"""What was said in a conversation, as far as it is kept: the beginning and the end, within bounds."""

from __future__ import annotations

from collections import deque
from typing import Final

BEGINNING_LIMIT_OCTETS: Final = 16 * 1024
"""Kept of the beginning: the greeting, what the server offers, TLS and the login."""

END_LIMIT_OCTETS: Final = 48 * 1024
"""Kept of the end.  A refused message with three hundred recipients is still whole."""

LINE_COST_OCTETS: Final = 64
"""What a line counts beside its text, so that a peer of many short lines does not fill the memory."""

OUT: Final = "Out: "
IN: Final = "In:  "
"""What we said, and what the other side did (smtp(8), smtpd(8))."""


class Minutes:
    """Lines, oldest first; `len` is how many there have been, kept or not."""

    __slots__ = ("_beginning", "_beginning_octets", "_end", "_end_octets", "_left_out")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self._beginning: list[str] = []
        self._beginning_octets = 0
        self._end: deque[str] = deque()
        self._end_octets = 0
        self._left_out = 0

    def __len__(self) -> int:
        return len(self._beginning) + len(self._end) + self._left_out

    def add(self, line: str) -> None:
        """One more."""
        cost = len(line) + LINE_COST_OCTETS
        if not self._end and self._beginning_octets + cost <= BEGINNING_LIMIT_OCTETS:
            self._beginning.append(line)
            self._beginning_octets += cost
            return
        self._end.append(line)
        self._end_octets += cost
        while self._end_octets > END_LIMIT_OCTETS:
            self._end_octets -= len(self._end.popleft()) + LINE_COST_OCTETS
            self._left_out += 1

    def lines(self) -> tuple[str, ...]:
        """What is kept, and where something is missing."""
        gap = [f"({self._left_out} lines left out)"] if self._left_out else []
        return (*self._beginning, *gap, *self._end)
