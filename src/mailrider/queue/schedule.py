"""When a message is tried again, when it is too old, and when its sender is to hear that it is late (qmgr(8)).

After an attempt the pause is the age of the message since its arrival, but no less than `minimal_backoff_time` and no more than
`maximal_backoff_time`; so the pauses double.  The queue manager looks for mail whose time has come every `queue_run_delay`
only, and takes what is due within the next second with it: the turn is the first such look.

With jitter (ours; per cent of the pause, added at random) the looks do not count: each message comes when its own time has,
and mail that failed together does not come back together.

All times are whole seconds of the wall clock, as the queue manager counts them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

SLACK_SECONDS = 1
"""A look takes what is due so soon after it."""


@dataclass(frozen=True, slots=True)
class ScheduleTerms:
    """The parameters of the schedule; `jitter_percent` 0 is qmgr's own schedule."""

    minimal_backoff_seconds: float = 300.0
    maximal_backoff_seconds: float = 4000.0
    run_delay_seconds: float = 300.0
    lifetime_seconds: float = 432_000.0
    bounce_lifetime_seconds: float = 432_000.0
    warning_seconds: float = 0.0
    jitter_percent: int = 0


class Schedule:
    """Decides by `terms`; looks are counted from `start_seconds`.  `draw` gives a number from 0 to 1."""

    __slots__ = ("_draw", "_start_seconds", "terms")

    def __init__(self, terms: ScheduleTerms, start_seconds: float, draw: Callable[[], float] = random.random) -> None:
        self.terms = terms
        self._start_seconds = int(start_seconds)
        self._draw = draw

    def pause_seconds(self, age_seconds: float) -> float:
        """From an attempt to the earliest next one, for a message of that age."""
        terms = self.terms
        return max(terms.minimal_backoff_seconds, min(float(int(age_seconds)), terms.maximal_backoff_seconds))

    def next_attempt_seconds(self, arrival_seconds: float, now_seconds: float) -> float:
        """When a message that has just failed has its turn again."""
        now = int(now_seconds)
        pause = self.pause_seconds(now - int(arrival_seconds))
        if self.terms.jitter_percent:
            return now + pause * (1 + self._draw() * self.terms.jitter_percent / 100)
        return self._find_look(now + pause)

    def _find_look(self, due_seconds: float) -> float:
        """The first look that takes what is due then."""
        step = self.terms.run_delay_seconds
        looks = math.ceil((due_seconds - SLACK_SECONDS - self._start_seconds) / step)
        return self._start_seconds + max(0, looks) * step

    def forecast(self, arrival_seconds: float, from_seconds: float, count: int) -> list[float]:
        """The next turns of a message that goes on failing, until it is too old: for those who ask."""
        times: list[float] = []
        moment = from_seconds
        while len(times) < count:
            times.append(moment)
            if moment >= arrival_seconds + self.terms.lifetime_seconds:
                break
            moment = int(moment) + self.pause_seconds(int(moment) - int(arrival_seconds))
            if not self.terms.jitter_percent:
                moment = self._find_look(moment)
        return times

    def is_expired(self, sender: str, arrival_seconds: float, now_seconds: float, expires_seconds: float = 0.0) -> bool:
        """Whether a message that could not be delivered now goes back.  `expires_seconds`: its own limit, or 0."""
        if expires_seconds:
            return int(now_seconds) >= expires_seconds
        lifetime = self.terms.lifetime_seconds if sender else self.terms.bounce_lifetime_seconds
        return int(now_seconds) >= int(arrival_seconds) + lifetime

    def is_late(self, arrival_seconds: float, now_seconds: float) -> bool:
        """Whether a warning is due (`delay_warning_time`)."""
        warning = self.terms.warning_seconds
        return warning > 0 and int(now_seconds) >= int(arrival_seconds) + warning - SLACK_SECONDS
