"""The concurrency window of a destination, with feedback (qmgr(8), "SCHEDULER").

A destination begins with a small window.  Deliveries that work widen it, up to the limit; failures of the site as a whole
narrow it, and enough of them declare the destination dead.  A decision object: results go in, the width comes out.

* Success: while the window is narrower than the limit and than the busy deliveries plus the initial width, credit grows by
  the positive feedback; each whole unit widens the window by one.
* Failure: the cohort of failures grows by 1/window; at `failed_cohort_limit` the destination is dead.  Credit shrinks by the
  negative feedback, and whole units narrow the window, never below one.

Half of the last feedback is added before rounding, so that a third three times makes one whole and a window of fractions
reaches the next number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Feedback = Callable[[int], float]
"""From the width of the window to the amount of feedback."""


@dataclass(frozen=True, slots=True)
class WindowTerms:
    """`limit` 0 means no limit; `failed_cohort_limit` 0 never declares a destination dead.

    `dead_seconds` is how long a dead destination is left alone (`minimal_backoff_time`).
    """

    initial: int = 5
    limit: int = 20
    positive: Feedback = lambda window: 1.0
    negative: Feedback = lambda window: 1.0
    failed_cohort_limit: float = 1.0
    dead_seconds: float = 300.0


class ConcurrencyWindow:
    """How many deliveries to one destination may run at once."""

    __slots__ = ("_failed_cohorts", "_failure", "_initial", "_success", "_terms", "width")

    def __init__(self, terms: WindowTerms) -> None:
        self._terms = terms
        self._initial = max(1, min(terms.initial, terms.limit) if terms.limit else terms.initial)
        self.width = self._initial
        self._success = 0.0
        self._failure = 0.0
        self._failed_cohorts = 0.0

    @property
    def is_dead(self) -> bool:
        """Enough failed: the destination is to be left alone."""
        return self.width == 0

    def succeed(self, busy: int) -> None:
        """A delivery worked while `busy` were running, this one among them.

        A destination that had been declared dead in the meantime comes back with the concurrency that it has.
        """
        self._failed_cohorts = 0.0
        terms = self._terms
        if self.is_dead:
            self.width = busy or self._initial
            self._success = self._failure = 0.0
            return
        if (terms.limit and self.width >= terms.limit) or self.width >= busy + self._initial:
            return
        feedback = terms.positive(self.width)
        self._success += feedback
        while self._success + feedback / 2 >= 1.0:
            self.width += 1
            self._success -= 1.0
            self._failure = 0.0
        if terms.limit:
            self.width = min(self.width, terms.limit)

    def fail(self) -> None:
        """The site as a whole failed."""
        if self.is_dead:
            return
        terms = self._terms
        self._failed_cohorts += 1.0 / self.width
        if terms.failed_cohort_limit and self._failed_cohorts >= terms.failed_cohort_limit:
            self.width = 0
            return
        feedback = terms.negative(self.width)
        self._failure -= feedback
        while self._failure - feedback / 2 < 0:
            self.width -= 1
            self._failure += 1.0
            self._success = 0.0
        self.width = max(1, self.width)
