"""When the recipients of the spool in memory are due: who is next, and who was passed over.

A recipient that gets another turn leaves the old one behind; whoever takes turns sees that it is out of date by the time that
the recipient says.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import NamedTuple

from mailrider.spool.spool import HELD_SECONDS, PASSED_OVER_SECONDS


class Turn(NamedTuple):
    """When a recipient is due; out of date where the recipient says another time."""

    due_seconds: float
    key: int
    number: int


class Turns:
    """The turns of all recipients, but of those that are leased."""

    __slots__ = ("_again_seconds", "_left", "_turns")

    def __init__(self, turns: Iterable[Turn] = ()) -> None:
        self._turns = list(turns)
        heapq.heapify(self._turns)
        self._left: list[Turn] = []
        self._again_seconds = HELD_SECONDS  # when those that were left are looked at again

    def add(self, key: int, number: int, due_seconds: float) -> None:
        """A recipient is to have his turn."""
        heapq.heappush(self._turns, Turn(due_seconds, key, number))

    def take(self, now_seconds: float) -> Turn | None:
        """The turn that is due the longest, which is over then; None where nobody's has come."""
        return heapq.heappop(self._turns) if self._turns and self._turns[0].due_seconds <= now_seconds else None

    def put_back(self, turn: Turn) -> None:
        """There was no room for him."""
        heapq.heappush(self._turns, turn)

    def leave(self, turn: Turn) -> None:
        """He had his turn and was left where he is, until `look_again`."""
        self._left.append(turn)

    def pass_over(self, turn: Turn, now_seconds: float) -> None:
        """The same, for no longer than `PASSED_OVER_SECONDS`."""
        self._left.append(turn)
        self._again_seconds = min(self._again_seconds, now_seconds + PASSED_OVER_SECONDS)

    def look_again(self) -> None:
        """Who was left has his turn again."""
        for turn in self._left:
            heapq.heappush(self._turns, turn)
        self._left.clear()
        self._again_seconds = HELD_SECONDS

    def look_in_time(self, now_seconds: float) -> None:
        """`look_again`, where it is long enough since somebody was passed over."""
        if now_seconds >= self._again_seconds:
            self.look_again()

    def next_seconds(self) -> float:
        """When there is somebody to look at; `HELD_SECONDS` where there is not."""
        return min(self._turns[0].due_seconds if self._turns else HELD_SECONDS, self._again_seconds)
