"""Turns one after the other: how an operator lets a heap of mail go a little at a time.

The turns are due times like any others and stand in the spool, so that a node that is started anew goes on where the last one
was.  They say when mail may go at the earliest: where a destination is slower, mail of several turns waits for it.
"""

from __future__ import annotations

from typing import NamedTuple


class Spread(NamedTuple):
    """The turn of the first message, in seconds since the epoch, and how many seconds lie between two turns."""

    first_seconds: float
    interval_seconds: float

    def turn_seconds(self, place: int) -> float:
        """The turn of a message; places are counted from 0, the oldest message first."""
        return self.first_seconds + place * self.interval_seconds
