"""Destinations that were declared dead, and what becomes of mail for them: it waits, with the reason of the last failure."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from mailrider.clock import Clock
from mailrider.events import Observer, RecipientSettled
from mailrider.model.outcome import Action, Delays, DeliveryReport, DestinationTrouble, Outcome, Status
from mailrider.model.request import DeliveryRequest, Turn

GRAVES_LIMIT = 20_000
"""Dead destinations that are remembered (`qmgr_message_recipient_limit`); those that died first are forgotten first."""

Key = tuple[str, str]
"""A destination: the service and its name."""


class Waiting(Protocol):
    """What waits for its turn at a destination.

    What is heavy about it (the message) is opened only then, so that a long queue costs little memory.
    """

    def open(self, turn: Turn | None, *, cache_load: bool, cache_store: bool) -> DeliveryRequest:
        """The request itself, with its place in the window and hints for the connection cache.  Must not raise."""

    def report(self, report: DeliveryReport) -> None:
        """What became of it."""


class Grave(NamedTuple):
    """Why a destination is dead, and until when (seconds on the monotonic clock)."""

    trouble: DestinationTrouble
    until_seconds: float


class Graves(dict[Key, Grave]):
    """The dead destinations, those whose time is over among them until somebody asks for them."""

    __slots__ = ("_clock",)

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def bury(self, key: Key, trouble: DestinationTrouble, seconds: float) -> None:
        """A destination is dead, for so long.  What fails after that changes nothing."""
        self.setdefault(key, Grave(trouble, self._clock.monotonic_seconds() + seconds))
        while len(self) > GRAVES_LIMIT:
            del self[next(iter(self))]

    def revive(self, key: Key) -> None:
        """It is not dead after all."""
        self.pop(key, None)

    def find(self, key: Key) -> Grave | None:
        """The grave of a destination that is dead now."""
        grave = self.get(key)
        if grave is not None and grave.until_seconds <= self._clock.monotonic_seconds():
            del self[key]
            return None
        return grave


def suspend(work: Waiting, trouble: DestinationTrouble, clock: Clock, observer: Observer) -> None:
    """Report of mail that is not even tried: `delivery temporarily suspended: ...`."""
    request = work.open(None, cache_load=False, cache_store=False)
    outcome = _put_off(request, trouble, clock.wall_seconds())
    for recipient in request.envelope.recipients:
        observer(RecipientSettled(request, recipient, outcome))
    work.report(DeliveryReport(tuple(outcome for _ in request.envelope.recipients), trouble))


def _put_off(request: DeliveryRequest, trouble: DestinationTrouble, now_seconds: float) -> Outcome:
    before = max(0.0, request.active_seconds - request.arrival_seconds)
    return Outcome(
        Status.DEFERRED,
        trouble.status_code,
        f"delivery temporarily suspended: {trouble.text}",
        action=Action.DELAYED,
        delays=Delays(before, max(0.0, now_seconds - request.active_seconds), 0.0, 0.0),
    )
