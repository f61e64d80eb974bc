"""The clock of one conversation: what is being waited for, since when, and when patience ends.

A number that a `DeadlineWheel` looks at; how long which stage may take is `patience`'s to say.  A conversation that rests
between two messages has an end of its own, whatever else is waited for.
"""

from __future__ import annotations

from collections.abc import Callable

from mailrider.net.deadline import NO_DEADLINE
from mailrider.net.patience import Patience
from mailrider.smtp.stage import Stage
from mailrider.smtp.wire import Awaited


class Countdown:
    """Watched by a `DeadlineWheel`.

    `now_seconds` is the clock of the event loop; `when_over` is called once patience has ended.  `resting`: between two
    messages.
    """

    __slots__ = (
        "_began_seconds", "_now_seconds", "_patience", "_reply", "_rest_until_seconds", "_stage", "_when_over",
        "deadline_seconds", "resting",
    )  # fmt: skip

    def __init__(self, patience: Patience, now_seconds: Callable[[], float], when_over: Callable[[], None]) -> None:
        self._patience = patience
        self._now_seconds = now_seconds
        self._when_over = when_over
        self._reply: Awaited | None = None  # the reply that is waited for
        self._stage: Stage | None = None
        self._began_seconds = 0.0
        self._rest_until_seconds = NO_DEADLINE
        self.deadline_seconds = NO_DEADLINE
        self.resting = False

    def run_out_of_time(self) -> None:
        """See `deadline.Watched`."""
        self._when_over()

    def begin(self, stage: Stage | None) -> None:
        """Something new is being waited for, or nothing; it is not a reply that is in the queue."""
        self._reply = None
        self._restart(stage)

    def await_reply(self, head: Awaited | None) -> None:
        """The clock of a reply runs from the moment at which it is the next one to come."""
        if head is not self._reply or head is None:
            self._reply = head
            self._restart(head[0] if head is not None else None)

    def forget_reply(self) -> None:
        """Let the time of the next reply begin anew."""
        self._reply = None

    def _restart(self, stage: Stage | None) -> None:
        now, patience = self._now_seconds(), self._patience
        if stage is None and patience.lasts(self._stage):
            self.deadline_seconds = self._rest_until_seconds  # nothing is waited for; what follows has what is left
            return
        if patience.per_request and patience.goes_on(self._stage, stage):
            deadline = patience.after_arrival(stage, now, self._began_seconds, self.deadline_seconds)
        else:
            self._began_seconds = now
            deadline = patience.begin(stage, now)
        self._stage, end = stage, self._rest_until_seconds
        self.deadline_seconds = deadline if deadline < end else end
        if deadline <= now:
            self._when_over()  # smtp(8) does not begin what it has no time for

    def octets_arrived(self, stage: Stage | None) -> None:
        """Some octets of what is waited for have come, but not its end."""
        now, began, deadline = self._now_seconds(), self._began_seconds, self.deadline_seconds
        self.deadline_seconds = self._patience.after_arrival(stage, now, began, deadline)

    def octets_departed(self, stage: Stage | None, octets: int) -> None:
        """Some octets have gone."""
        self.deadline_seconds = self._patience.after_departure(stage, self._now_seconds(), self.deadline_seconds, octets)

    def rest(self, seconds: float) -> None:
        """Rest for at most so long."""
        self.resting = True
        self._rest_until_seconds = self._now_seconds() + seconds
        self.deadline_seconds = min(self.deadline_seconds, self._rest_until_seconds)

    def wake(self, stage: Stage | None) -> None:
        """Rest no longer; `stage` is what is waited for."""
        if self.resting:
            self.resting = False
            self._rest_until_seconds = NO_DEADLINE
            self._restart(stage)
