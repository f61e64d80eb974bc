"""The time as the low floors see it: an interface, handed in by `wiring`.

`monotonic_seconds` never goes back and measures time limits; `wall_seconds` is seconds since the epoch (UTC) and is
for arrival times and log lines only.
"""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Two clocks with one owner, so that a test can move both."""

    def monotonic_seconds(self) -> float:
        """Seconds since some fixed moment; never goes back."""

    def wall_seconds(self) -> float:
        """Seconds since the epoch."""
